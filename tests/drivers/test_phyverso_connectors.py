"""Two connectors on one board, each fault of one and of both: in virtual time against a fake PhyVerso."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.phyverso_rig import CONFIGURATION, SETTINGS, Rig

OFF = m.AllowPower(False)
ON = m.AllowPower(True)
BOARD = "evse_board_support"
LOST_WIRE = f"{BOARD}/CommunicationFault"
LOST_BOARD = f"{BOARD}/CommunicationFault/McuToEverest"
DEAF_BOARD = f"{BOARD}/CommunicationFault/EverestToMcu"


# Start.


def test_the_board_is_restarted_once_and_both_connectors_are_switched_off_before() -> None:
    rig = Rig()
    rig.feed(None, s.LinkUp())
    assert [(to, message) for _, to, message in rig.sent] == [
        (0, m.HostAlive()),
        (1, OFF),
        (2, OFF),
        (0, m.Reset()),
    ]


def test_nothing_is_commanded_before_the_board_has_its_configuration() -> None:
    rig = Rig()
    rig.feed(None, s.LinkUp())
    rig.advance(1)
    sent = [message for _, _, message in rig.sent]
    configured = sent.index(CONFIGURATION)
    assert m.SetPilot(m.PILOT_X1) not in sent[:configured]
    assert sent.count(m.Reset()) == 1
    assert rig.board.configuration == CONFIGURATION
    assert rig.phases() == ("running", "running")
    assert rig.events(1) == rig.events(2) == ["A"]
    assert rig.errors(1) == rig.errors(2) == set()


@pytest.mark.parametrize("tells_reset", [True, False])
def test_a_board_that_asks_for_its_configuration_has_restarted(tells_reset: bool) -> None:
    rig = Rig.charging(1)
    rig.board.tells_reset = tells_reset
    rig.board.restart()
    rig.advance(0.06)
    assert rig.errors(1) == rig.errors(2) == {LOST_BOARD}
    rig.advance(1)
    assert rig.errors(1) == rig.errors(2) == set()
    assert rig.board.resets == 1, "it is not restarted for that once more"
    assert not rig.board.ports[1].relay, "power needs a new leave"
    assert rig.board.ports[1].duty == 1600, "and what is wanted is told again"
    rig.feed(1, s.SetPower(True))
    rig.advance(0.5)
    assert rig.board.ports[1].relay


def test_a_board_is_called_often_until_it_is_configured() -> None:
    rig = Rig()
    rig.board.silent = True
    rig.feed(None, s.LinkUp())
    rig.sent.clear()
    rig.advance(1.9)
    assert len(rig.sent_since(0, 0, m.HostAlive())) >= 18
    assert rig.errors(1) == set()
    rig.advance(30)
    assert rig.errors(1) == rig.errors(2) == {LOST_BOARD}
    assert 8 <= len(rig.sent_since(0, 0, m.Reset())) <= 12, "it is tried for ever"
    rig.board.silent = False
    rig.advance(5)
    assert rig.phases() == ("running", "running")
    assert rig.errors(1) == rig.errors(2) == set()


def test_a_board_that_does_not_take_its_configuration_is_an_error_and_charges_nothing() -> None:
    rig = Rig()
    rig.board.takes_configuration = False
    rig.feed(None, s.LinkUp())
    rig.feed(1, s.Enable(True))
    rig.feed(1, s.SetPower(True))
    rig.advance(10)
    assert rig.errors(1) == rig.errors(2) == {LOST_BOARD}
    assert rig.events(1) == []
    assert ON not in [message for _, _, message in rig.sent]
    rig.board.takes_configuration = True
    rig.advance(4)
    assert rig.errors(1) == rig.errors(2) == set()


def test_what_a_board_reports_before_it_is_configured_is_not_believed() -> None:
    rig = Rig()
    rig.board.silent = True
    rig.feed(None, s.LinkUp())
    rig.feed(1, s.Enable(True))
    rig.feed(1, s.SetPower(True))
    for configured in (False, True):
        rig.feed(None, s.Received(m.ConfigurationRequest()))
        rig.feed(1, s.Received(m.PilotState("C")))
        rig.feed(None, s.Received(m.BoardAlive("1.0", configured=configured)))
        assert rig.phases()[0] == ("running" if configured else "starting")
        assert (rig.events(1) == ["C"]) == configured
        assert (ON in [message for _, _, message in rig.sent]) == configured


def test_the_host_is_heard_every_second_and_configures_once() -> None:
    rig = Rig.charging(1, 2)
    rig.sent.clear()
    begin_s = rig.now_s
    rig.advance(60)
    alive = rig.sent_since(begin_s, 0, m.HostAlive())
    assert len(alive) == 60
    assert max(after - before for before, after in itertools.pairwise(alive)) <= 1.001
    assert CONFIGURATION not in [message for _, _, message in rig.sent]
    assert not any(port.flags.heartbeat_timeout for port in rig.board.ports.values())


# Two connectors.


def test_both_charge_at_once_and_end_one_after_the_other() -> None:
    rig = Rig.charging(1, 2)
    rig.feed(1, s.SetPower(False))
    rig.advance(0.3)
    assert not rig.board.ports[1].relay
    assert rig.board.ports[2].relay
    assert rig.events(1)[-1] == "PowerOff"
    assert rig.events(2)[-1] == "PowerOn"
    rig.plug_in(1, "A")
    assert rig.events(2)[-1] == "PowerOn"
    rig.feed(2, s.SetPower(False))
    rig.advance(0.3)
    assert rig.events(2)[-1] == "PowerOff"
    assert rig.errors(1) == rig.errors(2) == set()


def test_a_command_reaches_its_connector_alone() -> None:
    rig = Rig.running()
    rig.feed(2, s.SetDuty(1000))
    rig.feed(1, s.MoveLock(1, True))
    assert (rig.board.ports[1].duty, rig.board.ports[2].duty) == (m.PILOT_X1, 1000)
    assert (rig.board.ports[1].lock, rig.board.ports[2].lock) == ("locked", "unlocked")


FLAGS = {
    f"{BOARD}/DiodeFault": m.ErrorFlags(diode_fault=True),
    f"{BOARD}/MREC17EVSEContactorFault": m.ErrorFlags(coil_feedback_diverges=True),
    f"{BOARD}/MREC23ProximityFault": m.ErrorFlags(pp_signal_fault=True),
    f"{BOARD}/MREC14PilotFault": m.ErrorFlags(cp_signal_fault=True),
    f"{BOARD}/VentilationNotAvailable": m.ErrorFlags(ventilation_not_available=True),
    "ac_rcd/DC": m.ErrorFlags(rcd_triggered=True),
    "ac_rcd/Selftest": m.ErrorFlags(rcd_selftest_failed=True),
    "connector_lock/MREC1ConnectorLockFailure": m.ErrorFlags(connector_lock_failed=True),
}


@pytest.mark.parametrize("connector", [1, 2])
@pytest.mark.parametrize("error", FLAGS)
def test_a_fault_of_one_connector_does_not_touch_the_other(error: str, connector: int) -> None:
    rig = Rig.charging(1, 2)
    other = 3 - connector
    told = len(rig.events(other))
    rig.board.ports[connector].flags = FLAGS[error]
    rig.advance(0.1)
    assert rig.errors(connector) == {error}
    assert rig.errors(other) == set()
    rig.advance(10)
    assert rig.board.ports[other].relay
    assert len(rig.events(other)) == told
    rig.board.ports[connector].flags = m.ErrorFlags()
    rig.feed(connector, s.SetPower(False))
    rig.plug_in(connector, "A")
    assert rig.errors(connector) == set()


def test_a_board_that_answers_power_off_with_a_closed_contactor_is_not_answered_at_once() -> None:
    rig = Rig.charging(1)
    begin_s = rig.now_s
    rig.feed(1, s.SetPower(False))
    for _ in range(5):
        rig.feed(1, s.Received(m.RelayState(True)))
    assert rig.sent_since(begin_s, 1, OFF) == [0.0]


def test_a_contactor_of_one_that_is_welded_leaves_the_other_charging() -> None:
    rig = Rig.charging(1, 2)
    rig.board.ports[1].welded = True
    rig.feed(1, s.SetPower(False))
    begin_s = rig.now_s
    rig.advance(1.1)
    assert rig.errors(1) == {f"{BOARD}/MREC17EVSEContactorFault"}
    assert len(rig.sent_since(begin_s, 1, OFF)) >= 10, "power-off is repeated"
    rig.advance(20)
    assert rig.errors(2) == set()
    assert rig.board.ports[2].relay
    assert rig.board.resets == 1
    rig.board.ports[1].welded = False
    rig.advance(1)
    assert rig.errors(1) == set()


# What concerns both.


def test_a_lost_wire_is_an_error_of_both_and_power_needs_a_new_leave_on_both() -> None:
    rig = Rig.charging(1, 2)
    rig.feed(None, s.LinkLost("the port has vanished"))
    assert rig.errors(1) == rig.errors(2) == {LOST_WIRE}
    rig.advance(3)
    rig.feed(None, s.LinkUp())
    rig.advance(1)
    assert rig.errors(1) == rig.errors(2) == set()
    assert not any(port.relay for port in rig.board.ports.values())
    for connector in (1, 2):
        rig.feed(connector, s.SetPower(True))
    rig.advance(0.5)
    assert all(port.relay for port in rig.board.ports.values())


def test_a_board_that_falls_silent_is_an_error_of_both_within_the_deadline() -> None:
    rig = Rig.charging(1, 2)
    rig.board.silent = True
    begin_s = rig.now_s
    rig.advance(2.3)
    assert rig.errors(1) == rig.errors(2) == {LOST_BOARD}
    for connector in (1, 2):
        assert rig.sent_since(begin_s, connector, OFF)
    resets = rig.sent_since(begin_s, 0, m.Reset())
    assert len(resets) == 1, "the drivers of both want it restarted: it is, once"
    rig.board.silent = False
    rig.advance(5)
    assert rig.errors(1) == rig.errors(2) == set()


def test_where_a_line_resets_the_board_a_lost_one_is_held_and_let_go_once() -> None:
    rig = Rig.charging(1, 2, settings=replace(SETTINGS, reset_line=True))
    assert rig.line == [True, False]
    rig.board.silent = True
    rig.advance(2.3)
    assert rig.line == [True, False, True]
    assert not any(port.relay for port in rig.board.ports.values()), "its outputs fall"
    rig.advance(3)
    assert rig.line == [True, False, True, False]
    assert rig.phases() == ("running", "running")
    assert rig.errors(1) == rig.errors(2) == set()


@pytest.mark.parametrize("connector", [1, 2])
def test_a_board_that_misses_its_host_says_so_at_either_connector_and_both_are_told(connector: int) -> None:
    rig = Rig.charging(1, 2)
    for said in (True, False):
        rig.feed(connector, s.Received(m.ErrorFlags(heartbeat_timeout=said)))
        assert rig.errors(1) == rig.errors(2) == ({DEAF_BOARD} if said else set())


def test_a_broken_line_to_the_board_ends_on_both_connectors() -> None:
    rig = Rig.charging(1, 2)
    rig.board.deaf = True
    rig.advance(5.3)
    assert rig.errors(1) == rig.errors(2) == {DEAF_BOARD}
    assert not any(port.relay for port in rig.board.ports.values()), "this one watches its host"
    rig.board.deaf = False
    rig.advance(2)
    assert rig.errors(1) == rig.errors(2) == set()


def test_a_contradiction_of_one_restarts_the_board_and_the_other_is_switched_off_before() -> None:
    rig = Rig.charging(1, 2)
    begin_s = rig.now_s
    rig.board.ports[1].said["pilot"] = m.PilotState("A")  # the report that the car has left is lost
    rig.board.ports[1].car = "A"
    rig.advance(2.5)
    assert rig.board.resets == 2
    off_s, reset_s = rig.sent_since(begin_s, 2, OFF)[0], rig.sent_since(begin_s, 0, m.Reset())[0]
    assert off_s <= reset_s
    sent = [(to, message) for _, to, message in rig.sent]
    assert sent[: sent.index((0, m.Reset()), 4)].count((2, OFF)) >= 1
    assert LOST_BOARD in {
        e.fault.type + "/" + e.fault.sub_type for at, e in rig.told if at == 2 and isinstance(e, s.Raise)
    }
    rig.advance(2)
    assert rig.errors(1) == rig.errors(2) == set()
    assert rig.events(1)[-1] == "A"
    assert rig.events(2)[-2:] == ["C", "PowerOff"]


# A connector that does not start.


def test_a_connector_that_does_not_start_is_an_error_of_its_own() -> None:
    rig = Rig()
    rig.board.ports[2].mute_pilot = True
    rig.feed(None, s.LinkUp())
    rig.feed(1, s.Enable(True))
    rig.advance(20)
    assert rig.errors(2) == {LOST_BOARD}
    assert rig.errors(1) == set()
    assert rig.board.resets == 4, "then the one that works is left in peace"
    rig.charge(1)
    rig.advance(20)
    assert rig.board.ports[1].relay
    rig.board.ports[2].mute_pilot = False
    rig.board.ports[2].said.clear()
    rig.advance(1)
    assert rig.errors(2) == set()
    assert rig.states[1].phase == "running"


@pytest.mark.parametrize("car", ["A", "B"])
def test_a_connector_whose_reports_were_lost_starts_later_where_nobody_is_at_the_other(car: m.Pilot) -> None:
    rig = Rig()
    rig.board.ports[2].mute_pilot = True
    rig.feed(None, s.LinkUp())
    rig.advance(20)
    assert rig.errors(2) == {LOST_BOARD}
    rig.plug_in(1, car)
    rig.board.ports[2].mute_pilot = False  # it has told its state, and does not tell it again
    rig.advance(620)
    assert rig.errors(2) == (set() if car == "A" else {LOST_BOARD})
    assert rig.board.resets == (5 if car == "A" else 4)


def test_a_session_is_not_interrupted_for_a_connector_that_does_not_start() -> None:
    rig = Rig.charging(1)
    rig.states = (
        rig.states[0],
        replace(rig.states[1], phase="starting", phase_until_s=rig.now_s + 1, pilot=None),
    )
    rig.board.ports[2].mute_pilot = True
    rig.advance(30)
    assert rig.board.ports[1].relay
    assert rig.board.resets == 1


def test_when_the_process_ends_both_are_switched_off() -> None:
    rig = Rig.charging(1, 2)
    assert rig.safe_messages().count(OFF) == 4
