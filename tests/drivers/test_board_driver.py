"""The driver of any board: start, commands, and the loss of the board, in virtual time against a fake board."""

from __future__ import annotations

import pytest

from drivers.board import driver
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.rig import Rig

OFF = m.AllowPower(False)
ON = m.AllowPower(True)
LOST_WIRE = "evse_board_support/CommunicationFault"
LOST_BOARD = "evse_board_support/CommunicationFault/McuToEverest"
DEAF_BOARD = "evse_board_support/CommunicationFault/EverestToMcu"
LINE = s.Settings(reset_line=True)


# Start.


def test_a_board_is_restarted_first_and_brought_into_step() -> None:
    rig = Rig()
    rig.feed(s.LinkUp())
    assert [message for _, message in rig.sent] == [m.HostAlive(), OFF, m.Reset()]
    rig.sent.clear()
    rig.advance(0.3)
    assert [message for _, message in rig.sent] == [*[m.HostAlive()] * 3, m.SetPilot(m.PILOT_X1), OFF, OFF]
    assert rig.events() == ["A"]
    assert rig.errors() == set()


def test_the_state_is_told_although_the_board_reports_only_changes() -> None:
    rig = Rig()
    rig.board.car = "C"
    for _ in range(20):  # it has told everything long ago
        rig.board.cycle(rig.now_s)
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.events() == ["C"]


def test_no_power_before_the_board_is_in_step() -> None:
    rig = Rig()
    rig.board.car = "C"
    rig.feed(s.Enable(True))
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    rig.feed(s.LinkUp())
    assert ON not in [message for _, message in rig.sent]
    rig.advance(1)
    assert rig.state.phase == "running"
    assert rig.board.relay, "what was allowed meanwhile holds once the board is in step"


def test_a_board_that_never_speaks_is_an_error_with_cautious_capabilities() -> None:
    rig = Rig()
    rig.board.silent = True
    rig.feed(s.LinkUp())
    rig.advance(1.9)
    assert rig.errors() == set()
    rig.advance(0.2)
    assert rig.errors() == {LOST_BOARD}
    assert [effect.board for _, effect in rig.told if isinstance(effect, s.TellBoard)] == [None]
    rig.board.silent = False
    rig.advance(5)
    assert rig.errors() == set()
    assert rig.state.phase == "running"


def test_a_board_that_sends_but_does_not_hear_is_an_error_of_the_other_direction() -> None:
    rig = Rig()
    rig.board.deaf = True
    rig.feed(s.LinkUp())
    rig.advance(10)
    assert rig.errors() == {DEAF_BOARD}
    assert "PowerOn" not in rig.events()
    rig.board.deaf = False
    rig.advance(5)
    assert rig.errors() == set()
    assert rig.state.phase == "running"


def test_a_board_that_misses_the_keep_alive_is_an_error_of_the_other_direction() -> None:
    rig = Rig.running()
    rig.board.flags = m.ErrorFlags(heartbeat_timeout=True)
    rig.advance(0.3)
    assert rig.errors() == {DEAF_BOARD}
    rig.board.flags = m.ErrorFlags()
    rig.advance(0.3)
    assert rig.errors() == set()


def test_a_port_that_is_not_there_is_told_at_once() -> None:
    rig = Rig()
    rig.feed(s.LinkLost("/dev/ttyUSB0 is not there"))
    assert rig.errors() == {LOST_WIRE}
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.errors() == set()


@pytest.mark.parametrize(
    ("version", "protocol", "says"),
    [
        ("1.9-3-gabc", (0, 1), "older than 2.0"),
        ("2.2", (1, 0), "speaks version 1.0 of the protocol, this driver 0.x"),
        ("3.0", (7, 0), "'3.0' speaks version 7.0"),
    ],
)
def test_a_firmware_that_the_driver_cannot_rely_on_prevents_charging(
    version: str, protocol: tuple[int, int], says: str
) -> None:
    rig = Rig()
    rig.board.version, rig.board.protocol = version, protocol
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.errors() == {"evse_board_support/VendorError/FirmwareVersion"}
    (fault,) = rig.state.raised
    assert says in fault.message


@pytest.mark.parametrize("version", ["2.0-1-g2d51638", "2.2", "v10.1", "unknown", ""])
def test_firmware_that_fits_or_has_no_number_is_taken(version: str) -> None:
    rig = Rig()
    rig.board.version = version
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.errors() == set()


# Commands.


