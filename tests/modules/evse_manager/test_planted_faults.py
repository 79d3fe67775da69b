"""Each invariant's check can fail: a fault planted in a guard is found by the random courses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from evse_daemon.modules.evse_manager import (
    control_pilot,
    guards,
    latches,
    pwm,
    session,
    step,
)
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.work import Work
from tests.modules.evse_manager.plant import Plant
from tests.modules.evse_manager.test_properties import KernelMachine

SEARCH = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


LIMIT = step._limit
FOLLOW_LOCK = control_pilot.follow_lock


def unlock_at_any_time(work: Work) -> None:
    if work.state.pilot.lock == "locked" and work.state.pilot.power_commanded:
        control_pilot._request_lock(work, locked=False)
    else:
        FOLLOW_LOCK(work)


PLANTED: dict[str, tuple[Any, str, Any, str]] = {
    "power stays on with an error": (guards, "blocked", always(False), "power"),
    "power outside C/D": (guards, "car_wants_power", always(True), "power"),
    "power while disabled": (guards, "enabled", always(True), "disabled|PWM is still on"),
    "a wrong duty cycle": (pwm, "duty_for", lambda current_a: current_a / 100, "duty"),
    "energy that falls": (
        step,
        "_meter_sample",
        lambda work, event: setattr(work.state, "meter", event.value),
        "energy",
    ),
    "unlocked under power": (
        control_pilot,
        "follow_lock",
        unlock_at_any_time,
        "unlocked while",
    ),
    "a latch that is forgotten": (latches, "latch", always(None), "the service has to clear"),
    "an error that should last until the car has left": (
        latches,
        "_hold",
        always(None),
        "has to leave|too often",
    ),
    "an end that is not told": (
        session,
        "end_transaction",
        lambda work: setattr(work.state.session, "transaction", False),
        "within its transaction|within a session",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, fault, says = PLANTED[name]
    monkeypatch.setattr(module, attribute, fault)
    with pytest.raises(AssertionError, match=says):
        run_state_machine_as_test(KernelMachine, settings=SEARCH)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("pwm_update_s", 0.0, "PWM changed"),
        ("c1_power_off_s", 60.0, "more than 6 s"),
        ("state_f_after_fault_s", 0.05, "ended too soon"),
    ],
)
def test_a_planted_timing_fault_is_found(
    setting: str, value: float, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KernelMachine, "timing", {setting: value})
    with pytest.raises(AssertionError, match=says):
        run_state_machine_as_test(KernelMachine, settings=SEARCH)


def test_power_that_outlives_its_limit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "_limit", lambda work, limit_a, _until_s: LIMIT(work, limit_a, 1e9))
    plant = Plant()
    plant.charge()
    plant.limit(16.0, valid_for_s=2.0)
    plant.advance(3.0)
    with pytest.raises(AssertionError, match="PWM is still on"):
        plant.sample(1.0)


def test_power_with_an_unlocked_connector_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "locked", always(True))
    plant = Plant(prompt=False)
    plant.boot()
    plant.limit(16.0)
    plant.plug_in()
    plant.authorize()
    for request in (fx.StartMeter, fx.Commit):
        plant.answer(which=[type(waiting) for waiting in plant.pending].index(request))
    with pytest.raises(AssertionError, match="connector unlocked"):
        plant.tell(ev.CpChanged("C"))
