"""Control pilot, contactor and lock (evse-manager.md §2.4, §2.5) with their deadlines, where no scenario shows them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.scenario import ENDED, PLUGGED, News, Scenario, cause

NOT_CLOSED = "+Internal/ContactorNotClosed +Inoperative"


@pytest.mark.parametrize("state", ["A", "B", "E", "F", None])
def test_power_is_cut_in_the_step_in_which_the_car_leaves_c_and_d(state: Any) -> None:
    evse = Scenario(has_ventilation=True)
    evse.charging()
    assert evse.cp(state).power == "off"


@pytest.mark.parametrize("state", ["B", "C", "D", "F", None])
def test_pwm_is_off_until_there_is_a_transaction(state: Any) -> None:
    evse = Scenario(has_ventilation=True)
    evse.begin()
    evse.cp("B")
    assert evse.cp(state) == News(errors="+Inoperative" if state == "F" else "")
    assert evse.wait(100).pilot == ""


def test_what_the_board_reports_while_it_is_disabled_does_not_count() -> None:
    evse = Scenario()
    evse.boot()
    evse.disable()
    for state in ("A", "B", "C"):
        assert evse.cp(state) == News()
    assert evse.state.pilot.cp is None


def test_a_car_that_left_while_f_was_signalled_gets_no_session() -> None:
    """The pilot is seen anew after state F; what was seen before it does not count."""
    evse = Scenario()
    evse.begin()
    evse.errors_are(cause("evse_board_support/DiodeFault"))
    assert evse.cp("B") == News(lock="lock")
    assert evse.cp("F") == News()
    evse.wait(10)
    evse.since_last()
    assert evse.errors_are() == News(pilot="X1", errors="-Inoperative")
    assert evse.cp("A") == News()


def test_state_f_that_the_board_reports_late_after_the_wake_up_is_no_fault() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    assert evse.wait(30.1) == News(pilot="F")
    assert evse.wait(4.2) == News(pilot="X1")
    assert evse.cp("F") == News()
    assert evse.cp("B") == News()


def test_a_car_that_asks_for_power_in_the_wake_up_gets_it_after_it() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    evse.wait(30.1)
    evse.cp("F")
    assert evse.wait(4) == News(pilot="X1")
    assert evse.cp("C") == News()
    assert evse.wait(0.8) == News("PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33")


@pytest.mark.parametrize(
    ("ends", "then"),
    [
        (ev.Stop("Remote"), "PrepareCharging StoppingCharging ChargingFinished TransactionFinished(Remote)"),
        (
            ev.CausesChanged((cause("ac_rcd/DC"),)),
            "PrepareCharging StoppingCharging ChargingPausedEVSE(Error)",
        ),
    ],
)
def test_a_stop_or_error_ends_the_wake_up(ends: ev.Event, then: str) -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    evse.wait(30.1)
    news = evse.after(ends)
    assert news.events == then
    assert news.pilot == "X1"


def test_the_six_seconds_begin_anew_with_each_end_of_pwm() -> None:
    evse = Scenario()
    evse.charging()
    evse.accepted(ev.Pause())
    evse.wait(6.1)
    assert evse.accepted(ev.Resume()).power == "on"
    evse.accepted(ev.Pause())
    assert evse.wait(5.9) == News()
    assert evse.wait(0.2).power == "off"


def test_the_wait_of_five_seconds_is_for_a_running_pwm_only() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.authorized().pilot == "pwm 53.33"
    assert evse.limited(16.0) == News(pilot="pwm 26.67")
    assert evse.limited(10.0) == News(pilot="pwm 16.67")
    evse.cp("C")
    assert evse.limited(20.0) == News()
    assert evse.wait(5.1) == News(pilot="pwm 33.33")


def test_a_change_that_is_taken_back_in_time_is_not_signalled() -> None:
    evse = Scenario()
    evse.charging()
    evse.limited(16.0)
    assert evse.limited(10.0) == News()
    assert evse.limited(16.0) == News()
    assert evse.wait(60) == News()


@pytest.mark.parametrize("limit_a", [math.nan, -16.0, 0.0, 5.8])
def test_a_limit_that_allows_nothing_stops(limit_a: float) -> None:
    evse = Scenario()
    evse.charging()
    assert evse.limited(limit_a) == News("StoppingCharging", pilot="X1")


def test_a_limit_without_an_end_that_can_be_compared_is_none() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.after(ev.LimitChanged(16.0, math.nan)) == News("StoppingCharging", pilot="X1")


# The contactor


def test_a_contactor_that_does_not_close_is_an_error_until_the_car_leaves() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    evse.prompt = False
    assert evse.cp("C") == News("ChargingStarted", power="on")
    assert evse.wait(4.9) == News()
    assert evse.wait(0.2) == News(
        "StoppingCharging ChargingPausedEVSE(Error)", power="off", pilot="X1", errors=NOT_CLOSED
    )
    evse.prompt = True
    assert evse.cp("A").errors == "-Internal/ContactorNotClosed -Inoperative"


def test_a_contactor_that_opens_by_itself_and_stays_open_is_an_error() -> None:
    """The car would wait in Charging for power that never comes."""
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    evse.contactor_closed = False
    assert evse.after(ev.ContactorChanged(closed=False)) == News()
    assert evse.wait(4.9) == News()
    assert evse.wait(0.2).errors == NOT_CLOSED


def test_a_contactor_that_opens_by_itself_and_closes_again_is_none() -> None:
    evse = Scenario()
    evse.charging()
    evse.tell(ev.ContactorChanged(closed=False))
    evse.tell(ev.ContactorChanged(closed=True))
    assert evse.wait(60) == News()


def test_a_contactor_that_closes_by_itself_counts_as_welded() -> None:
    evse = Scenario()
    evse.begin()
    evse.prompt = False
    evse.contactor_closed = True
    assert evse.after(ev.ContactorChanged(closed=True)) == News(power="off", lock="lock")
    evse.answer()
    assert evse.wait(1.1) == News(pilot="F", errors="+Internal/ContactorWelded +Inoperative")


def test_a_weld_outlasts_the_car_and_the_operators_switch() -> None:
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    evse.cp("B")
    evse.wait(1.1)
    evse.prompt = True
    evse.tell(ev.ContactorChanged(closed=False))
    evse.contactor_closed = evse.power_allowed
    evse.cp("A")
    evse.since_last()
    assert evse.wait(3600) == News()
    assert evse.disable().errors == ""
    assert evse.enable().errors == ""
    assert evse.state.inoperative


def test_a_contactor_found_closed_at_boot_must_open() -> None:
    evse = Scenario()
    evse.prompt = False
    evse.state.pilot.contactor_closed = evse.contactor_closed = True
    assert evse.after(ev.Boot()) == News("Enabled", power="off", pilot="enable X1", lock="lock")
    evse.answer()
    assert evse.wait(1.1) == News(pilot="F", errors="+Internal/ContactorWelded +Inoperative")


def test_another_car_does_not_inherit_a_transaction() -> None:
    """Unplugged and plugged in again before the contactor has opened, or the meter and the store have answered."""
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    evse.cp("A")
    evse.cp("B")
    assert evse.since_last() == News()
    evse.move_contactor()
    assert evse.since_last().meter == "stop"
    while evse.pending:
        evse.answer()
    assert evse.since_last().events.startswith(f"{ENDED} {PLUGGED}")


def test_another_car_does_not_inherit_a_start_that_waits_for_the_store() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    evse.authorize()
    evse.answer()
    evse.cp("A")
    evse.cp("B")
    evse.since_last()
    evse.prompt = True
    while evse.pending:
        evse.answer()
    news = evse.since_last()
    assert news.events == f"TransactionStarted PrepareCharging StoppingCharging {ENDED} {PLUGGED}"
    assert evse.authorized().events == "Authorized TransactionStarted PrepareCharging"


# The lock


@pytest.mark.parametrize(
    ("config", "state", "lock"),
    [
        ({}, "B", "lock"),
        ({}, "C", "lock"),
        ({"lock_connector_in_state_b": False}, "B", ""),
        ({"lock_connector_in_state_b": False}, "C", "lock"),
        ({"unlock_when_deauthorized": True}, "B", ""),
        ({"unlock_when_deauthorized": True}, "C", ""),
        ({"has_connector_lock": False}, "C", ""),
    ],
)
def test_when_the_connector_is_locked(config: dict[str, Any], state: Any, lock: str) -> None:
    evse = Scenario(**config)
    evse.begin()
    assert evse.cp(state).lock == lock


def test_power_waits_for_the_lock() -> None:
    evse = Scenario(lock_connector_in_state_b=False)
    evse.begin()
    evse.cp("B")
    evse.authorized()
    evse.prompt = False
    assert evse.cp("C") == News(lock="lock")
    assert evse.wait(9) == News()
    evse.answer()
    assert evse.since_last() == News("ChargingStarted", power="on")


@pytest.mark.parametrize("answers", [True, False], ids=["it refuses", "it does not answer"])
def test_a_lock_that_does_not_lock_is_an_error_until_the_car_leaves(answers: bool) -> None:
    evse = Scenario()
    evse.begin()
    evse.prompt = False
    assert evse.cp("B") == News(PLUGGED, lock="lock")
    if answers:
        evse.answer("the motor is blocked")
    else:
        assert evse.wait(9.9) == News()
        evse.advance(0.2)
    assert evse.since_last().errors == "+Internal/ConnectorLock +Inoperative"
    evse.pending.clear()
    evse.prompt = True
    assert evse.cp("A") == News(
        "SessionFinished", lock="unlock", errors="-Internal/ConnectorLock -Inoperative"
    )


def test_the_connector_stays_locked_while_the_contactor_is_closed() -> None:
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    assert evse.cp("A") == News("StoppingCharging", power="off", pilot="X1")
    assert evse.after(ev.ForceUnlock()) == News()
    assert evse.after_contactor().lock == "unlock"


def test_state_f_unlocks_after_five_seconds() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.cp("F").lock == ""
    assert evse.wait(4.9) == News()
    assert evse.wait(0.2) == News(lock="unlock")


def test_a_short_state_f_does_not_unlock() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.cp("F")
    evse.wait(4.9)
    evse.cp("B")
    evse.cp("F")
    assert evse.wait(4.9) == News()


@pytest.mark.parametrize("disabled", [False, True])
def test_force_unlock_without_a_transaction(disabled: bool) -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    if disabled:
        evse.disable()
    assert evse.accepted(ev.ForceUnlock()) == News(lock="unlock")
    assert evse.accepted(ev.ForceUnlock()) == News(lock="unlock")


def test_a_forced_unlock_is_for_the_car_that_is_there() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.accepted(ev.ForceUnlock()) == News(lock="unlock")
    evse.cp("A")
    assert evse.cp("B").lock == "lock"


def test_a_new_authorization_locks_again_what_was_force_unlocked() -> None:
    """Nobody pulled: without this the car would wait for ever for a lock that stays open."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.accepted(ev.ForceUnlock())
    assert evse.authorized().lock == "lock"
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_without_a_lock_force_unlock_is_refused_and_stops_nothing() -> None:
    evse = Scenario(has_connector_lock=False)
    evse.charging()
    assert evse.refused(ev.ForceUnlock()) == News()


# Proximity


def test_the_car_of_a_socket_waits_and_is_given_up_when_it_leaves() -> None:
    evse = Scenario()
    evse.socket()
    evse.cp("B")
    assert evse.authorized() == News("Authorized")
    assert evse.after(ev.Withdraw()) == News("Deauthorized SessionFinished")
    assert evse.authorized() == News("SessionStarted(Authorized) Authorized")
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


@pytest.mark.parametrize("rating_a", [5.0, math.nan])
def test_a_cable_that_is_rated_for_nothing_useful_gets_no_power(rating_a: float) -> None:
    evse = Scenario()
    evse.socket()
    evse.cp("B")
    evse.authorized()
    evse.cable(rating_a)
    assert evse.cp("C").power == ""
    assert evse.pilot == "X1"