def test_a_car_charges_and_the_contactor_is_told_as_fed_back() -> None:
    rig = Rig.running()
    rig.plug_in("B")
    rig.feed(s.SetDuty(2667))
    rig.plug_in("C")
    rig.feed(s.SetPower(True))
    assert rig.events() == ["A", "B", "C"]
    rig.advance(0.5)
    assert rig.events() == ["A", "B", "C", "PowerOn"]
    rig.feed(s.SetPower(False))
    rig.advance(0.5)
    assert rig.events()[-1] == "PowerOff"


def test_every_second_the_wanted_set_is_sent_again_but_the_phases_and_the_lock() -> None:
    rig = Rig.charging()
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1.5)
    rig.sent.clear()
    rig.advance(10)
    sent = [message for _, message in rig.sent]
    assert sent == [m.HostAlive(), m.SetPilot(1600), ON] * 10


def test_a_command_that_is_lost_holds_after_a_second_at_the_latest() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    rig.board.deaf = True
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    rig.board.deaf = False
    rig.advance(1.2)
    assert rig.board.relay


def test_state_f_stays_until_it_is_withdrawn() -> None:
    rig = Rig.running()
    rig.feed(s.SetDuty(m.PILOT_F))
    rig.advance(5)
    assert rig.board.duty == m.PILOT_F
    rig.feed(s.SetDuty(m.PILOT_X1))
    rig.advance(0.1)
    assert rig.board.duty == m.PILOT_X1


def test_a_disabled_port_offers_nothing_and_keeps_what_it_is_told() -> None:
    rig = Rig.charging()
    rig.feed(s.Enable(False))
    rig.advance(0.3)
    assert (rig.board.relay, rig.board.duty) == (False, m.PILOT_X1)
    rig.feed(s.SetDuty(3000))
    rig.advance(2)
    assert (rig.board.relay, rig.board.duty) == (False, m.PILOT_X1)
    told = len(rig.events())
    rig.feed(s.Enable(True))
    assert rig.events()[told:] == ["C"], "the state is told anew"
    rig.advance(0.5)
    assert (rig.board.relay, rig.board.duty) == (True, 3000)


def test_phases_are_sent_once_and_again_after_a_restart() -> None:
    rig = Rig.running()
    rig.feed(s.SwitchPhases(False))
    rig.advance(5)
    assert len(rig.board.times(m.SetPhases(False))) == 1
    rig.board.restart()
    rig.advance(1)
    assert not rig.board.three_phases
    assert len(rig.board.times(m.SetPhases(False))) == 2


def test_neither_phases_nor_lock_move_under_load() -> None:
    rig = Rig.charging()
    assert "under load" in driver.why_not_phases(rig.state)
    assert "stays locked" in driver.why_not_unlock(rig.state)
    rig.feed(s.SetPower(False))
    rig.advance(0.5)
    assert driver.why_not_phases(rig.state) == driver.why_not_unlock(rig.state) == ""


# Power-off.


def test_power_off_is_repeated_every_100_ms_until_the_board_confirms_it() -> None:
    rig = Rig.charging()
    rig.board.deaf = True
    at_s = rig.now_s
    rig.feed(s.SetPower(False))
    rig.advance(0.45)
    assert rig.sent_since(at_s, OFF) == [0, 0.1, 0.2, 0.3, 0.4]
    rig.board.deaf = False
    rig.advance(0.35)
    assert not rig.board.relay
    assert rig.events()[-1] == "PowerOff"
    assert rig.errors() == set()
    count = len(rig.sent_since(at_s, OFF))
    rig.advance(0.15)
    assert len(rig.sent_since(at_s, OFF)) <= count + 1, "only the refresh of each second goes on"


def test_a_contactor_that_does_not_open_within_a_second_counts_as_welded() -> None:
    rig = Rig.charging()
    rig.board.welded = True
    at_s = rig.now_s
    rig.feed(s.SetPower(False))
    rig.advance(0.95)
    assert rig.errors() == set()
    assert len(rig.sent_since(at_s, OFF)) >= 10
    rig.advance(0.1)
    assert rig.errors() == {"evse_board_support/MREC17EVSEContactorFault"}
    assert "PowerOff" not in rig.events()
    assert driver.why_not_unlock(rig.state)
    rig.board.welded = False
    rig.advance(1)
    assert rig.events()[-1] == "PowerOff"
    assert rig.errors() == set()


def test_a_contactor_that_is_closed_without_leave_is_told_to_open_and_counts_as_welded() -> None:
    rig = Rig.running()
    rig.board.welded = rig.board.relay = True
    at_s = rig.now_s
    rig.advance(1.2)
    assert rig.events()[-1] == "PowerOn"
    assert rig.sent_since(at_s, OFF)[0] <= 0.1
    assert rig.errors() == {"evse_board_support/MREC17EVSEContactorFault"}


