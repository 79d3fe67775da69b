"""Two things at once: what one of them forbids, the other does not allow."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.units import Current
from tests.modules.evse_manager.plant import (
    FAULT,
    SERVICE_FAULT,
    SOCKET,
    SWITCHES_PHASES,
    UNPLUG_FAULT,
    Plant,
)
from tests.modules.evse_manager.rig import source


def told_to_the_board(plant: Plant, kind: type[fx.BoardEffect]) -> list[fx.BoardEffect]:
    return [effect for effect in plant.board if isinstance(effect, kind)]


def answer_all(plant: Plant) -> None:
    while plant.pending:
        plant.answer()


# Disabled and enabled, while something waits until the car has left


def off_and_on(plant: Plant) -> None:
    plant.tell(ev.EnableDisable(0, source("CSMS", "Disable")))
    plant.tell(ev.EnableDisable(0, source("CSMS", "Enable")))


def an_error_has_cleared_that_waits_for_the_car(plant: Plant) -> None:
    plant.tell(ev.CausesChanged((UNPLUG_FAULT,)))
    plant.tell(ev.CausesChanged(()))


def the_car_drew_too_much(plant: Plant) -> None:
    for second in range(12):
        plant.advance(1.0)
        plant.sample(1.0, Current(L1=60.0 + second))
    plant.tell(ev.CpChanged("B"))


LASTING = {
    "an error that has cleared": an_error_has_cleared_that_waits_for_the_car,
    "over-current": the_car_drew_too_much,
}


@pytest.mark.parametrize("what", LASTING)
def test_disable_and_enable_do_not_end_what_waits_until_the_car_has_left(what: str) -> None:
    plant = Plant()
    plant.charge()
    LASTING[what](plant)
    assert not plant.power_allowed
    off_and_on(plant)
    plant.tell(ev.CpChanged("C"))
    plant.authorize()
    plant.advance(600.0)
    plant.authorize()
    assert not plant.power_allowed
    for state in ("A", "B", "C"):
        plant.tell(ev.CpChanged(state))
        plant.authorize()
    plant.advance(60.0)
    assert plant.power_allowed, "the car has left"


def test_a_car_that_leaves_while_disabled_is_found_gone_when_enabled() -> None:
    """A disabled board tells nothing; enabled it tells that no car is there."""
    plant = Plant()
    plant.charge()
    an_error_has_cleared_that_waits_for_the_car(plant)
    off_and_on(plant)
    plant.tell(ev.CpChanged("A"))
    for state in ("B", "C"):
        plant.tell(ev.CpChanged(state))
        plant.authorize()
    assert plant.power_allowed


# Phases and errors


def test_phases_are_not_switched_while_the_contactor_may_be_welded() -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.limit(16.0, phases=3)
    plant.tell(ev.CausesChanged((SERVICE_FAULT,)))
    assert not plant.power_allowed
    plant.limit(16.0, phases=1)
    plant.advance(30.0)
    assert told_to_the_board(plant, fx.SwitchPhases) == []


def test_a_weld_that_opens_after_all_does_not_switch_them() -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.prompt = False
    plant.limit(16.0, phases=1)
    plant.advance(20.0)
    answer_all(plant)
    assert [cause.sub_type for cause in plant.state.latched] == ["ContactorWelded"]
    plant.move_contactor()
    plant.advance(30.0)
    assert told_to_the_board(plant, fx.SwitchPhases) == []


def test_nor_while_the_board_does_not_answer() -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.charge()
    lost = ev.Cause("bsp", "evse_board_support/CommunicationFault", "", "High")
    plant.tell(ev.CausesChanged((lost,)))
    plant.limit(16.0, phases=1)
    plant.advance(30.0)
    assert told_to_the_board(plant, fx.SwitchPhases) == []
    plant.tell(ev.CausesChanged(()))
    assert told_to_the_board(plant, fx.SwitchPhases) != []


# Phases and what people want


def switching(how: Any) -> Plant:
    """A car charges, and its phases are being switched."""
    plant = Plant(KernelConfig(switch_phases_by=how), capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.limit(16.0, phases=3)
    plant.advance(6.0)
    plant.limit(16.0, phases=1)
    if how == "F":
        plant.tell(ev.CpChanged("F"))
    assert plant.state.charger == "SwitchPhases"
    plant.news()
    plant.board.clear()
    return plant


def back_from_f(plant: Plant, how: str) -> None:
    """The board reports the car again, a while after state F was withdrawn."""
    if how == "F":
        plant.tell(ev.CpChanged("B"))
        plant.advance(2.0)
        plant.tell(ev.CpChanged("C"))


@pytest.mark.parametrize("how", ["X1", "F"])
def test_a_pause_while_phases_are_switched_is_a_pause(how: str) -> None:
    plant = switching(how)
    plant.tell(ev.Pause())
    plant.advance(12.0)
    back_from_f(plant, how)
    plant.advance(50.0)
    assert plant.news() == ["PrepareCharging", "ChargingPausedEVSE(UserPause)"]
    assert plant.phases == 1
    plant.tell(ev.Resume())
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


@pytest.mark.parametrize("how", ["X1", "F"])
def test_a_limit_that_expires_meanwhile_gives_no_power(how: str) -> None:
    plant = switching(how)
    plant.limit(16.0, 3.0, phases=1)
    plant.advance(12.0)
    back_from_f(plant, how)
    plant.advance(50.0)
    assert plant.phases == 1
    assert not plant.power_allowed
    plant.limit(16.0, phases=1)
    assert plant.power_allowed


def test_a_car_that_waits_for_its_phases_is_not_woken_up() -> None:
    plant = Plant(KernelConfig(wake_up_after_s=1.0), capabilities=SWITCHES_PHASES)
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.limit(16.0, phases=3)
    plant.plug_in()
    plant.authorize()
    plant.prompt = False
    plant.limit(16.0, phases=1)
    plant.tell(ev.CpChanged("C"))
    plant.advance(5.0)
    assert plant.names[-1] == "PrepareCharging"
    answer_all(plant)
    assert plant.names[-1] == "ChargingStarted"


@pytest.mark.parametrize("error", [False, True])
def test_the_connector_stays_locked_after_state_f_switched_phases(error: bool) -> None:
    """The board reports our own F a while longer; 5 s of it mean a car that has gone."""
    plant = switching("F")
    plant.advance(8.0)
    if error:
        plant.tell(ev.CausesChanged((FAULT,)))
    plant.advance(2.5)
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CpChanged("C"))
    assert told_to_the_board(plant, fx.Lock) == []


def test_a_pilot_that_stays_in_f_unlocks_it_all_the_same() -> None:
    plant = switching("F")
    plant.advance(10.0)
    assert told_to_the_board(plant, fx.Lock) == []
    plant.advance(6.0)
    assert [effect.locked for effect in plant.board if isinstance(effect, fx.Lock)] == [False]


# A start that is asked for, and its end


STOPS: dict[str, ev.Event] = {"Remote": ev.Stop("Remote"), "UnlockCommand": ev.ForceUnlock()}


@pytest.mark.parametrize("asked", [fx.StartMeter, fx.Commit])
@pytest.mark.parametrize("reason", STOPS)
def test_a_stop_while_the_start_is_asked_for_ends_what_begins(
    reason: str, asked: type[fx.StartMeter | fx.Commit]
) -> None:
    plant = Plant(prompt=False)
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.limit(32.0)
    plant.plug_in()
    plant.authorize()
    while not any(isinstance(effect, asked) for effect in plant.pending):
        plant.answer()
    assert plant.tell(STOPS[reason]) is True
    answer_all(plant)
    plant.tell(ev.CpChanged("C"))
    answer_all(plant)
    plant.advance(100.0)
    assert plant.names[-3:] == ["StoppingCharging", "ChargingFinished", f"TransactionFinished({reason})"]
    assert told_to_the_board(plant, fx.AllowPower) == [fx.AllowPower(on=False)], "that of the boot"


def test_an_authorization_that_is_withdrawn_then_comes_too_late() -> None:
    """As in a transaction (row 35): whoever wants to end it stops it."""
    plant = Plant(prompt=False)
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.limit(32.0)
    plant.plug_in()
    plant.authorize()
    plant.tell(ev.Withdraw())
    answer_all(plant)
    assert plant.names[-3:] == ["Deauthorized", "TransactionStarted", "PrepareCharging"]


# The process is told to end


def test_a_long_state_f_does_not_outlast_the_process() -> None:
    plant = Plant(KernelConfig(state_f_after_fault_s=15.0))
    plant.charge()
    plant.tell(ev.Pause())
    plant.advance(7.0)
    plant.tell(ev.CausesChanged((FAULT,)))
    assert plant.pilot == "F"
    plant.tell(ev.StationEnds())
    plant.advance(8.0)
    assert plant.names[-1] == "SessionFinished"


def test_nor_does_one_that_a_loose_cable_causes() -> None:
    plant = Plant(KernelConfig(state_f_after_fault_s=15.0), capabilities=SOCKET)
    plant.boot()
    plant.cable(32.0)
    plant.tell(ev.CpChanged("A"))
    plant.limit(32.0)
    plant.plug_in()
    plant.authorize()
    plant.tell(ev.CpChanged("C"))
    assert plant.power_allowed
    for _ in range(5):
        for rating_a in (None, 32.0):
            plant.cable(rating_a)
            plant.advance(1.0)
    assert not plant.power_allowed, "it has come loose too often"
    plant.tell(ev.StationEnds())
    plant.advance(8.0)
    assert plant.names[-1] == "SessionFinished"
