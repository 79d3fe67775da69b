"""The control pilot row by row, after the reference's transition table (evse-manager.md §2.4, IECStateMachine.cpp)."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from tests.modules.evse_manager.plant import Plant

OFF = fx.AllowPower(on=False)


def charging(**config: Any) -> Plant:
    plant = Plant(KernelConfig(**config))
    plant.charge()
    assert plant.contactor_closed
    plant.board.clear()
    plant.news()
    return plant


def idle(cp: Any = "A", **config: Any) -> Plant:
    plant = Plant(KernelConfig(**config))
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged(cp))
    plant.board.clear()
    plant.news()
    return plant


@pytest.mark.parametrize("cp", ["A", "B", "D", "E", "F", None])
def test_whatever_is_not_c_opens_the_contactor_in_the_same_step(cp: Any) -> None:
    plant = charging()
    plant.tell(ev.CpChanged(cp))
    assert plant.board[0] == OFF
    assert not plant.contactor_closed


@pytest.mark.parametrize("cp", ["A", "E"])
def test_pwm_ends_when_the_car_leaves_or_the_pilot_is_shorted(cp: Any) -> None:
    plant = charging()
    plant.tell(ev.CpChanged(cp))
    assert fx.SetX1() in plant.board


@pytest.mark.parametrize("cp", ["A", "E"])
def test_a_and_e_unlock(cp: Any) -> None:
    plant = charging()
    plant.tell(ev.CpChanged(cp))
    assert not plant.lock_holds


@pytest.mark.parametrize("cp", ["B", "C", "D"])
def test_b_c_and_d_lock(cp: Any) -> None:
    plant = idle()
    plant.tell(ev.CpChanged(cp))
    assert plant.lock_holds


def test_b_unlocks_where_the_operator_says_so() -> None:
    plant = charging(lock_connector_in_state_b=False)
    plant.tell(ev.CpChanged("B"))
    assert not plant.lock_holds
    plant.tell(ev.CpChanged("C"))
    assert plant.lock_holds


def test_a_forgets_a_forced_unlock() -> None:
    plant = charging()
    plant.tell(ev.ForceUnlock())
    plant.tell(ev.CpChanged("B"))
    assert not plant.lock_holds
    plant.tell(ev.CpChanged("A"))
    plant.tell(ev.CpChanged("B"))
    assert plant.lock_holds


@pytest.mark.parametrize("before", ["A", "E", "F", None])
def test_b_after_anything_without_a_car_is_a_car_that_is_plugged_in(before: Any) -> None:
    """E after A, too, where the real one never notices the car."""
    plant = idle(before)
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == ["SessionStarted(EVConnected)", "AuthRequired"]
    assert not plant.state.pilot.simplified


@pytest.mark.parametrize("before", ["A", None, "F"])
def test_c_at_once_is_a_car_without_a_switch_for_b(before: Any) -> None:
    plant = idle(before, simplified_mode_limit_10a=True)
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["SessionStarted(EVConnected)", "AuthRequired"]
    plant.authorize()
    assert plant.duty == pytest.approx(10 / 60)
    assert plant.contactor_closed
    plant.tell(ev.CpChanged("A"))
    plant.tell(ev.CpChanged("B"))
    assert not plant.state.pilot.simplified


def test_d_with_ventilation_is_as_c() -> None:
    plant = charging(has_ventilation=True)
    plant.tell(ev.CpChanged("D"))
    assert plant.contactor_closed
    plant.tell(ev.CpChanged("B"))
    assert not plant.contactor_closed
    plant.tell(ev.CpChanged("D"))
    plant.advance(6.0)
    assert plant.contactor_closed


def test_d_without_ventilation_locks_and_gets_no_power() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("D"))
    assert plant.lock_holds
    assert not plant.contactor_closed


def test_d_to_c_closes_the_contactor_again() -> None:
    """The real one needs a C-B-C."""
    plant = charging()
    plant.tell(ev.CpChanged("D"))
    plant.tell(ev.CpChanged("C"))
    assert plant.contactor_closed


@pytest.mark.parametrize("leave", ["B", "E", "F", "A"])
def test_a_car_that_leaves_c_in_time_is_not_cut_off(leave: Any) -> None:
    plant = charging()
    plant.tell(ev.Pause())
    plant.advance(5.9)
    assert plant.contactor_closed
    plant.tell(ev.CpChanged(leave))
    assert plant.state.pilot.c1_since_s is None


def test_a_car_that_stays_in_c_without_pwm_is_cut_off_after_6_s() -> None:
    plant = charging()
    plant.tell(ev.Pause())
    plant.advance(5.95)
    assert plant.contactor_closed
    plant.advance(0.1)
    assert not plant.contactor_closed
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(UserPause)"]


def test_the_cut_off_counts_from_the_first_moment_without_pwm() -> None:
    plant = charging()
    plant.tell(ev.Pause())
    plant.advance(3.0)
    plant.tell(ev.CpChanged("C"))
    plant.advance(3.1)
    assert not plant.contactor_closed


def test_f_unlocks_after_5_s_and_not_before() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("F"))
    plant.advance(4.95)
    assert plant.lock_holds
    plant.advance(0.1)
    assert not plant.lock_holds


def test_f_that_ends_in_time_keeps_the_lock() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("F"))
    plant.advance(4.0)
    plant.tell(ev.CpChanged("B"))
    plant.advance(10.0)
    assert plant.lock_holds


def test_f_does_not_unlock_under_a_closed_contactor() -> None:
    plant = charging()
    plant.prompt = False
    plant.tell(ev.CpChanged("F"))
    plant.advance(0.5)
    assert not [effect for effect in plant.pending if isinstance(effect, fx.Lock)]
    plant.advance(10.0)
    assert not [effect for effect in plant.pending if isinstance(effect, fx.Lock)], "it is welded by now"


def test_a_board_that_cannot_tell_gives_no_power_and_keeps_the_lock() -> None:
    """The real one unlocks; here nobody knows whether the car has left."""
    plant = charging()
    plant.tell(ev.CpChanged(None))
    assert plant.lock_holds
    plant.tell(ev.CpChanged("C"))
    plant.advance(1.0)
    assert plant.contactor_closed


def test_while_disabled_what_the_board_reports_does_not_count() -> None:
    plant = Plant()
    plant.tell(ev.CpChanged("B"))
    assert plant.state.pilot.cp is None
    plant.boot()
    assert plant.news() == ["Enabled"]


def test_a_requested_f_is_not_undone_by_what_the_board_reports_late() -> None:
    """EVerest issue 2698."""
    plant = idle()
    plant.tell(ev.CausesChanged((ev.Cause("ac_rcd", "ac_rcd/DC", "", "High"),)))
    for cp in ("A", "E", "B", "F", "C"):
        plant.tell(ev.CpChanged(cp))
        assert plant.pilot == "F"
    assert plant.board.count(fx.SetF()) == 1