def test_a_welded_contactor_is_found_when_the_board_starts() -> None:
    rig = Rig()
    rig.board.welded = rig.board.relay = True
    rig.feed(s.LinkUp())
    rig.advance(2)
    assert "PowerOn" in rig.events()
    assert rig.errors() == {"evse_board_support/MREC17EVSEContactorFault"}


# Loss of the board.


def test_silence_is_an_error_and_power_is_off_when_the_board_is_back() -> None:
    rig = Rig.charging()
    rig.board.silent = True
    rig.advance(2.3)
    assert rig.errors() == {LOST_BOARD}
    assert rig.board.relay, "a board that hangs keeps its contactor: see docs/hardware.md"
    rig.board.silent = False
    rig.advance(5)
    assert not rig.board.relay, "nobody has allowed power since"
    assert rig.errors() == set()
    assert rig.events()[-2:] == ["C", "PowerOff"]
    rig.feed(s.SetPower(True))
    rig.advance(0.5)
    assert rig.events()[-1] == "PowerOn"


def test_a_board_that_is_not_heard_but_hears_is_switched_off_and_restarted() -> None:
    rig = Rig.charging()
    rig.deaf = True
    at_s = rig.now_s
    rig.advance(2.2)
    assert rig.errors() == {LOST_BOARD}
    assert not rig.board.relay
    offs = [delay for delay in rig.sent_since(at_s, OFF) if delay < 2.2]
    assert offs[0] <= 2.0
    resets = rig.board.resets
    rig.advance(9)
    assert 2 <= rig.board.resets - resets <= 4, "now and then, so that it has time to start"
    rig.deaf = False
    rig.advance(4)
    assert rig.errors() == set()


def test_with_a_reset_line_a_lost_board_is_switched_off_at_once() -> None:
    rig = Rig.charging(LINE)
    rig.board.silent = True
    rig.advance(2.3)
    assert not rig.board.relay
    assert rig.errors() == {LOST_BOARD}
    rig.advance(3)
    assert rig.errors() == set(), "let go, it starts again"
    assert rig.events()[-2:] == ["C", "PowerOff"]
    assert m.Reset() not in [message for _, message in rig.sent]


def test_with_a_reset_line_the_board_is_held_while_the_port_is_gone() -> None:
    rig = Rig.charging(LINE)
    rig.feed(s.LinkLost("/dev/ttyUSB0 has vanished"))
    assert not rig.board.relay
    rig.advance(60)
    assert rig.state.line_held
    assert not rig.board.relay
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.errors() == set()
    assert rig.state.phase == "running"


def test_the_reset_line_is_pulsed_at_the_start() -> None:
    rig = Rig(LINE)
    rig.feed(s.LinkUp())
    rig.advance(1)
    pulses = [
        (round(at_s - 100, 6), effect.held) for at_s, effect in rig.told if isinstance(effect, s.ResetLine)
    ]
    assert pulses == [(0, True), (0.01, False)]
    assert rig.state.phase == "running"


def test_a_port_that_vanishes_and_comes_back_needs_a_new_leave() -> None:
    rig = Rig.charging()
    rig.feed(s.LinkLost("/dev/ttyUSB0 has vanished"))
    assert rig.errors() == {LOST_WIRE}
    rig.advance(5)
    rig.feed(s.LinkUp())
    rig.advance(2)
    assert rig.errors() == set()
    assert not rig.board.relay
    assert rig.board.duty == 1600, "what else is wanted is sent again"


def test_a_restart_of_its_own_is_an_error_until_the_board_is_in_step_again() -> None:
    rig = Rig.charging()
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1.5)
    rig.board.restart()
    at_s = rig.now_s
    rig.advance(1)
    raised = [effect.fault for _, effect in rig.told if isinstance(effect, s.Raise)]
    assert [(fault.type, fault.sub_type) for fault in raised] == [tuple(LOST_BOARD.rsplit("/", 1))]
    assert "restarted by itself" in raised[0].message
    assert rig.board.resets == 1, "it is not restarted once more for that"
    assert rig.errors() == set()
    assert rig.events()[-2:] == ["C", "PowerOff"]
    assert (rig.board.duty, rig.board.lock, rig.board.power) == (1600, "locked", False)
    assert rig.board.times(ON, at_s) == []


def test_a_board_that_restarts_again_and_again_never_gets_power_by_itself() -> None:
    rig = Rig.charging()
    at_s = rig.now_s
    for _ in range(10):
        rig.board.restart()
        rig.advance(0.17)
    rig.advance(2)
    assert rig.board.times(ON, at_s) == []
    assert rig.errors() == set()


