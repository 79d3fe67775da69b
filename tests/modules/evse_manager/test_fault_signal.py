"""State F after a fault, and the times that it is not signalled (option state_F_after_fault_ms)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from tests.modules.evse_manager.plant import FAULT, Plant

STOP_BUTTON = ev.Cause("bsp", "evse_board_support/MREC8EmergencyStop", "", "High")


def signalled(plant: Plant) -> list[str]:
    """What was signalled since this was asked last."""
    names = {fx.SetPwm: "pwm", fx.SetX1: "X1", fx.SetF: "F"}
    found = [names[type(effect)] for effect in plant.board if type(effect) in names]
    plant.board.clear()
    return found


def charging(lasts_s: float = 0.3) -> Plant:
    plant = Plant(KernelConfig(state_f_after_fault_s=lasts_s))
    plant.charge()
    signalled(plant)
    return plant


def paused_by_the_user(lasts_s: float = 0.3) -> Plant:
    plant = charging(lasts_s)
    plant.tell(ev.Pause())
    plant.tell(ev.CpChanged("B"))
    signalled(plant)
    plant.news()
    return plant


def test_an_error_while_charging_ends_pwm_and_does_not_signal_f() -> None:
    """As recorded of the real one (run 05), against the option's description."""
    plant = charging()
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.advance(1.0)
    assert signalled(plant) == ["X1"]


def test_it_lasts_its_time_whatever_happens_meanwhile() -> None:
    plant = paused_by_the_user(1.0)
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.tell(ev.CpChanged("F"))
    plant.tell(ev.Resume())
    plant.tell(ev.CausesChanged(()))
    plant.tell(ev.Stop("Remote"))
    plant.advance(0.9)
    assert signalled(plant) == ["F"]
    plant.advance(0.2)
    assert signalled(plant) == ["X1"]
    assert plant.news()[-2:] == ["ChargingFinished", "TransactionFinished(Remote)"]


def test_it_can_be_switched_off() -> None:
    """Some older hybrids never charge again once they have seen it."""
    plant = paused_by_the_user(0.0)
    plant.tell(ev.CausesChanged((FAULT,)))
    assert plant.news() == ["ChargingPausedEVSE(Error,UserPause)"]
    assert signalled(plant) == []


def test_a_second_error_does_not_signal_it_again() -> None:
    plant = paused_by_the_user()
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.advance(1.0)
    assert signalled(plant) == ["F", "X1"]
    plant.tell(ev.CausesChanged((FAULT, STOP_BUTTON)))
    assert signalled(plant) == []
