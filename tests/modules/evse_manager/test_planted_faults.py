"""Each invariant's check can fail: a fault planted in a guard is found by the random courses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from evse_daemon.modules.evse_manager import (
    closing,
    control_pilot,
    delayed_limit,
    guards,
    latches,
    phase_switch,
    pwm,
    random_delay,
    reservation,
    session,
    step,
    unfinished,
)
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.modules.evse_manager.work import Work
from tests.modules.evse_manager.plant import FAULT, SOCKET, SWITCHES_PHASES, Plant
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


def search() -> None:
    """Random courses until one fails; fixed seeds, so that a change elsewhere does not change what is found."""
    for number in range(10):
        machine = seed(number)(type("SeededKernelMachine", (KernelMachine,), {}))
        run_state_machine_as_test(machine, settings=SEARCH)


def always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


LIMIT = step._limit
FOLLOW_LOCK = control_pilot.follow_lock
NEW_LIMIT = random_delay.new_limit


def unlock_at_any_time(work: Work) -> None:
    if work.state.pilot.lock == "locked" and work.state.pilot.power_commanded:
        control_pilot._request_lock(work, locked=False)
    else:
        FOLLOW_LOCK(work)


def hold_more(*arguments: Any, **named: Any) -> random_delay.RandomDelay:
    delay = NEW_LIMIT(*arguments, **named)
    return replace(delay, held=replace(delay.held, current_a=delay.held.current_a + 10.0))


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
    "phases switched under load": (phase_switch, "may_switch", always(True), "under load"),
    "a limit in watt of too few phases": (guards, "phases", always(1), "duty|on 3 phases|PWM is still on"),
    "power without a cable": (guards, "cable_lost", always(False), "without a cable"),
    "a transaction that a crash leaves open": (unfinished, "end_next", always(False), "cut off"),
    "a process that ends in a session": (closing, "begin", always(None), "told to end"),
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
        search()


def two_limits_at_once(plant: Plant) -> None:
    plant.limit(16.0)
    plant.limit(10.0)
    plant.limit(12.0)


def paused_for_10_s(plant: Plant) -> None:
    plant.tell(ev.Pause())
    plant.advance(10.0)
    plant.sample(1.0)


def an_error_while_paused(plant: Plant) -> None:
    plant.tell(ev.Pause())
    plant.advance(7.0)
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.advance(1.0)


TIMES: dict[str, tuple[KernelConfig, Callable[[Plant], None], str]] = {
    "PWM that changes often": (KernelConfig(pwm_update_s=0.0), two_limits_at_once, "PWM changed"),
    "power without PWM": (KernelConfig(c1_power_off_s=60.0), paused_for_10_s, "more than 6 s"),
    "a short F": (KernelConfig(state_f_after_fault_s=0.05), an_error_while_paused, "ended too soon"),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_wrong_time_is_found(name: str) -> None:
    config, course, says = TIMES[name]
    plant = Plant(config)
    plant.charge()
    with pytest.raises(AssertionError, match=says):
        course(plant)


def test_power_that_outlives_its_limit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "_limit", lambda work, limit_a, _until_s: LIMIT(work, limit_a, 1e9))
    plant = Plant()
    plant.charge()
    plant.limit(16.0, valid_for_s=2.0)
    plant.advance(3.0)
    with pytest.raises(AssertionError, match="PWM is still on"):
        plant.sample(1.0)


DELAYS: dict[str, tuple[Any, str, Any, str]] = {
    "holds more than was allowed": (random_delay, "new_limit", hold_more, "allows more than was allowed"),
    "holds more than a fuse allows": (
        random_delay,
        "new_limit",
        lambda *arguments, **named: NEW_LIMIT(*arguments, **{**named, "at_once": False}),
        "more than a rating allows",
    ),
    "does not end": (delayed_limit, "ended", always(False), "never ends|does not serve"),
}


def two_lower_limits(plant: Plant) -> None:
    """The second by a fuse."""
    plant.limit(16.0)
    plant.limit(10.0, at_once=True)
    plant.advance(1000.0)


@pytest.mark.parametrize("name", DELAYS)
def test_a_delay_that_does_wrong_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, fault, says = DELAYS[name]
    plant = Plant()
    plant.charge()
    plant.tell(ev.CommandDelay("enable"))
    plant.advance(10.0)
    monkeypatch.setattr(module, attribute, fault)
    with pytest.raises(AssertionError, match=says):
        two_lower_limits(plant)


def test_a_reservation_that_is_not_used_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation, "use", always(None))
    plant = Plant()
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.tell(ev.Reserve(7))
    plant.plug_in()
    plant.authorize()
    with pytest.raises(AssertionError, match="reserved twice, or ended twice"):
        plant.tell(ev.CancelReservation())


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


def test_power_while_phases_are_switched_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.tell(ev.CpChanged("B"))
    monkeypatch.setattr(guards, "phases_settled", always(True))
    plant.prompt = False
    plant.limit(16.0, phases=1)
    with pytest.raises(AssertionError, match="while the phases are switched"):
        plant.tell(ev.CpChanged("C"))


def test_more_than_the_cable_carries_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(capabilities=SOCKET)
    plant.cable(32.0)
    plant.charge()
    monkeypatch.setattr(guards, "above_cable", always(False))
    with pytest.raises(AssertionError, match="on a cable for 13"):
        plant.cable(13.0)