def test_one_lost_keep_alive_changes_nothing() -> None:
    rig = Rig.charging()
    rig.deaf = True
    rig.advance(1.7)
    rig.deaf = False
    rig.advance(1)
    assert rig.errors() == set()
    assert rig.board.relay


def test_a_host_that_was_held_up_does_not_take_the_board_for_silent() -> None:
    rig = Rig.charging()
    rig.now_s += 5  # nothing ran: what the board said waits, its keep-alive behind its telemetry
    rig._cycle_s = rig.now_s
    for message in (
        m.PilotVoltages(6.0, 0.0),
        m.BoardAlive("2.2", 10**6, 0, 0, (0, 1), 32.0, 6.0, 3, 1, True),
    ):
        rig.feed(s.Received(message))
    rig.feed(s.Tick())
    assert rig.errors() == set()
    assert rig.state.power


# The lock.


def test_a_lock_without_feedback_is_believed_after_its_motor_has_run() -> None:
    rig = Rig.running()
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1.1)
    assert rig.answers() == []
    rig.advance(0.2)
    assert rig.answers() == [s.LockDone(1)]
    assert rig.board.lock == "locked"
    assert max(rig.board.times(m.SetLock(True))) < rig.now_s - 1, "its motor is not started again meanwhile"


def test_a_lock_with_feedback_is_answered_by_it() -> None:
    rig = Rig.running()
    rig.board.reports_lock = True
    rig.advance(0.3)
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(0.06)
    assert rig.answers() == [s.LockDone(1)]
    rig.feed(s.MoveLock(2, locked=True))
    assert rig.answers() == [s.LockDone(1), s.LockDone(2)]


def test_a_stuck_lock_is_an_error_until_it_moves() -> None:
    rig = Rig.running()
    rig.board.reports_lock = rig.board.lock_stuck = True
    rig.advance(0.3)
    rig.feed(s.MoveLock(7, locked=True))
    rig.advance(2.3)
    (answer,) = rig.answers()
    assert answer.request_id == 7
    assert "did not move" in answer.error
    assert rig.errors() == {"connector_lock/ConnectorLockFailedLock"}
    rig.board.lock_stuck = False
    rig.feed(s.MoveLock(8, locked=True))
    rig.advance(0.2)
    assert rig.answers()[-1] == s.LockDone(8)
    assert rig.errors() == set()


def test_a_lock_that_opens_by_itself_is_an_error() -> None:
    rig = Rig.running()
    rig.board.reports_lock = True
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(0.5)
    rig.board.lock = "unlocked"
    rig.advance(0.1)
    assert rig.errors() == {"connector_lock/ConnectorLockUnexpectedOpen"}
    rig.board.lock = "locked"
    rig.advance(0.1)
    assert rig.errors() == set()


def test_a_lock_is_not_believed_of_a_lost_board_and_moves_when_it_is_back() -> None:
    rig = Rig.running()
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1.5)
    rig.feed(s.MoveLock(2, locked=False))
    rig.feed(s.LinkLost("/dev/ttyUSB0 has vanished"))
    rig.feed(s.MoveLock(3, locked=False))
    assert [answer.request_id for answer in rig.answers() if answer.error] == [2, 3]
    rig.feed(s.LinkUp())
    rig.advance(2)
    assert rig.board.lock == "unlocked"


# What comes in.


def test_the_same_state_twice_is_told_once() -> None:
    rig = Rig.running()
    rig.plug_in("B")
    for _ in range(3):
        rig.feed(s.Received(m.PilotState("B")))
        rig.feed(s.Received(m.RelayState(False)))
    assert rig.events() == ["A", "B"]


def test_the_cable_and_the_board_are_told_when_they_change() -> None:
    rig = Rig.running()
    for cable in ("20A", "20A", "32A"):
        rig.feed(s.Received(m.ProximityState(cable)))
    assert [e.cable for _, e in rig.told if isinstance(e, s.TellCable)] == ["20A", "32A"]
    rig.advance(5)
    assert len([e for _, e in rig.told if isinstance(e, s.TellBoard)]) == 1
    rig.board.version = "2.3"
    rig.advance(1)
    assert len([e for _, e in rig.told if isinstance(e, s.TellBoard)]) == 2


def test_what_a_process_says_that_ends_leaves_no_power_and_no_pwm() -> None:
    rig = Rig.charging()
    for message in driver.safe_messages(rig.state):
        rig.board.hear(message, rig.now_s)
    assert (rig.board.power, rig.board.duty) == (False, m.PILOT_X1)
    rig.feed(s.SetDuty(m.PILOT_F))
    assert m.SetPilot(m.PILOT_F) in driver.safe_messages(rig.state)
