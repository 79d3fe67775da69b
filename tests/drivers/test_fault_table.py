"""Each fault of a board in each state of charging: what is raised, how soon power is off, how it recovers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.rig import Rig

Charging = Literal["idle", "plugged", "ready", "charging", "stopping"]
CHARGING: tuple[Charging, ...] = ("idle", "plugged", "ready", "charging", "stopping")
CAR: dict[Charging, m.Pilot] = {"idle": "A", "plugged": "B", "ready": "C", "charging": "C", "stopping": "C"}

BOARD = "evse_board_support"


@dataclass(frozen=True)
class Row:
    """A fault, what it raises, and how it is over."""

    raises: str
    begin: Callable[[Rig], None]
    end: Callable[[Rig], None]
    within_s: float = 0.1
    """How soon it is raised."""
    over_s: float = 0.3
    """How soon it is cleared after its end."""


def flag(**flags: bool) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.board.flags = m.ErrorFlags(**flags)

    return begin


def unflag(rig: Rig) -> None:
    rig.board.flags = m.ErrorFlags()


def unplug(rig: Rig) -> None:
    rig.board.flags = m.ErrorFlags()
    rig.board.car = "A"


def silence(rig: Rig) -> None:
    rig.board.silent = True


def speak(rig: Rig) -> None:
    rig.board.silent = False


def vanish(rig: Rig) -> None:
    rig.feed(s.LinkLost("the port has vanished"))


def come_back(rig: Rig) -> None:
    rig.feed(s.LinkUp())


def restart(rig: Rig) -> None:
    rig.board.restart()


def nothing(rig: Rig) -> None:
    del rig


def break_receive_line(rig: Rig) -> None:
    rig.deaf = True


def mend_receive_line(rig: Rig) -> None:
    rig.deaf = False


FAULTS = {
    "diode": Row(f"{BOARD}/DiodeFault", flag(diode_fault=True), unflag),
    "ventilation": Row(f"{BOARD}/VentilationNotAvailable", flag(ventilation_not_available=True), unflag),
    "control pilot": Row(f"{BOARD}/MREC14PilotFault", flag(cp_signal_fault=True), unflag),
    "over-current": Row(f"{BOARD}/MREC4OverCurrentFailure", flag(over_current=True), unflag),
    "proximity": Row(f"{BOARD}/MREC23ProximityFault", flag(pp_signal_fault=True), unflag),
    "contactor feedback": Row(f"{BOARD}/MREC17EVSEContactorFault", flag(coil_feedback_diverges=True), unflag),
    "RCD self-test": Row("ac_rcd/Selftest", flag(rcd_selftest_failed=True), unflag),
    "RCD": Row(f"{BOARD}/MREC2GroundFailure", flag(rcd_triggered=True), unplug),
    "lock motor": Row("connector_lock/MREC1ConnectorLockFailure", flag(connector_lock_failed=True), unplug),
    "heartbeat": Row(f"{BOARD}/CommunicationFault/EverestToMcu", flag(heartbeat_timeout=True), unflag),
    "silence": Row(f"{BOARD}/CommunicationFault/McuToEverest", silence, speak, within_s=2.2, over_s=4),
    "receive line": Row(
        f"{BOARD}/CommunicationFault/McuToEverest",
        break_receive_line,
        mend_receive_line,
        within_s=2.2,
        over_s=4,
    ),
    "port": Row(f"{BOARD}/CommunicationFault", vanish, come_back, within_s=0, over_s=1),
    "restart": Row(f"{BOARD}/CommunicationFault/McuToEverest", restart, nothing, over_s=1),
}


def rig_in(charging: Charging) -> Rig:
    rig = Rig.charging() if charging in ("charging", "stopping") else Rig.running()
    if charging != "stopping":
        rig.plug_in(CAR[charging])
    if charging == "ready":
        rig.feed(s.SetDuty(1600))
    if charging == "stopping":
        rig.feed(s.SetDuty(m.PILOT_X1))
        rig.advance(0.5)
    rig.told = [(at_s, e) for at_s, e in rig.told if isinstance(e, s.Raise | s.Clear)]
    return rig


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_in_each_state(name: str, charging: Charging) -> None:
    row = FAULTS[name]
    rig = rig_in(charging)
    begun_s = rig.now_s
    row.begin(rig)
    while not rig.errors() and rig.now_s < begun_s + row.within_s:
        rig.advance(0.01)
    raised = [e for _, e in rig.told if isinstance(e, s.Raise)]
    assert [_name(effect.fault) for effect in raised] == [row.raises]
    assert rig.now_s - begun_s <= row.within_s + 0.011
    assert raised[0].fault.message.endswith((".", "?")), "a sentence for a person"

    detected_s = rig.now_s
    rig.feed(s.SetPower(False))
    if rig.state.wire:
        offs = [
            at_s for at_s, message in rig.sent if message == m.AllowPower(False) and at_s >= detected_s - 0.05
        ]
        assert offs, "power-off is requested"
        assert offs[0] <= detected_s + 0.1
    if name not in ("silence", "port"):
        rig.advance(0.4)
        assert not rig.board.relay
    rig.advance(1)

    row.end(rig)
    rig.advance(row.over_s)
    assert rig.errors() == set(), "it recovers by itself"
    assert rig.state.phase == "running"
    assert not rig.board.relay, "and not with power on"
    assert rig.state.told_power is False

    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    rig.advance(0.5)
    assert rig.board.relay, "the next leave is followed"
    assert rig.events()[-1] == "PowerOn"


@pytest.mark.parametrize("name", ["RCD", "lock motor"])
def test_what_counts_until_the_car_has_left_outlasts_its_flag_and_a_restart(name: str) -> None:
    row = FAULTS[name]
    rig = Rig.charging()
    row.begin(rig)
    rig.advance(0.2)
    unflag(rig)
    rig.board.restart()
    rig.advance(2)
    assert rig.errors() == {row.raises}
    rig.plug_in("A")
    assert rig.errors() == set()


def test_the_flag_that_falls_after_the_car_has_left_clears_too() -> None:
    rig = Rig.running()
    rig.board.flags = m.ErrorFlags(rcd_triggered=True)
    rig.advance(0.3)
    assert rig.errors() == {f"{BOARD}/MREC2GroundFailure"}
    unflag(rig)
    rig.advance(0.1)
    assert rig.errors() == set()


def test_a_tripped_rcd_is_called_as_its_dialect_calls_it() -> None:
    rig = Rig.running(s.Settings(rcd_error="ac_rcd/DC"))
    rig.board.flags = m.ErrorFlags(rcd_triggered=True)
    rig.advance(0.1)
    (fault,) = rig.state.raised
    assert (fault.implementation, fault.type) == ("rcd", "ac_rcd/DC")


def test_several_faults_are_told_apart() -> None:
    rig = Rig.charging()
    rig.board.flags = m.ErrorFlags(diode_fault=True, over_current=True)
    rig.advance(0.1)
    assert rig.errors() == {f"{BOARD}/DiodeFault", f"{BOARD}/MREC4OverCurrentFailure"}
    rig.board.flags = m.ErrorFlags(over_current=True)
    rig.advance(0.1)
    assert rig.errors() == {f"{BOARD}/MREC4OverCurrentFailure"}


def _name(fault: s.Fault) -> str:
    return f"{fault.type}/{fault.sub_type}" if fault.sub_type else fault.type
