"""Reports that noise has taken: boards tell each change once, so what is missing has to be noticed."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from drivers.board import doubts
from drivers.board import messages as m
from drivers.board import state as s
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.yeti.codec import YetiCodec
from tests.drivers.fake_board import FakeBoard
from tests.drivers.rig import Rig

LOST_BOARD = "evse_board_support/CommunicationFault/McuToEverest"
CODEC = YetiCodec()


def messages_of_faults(rig: Rig) -> list[str]:
    return [effect.fault.message for _, effect in rig.told if isinstance(effect, s.Raise)]


def lose(rig: Rig, seconds: float) -> None:
    """What the board says meanwhile arrives damaged."""
    rig.deaf = True
    rig.advance(seconds)
    rig.deaf = False
    rig.feed(s.Damaged())


@pytest.mark.parametrize(("before", "after"), [("A", "B"), ("B", "C"), ("C", "A"), ("C", "B"), ("C", "D")])
def test_a_lost_report_of_the_control_pilot_is_noticed_by_its_voltage(
    before: m.Pilot, after: m.Pilot
) -> None:
    rig = Rig.running()
    rig.plug_in(before)
    rig.board.car = after
    lose(rig, 0.1)
    assert rig.events()[-1] == before
    rig.advance(4)
    assert rig.events()[-1] == after
    assert "the control pilot is at" in messages_of_faults(rig)[0]
    assert rig.errors() == set()


def test_a_voltage_that_belongs_to_no_state_is_no_contradiction() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    for tenths in range(-120, 140):
        voltage = tenths / 10
        believed = [pilot for pilot in ("A", "B", "C", "D") if doubts.contradicts(_at(rig, pilot), voltage)]
        assert len(believed) in (0, 3), "where it contradicts, it contradicts all but one"
    for pilot in ("E", "F"):
        doubted = [volts for volts in range(-12, 14) if doubts.contradicts(_at(rig, pilot), volts)]
        assert doubted == [2, 3, 5, 6, 8, 9, 11, 12], "the car is there again, or F is withdrawn"
    flagged = replace(_at(rig, "F"), flags=m.ErrorFlags(diode_fault=True))
    assert not any(doubts.contradicts(flagged, volts) for volts in range(-12, 14)), "it is told as F"


def _at(rig: Rig, pilot: m.Pilot) -> s.State:
    rig.feed(s.Received(m.PilotState(pilot)))
    return rig.state


def test_a_lost_report_of_an_open_contactor_is_no_weld() -> None:
    rig = Rig.charging()
    rig.feed(s.SetPower(False))
    lose(rig, 0.3)
    at_s = rig.now_s
    rig.advance(2)
    assert rig.events()[-1] == "PowerOff"
    assert not any("MREC17" in e.fault.type for _, e in rig.told if isinstance(e, s.Raise))
    off_s = next(t for t, e in rig.told if e == s.TellEvent("PowerOff"))
    assert off_s - at_s < 0.75, "before the kernel, too, counts it as welded"


def test_a_contactor_that_is_welded_is_found_on_a_noisy_line_too() -> None:
    rig = Rig.charging()
    rig.board.welded = True
    rig.feed(s.SetPower(False))
    rig.feed(s.Damaged())
    rig.advance(4)
    assert rig.errors() == {"evse_board_support/MREC17EVSEContactorFault"}


def test_a_lost_report_of_a_closed_contactor_is_asked_for() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    lose(rig, 0.3)
    rig.advance(4.5)
    assert "not reported closed" in messages_of_faults(rig)[0]
    assert not rig.board.relay
    assert rig.errors() == set()


def test_without_noise_a_slow_contactor_is_waited_for() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    rig.deaf = True
    rig.advance(1)
    rig.deaf = False
    rig.advance(4)
    assert messages_of_faults(rig) == []


def test_a_restart_whose_report_is_lost_is_noticed_by_the_boards_clock() -> None:
    rig = Rig.charging()
    rig.board.restart()
    lose(rig, 0.1)
    rig.advance(2)
    assert "restarted by itself" in messages_of_faults(rig)[0]
    assert rig.events()[-1] == "PowerOff"
    assert rig.errors() == set()


def test_a_clock_that_begins_anew_after_49_days_is_no_restart() -> None:
    rig = Rig.running()
    for clock_ms in (2**32 - 200, 2**32 - 1, 0, 200):
        alive = m.BoardAlive("2.2", clock_ms, 0, 0, (0, 1), 32.0, 6.0, 3, 1, True)
        rig.feed(s.Received(alive))
    assert rig.state.phase == "running"


class NoisyRig(Rig):
    """Frames with damaged bytes, both ways."""

    def __init__(self, part: float, seed: int) -> None:
        super().__init__()
        self.part = part
        self.random = random.Random(seed)
        self.to_board, self.to_host = FrameDecoder(), FrameDecoder()
        self.damaged = 0
        self.board = _Far(self)

    def noisy(self, frame: bytes) -> bytes:
        return bytes(
            byte ^ self.random.randrange(1, 256) if self.random.random() < self.part else byte
            for byte in frame
        )


class _Far(FakeBoard):
    """A board behind the noise."""

    def __init__(self, rig: NoisyRig) -> None:
        super().__init__()
        self.rig = rig

    def hear(self, message: m.ToBoard, now_s: float) -> None:
        for data in self.rig.to_board.feed(self.rig.noisy(encode_frame(CODEC.encode_to_board(message)))):
            super().hear(CODEC.decode_to_board(data), now_s)

    def cycle(self, now_s: float) -> list[m.FromBoard]:
        said: list[m.FromBoard] = []
        for message in super().cycle(now_s):
            said += map(
                CODEC.decode_from_board,
                self.rig.to_host.feed(self.rig.noisy(encode_frame(CODEC.encode_from_board(message)))),
            )
        if self.rig.to_host.dropped.total() != self.rig.damaged:
            self.rig.damaged = self.rig.to_host.dropped.total()
            self.rig.feed(s.Damaged())
        return said


MINUTES = int(os.environ.get("EVSE_TEST_NOISE_MINUTES", "5"))


def test_with_one_byte_in_a_hundred_damaged_nothing_wrong_is_believed_for_long() -> None:
    """Cars come, charge and leave; a soak of an hour is EVSE_TEST_NOISE_MINUTES=60."""
    rig = NoisyRig(0.01, seed=5)
    rig.feed(s.LinkUp())
    rig.feed(s.Enable(True))
    rig.feed(s.SetDuty(1600))
    rig.advance(5)
    wrong_s, charged = 0.0, 0
    for _ in range(MINUTES * 60):
        if rig.random.random() < 0.1:
            rig.board.car = rig.random.choice(("A", "B", "C"))
        # The kernel: leave to close in state C, while no error is active.
        wanted = rig.state.told_pilot == "C" and not rig.errors()
        if wanted != rig.state.wanted.power:
            rig.feed(s.SetPower(wanted))
        rig.advance(1)
        charged += rig.board.relay
        if rig.state.phase == "running":
            right = (rig.state.told_pilot, rig.state.told_power) == (rig.board.car, rig.board.relay)
            wrong_s = 0.0 if right else wrong_s + 1
            assert wrong_s <= 5, "what is believed is wrong"
        assert not any("MREC17" in error for error in rig.errors())
    assert rig.damaged > MINUTES * 60
    assert charged > MINUTES * 6


def test_error_flags_whose_end_was_lost_are_asked_for_once_the_car_has_left() -> None:
    rig = Rig.running()
    rig.plug_in("B")
    rig.board.flags = m.ErrorFlags(connector_lock_failed=True)
    rig.plug_in("A")
    rig.board.flags = m.ErrorFlags()
    lose(rig, 0.1)
    rig.advance(50)
    assert rig.errors() == {"connector_lock/MREC1ConnectorLockFailure"}
    rig.advance(15)
    assert rig.errors() == set(), "it clears without anybody"
    assert "error flags" in messages_of_faults(rig)[-1]


@pytest.mark.parametrize("tripped", [True, False])
def test_error_flags_that_stand_are_not_asked_for_without_noise_nor_where_a_residual_current_has_tripped(
    tripped: bool,
) -> None:
    rig = Rig.running(replace(s.Settings(protocol_major=0), latched=frozenset()))
    rig.board.flags = m.ErrorFlags(rcd_triggered=tripped, diode_fault=not tripped)
    rig.advance(1)
    if tripped:
        rig.feed(s.Damaged())
    rig.advance(200)
    assert rig.board.resets == 1
    assert len(rig.errors()) == 1


def test_error_flags_are_not_asked_for_while_a_car_is_there() -> None:
    rig = Rig.running()
    rig.plug_in("B")
    rig.board.flags = m.ErrorFlags(diode_fault=True)
    rig.advance(1)
    rig.feed(s.Damaged())
    rig.advance(200)
    assert rig.board.resets == 1


def test_flags_that_stand_on_a_noisy_line_restart_the_board_at_most_once_a_minute() -> None:
    rig = Rig.running()
    rig.board.flags = m.ErrorFlags(diode_fault=True)
    for _ in range(300):
        rig.advance(1)
        rig.feed(s.Damaged())
    assert 4 <= rig.board.resets <= 6


def test_a_cable_whose_report_was_lost_is_asked_for_when_the_car_is_plugged_in() -> None:
    """Else the car would be offered what the cable before it carries."""
    rig = Rig.running()
    rig.board.cable = "32A"
    rig.advance(1)
    rig.board.cable = "13A"
    lose(rig, 0.1)
    rig.plug_in("B")
    rig.advance(2)
    assert [effect.cable for _, effect in rig.told if isinstance(effect, s.TellCable)] == ["32A", "13A"]
    assert rig.events()[-1] == "B"
    assert rig.errors() == set()
    assert rig.board.resets == 2


def test_a_cable_that_was_reported_after_the_noise_is_believed() -> None:
    rig = Rig.running()
    lose(rig, 0.1)
    rig.board.cable = "32A"
    rig.plug_in("B")
    rig.advance(2)
    assert rig.board.resets == 1
