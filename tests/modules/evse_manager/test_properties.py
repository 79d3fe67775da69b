"""Random courses of events through the pure kernel: the invariants hold after every one of them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.evse_manager import EnableDisableSource
from tests.modules.evse_manager.plant import (
    FAULT,
    SERVICE_FAULT,
    SERVICE_NAMES,
    UNPLUG_FAULT,
    WARNING,
    Plant,
)

EXAMPLES = int(os.environ.get("EVSE_KERNEL_EXAMPLES", "120"))

reached: dict[str, int] = {"examples": 0, "charging": 0, "fault while charging": 0}


class KernelMachine(RuleBasedStateMachine):
    """A charger to which anything may happen at any time."""

    plant: Plant
    timing: ClassVar[dict[str, Any]] = {}

    @initialize(
        prompt=st.booleans(),
        ventilation=st.booleans(),
        lock=st.booleans(),
        begin=st.sampled_from(["boot", "charge", "charge"]),
        valid_s=st.sampled_from([1e6, 20.0]),
    )
    def start(self, prompt: bool, ventilation: bool, lock: bool, begin: str, valid_s: float) -> None:
        config = replace(KernelConfig(has_ventilation=ventilation, has_connector_lock=lock), **self.timing)
        self.plant = Plant(config, prompt=prompt)
        self.plant.boot()
        if begin == "charge":
            self.plant.tell(ev.CpChanged("A"))
            self._answer_all()
            self.plant.limit(16.0, valid_s)
            self.plant.tell(ev.CpChanged("B"))
            self._answer_all()
            self.plant.authorize()
            self._answer_all()
            self.plant.tell(ev.CpChanged("C"))

    def _answer_all(self) -> None:
        while self.plant.pending:
            self.plant.answer()

    @rule(cp=st.sampled_from(["A", "B", "B", "C", "C", "C", "D", "E", "F", None]))
    def pilot(self, cp: Any) -> None:
        self.plant.tell(ev.CpChanged(cp))

    @rule()
    def authorize(self) -> None:
        self.plant.authorize()

    @rule()
    def withdraw(self) -> None:
        self.plant.tell(ev.Withdraw())

    @rule(
        connector=st.integers(0, 1),
        source=st.sampled_from(["LocalAPI", "CSMS"]),
        state=st.sampled_from(["Enable", "Enable", "Disable", "Unassigned"]),
        priority=st.sampled_from([1, 100]),
    )
    def enable_disable(self, connector: int, source: Any, state: Any, priority: int) -> None:
        entry = EnableDisableSource(enable_source=source, enable_state=state, enable_priority=priority)
        self.plant.tell(ev.EnableDisable(connector, entry))

    @rule(
        event=st.sampled_from(
            [ev.Pause(), ev.Resume(), ev.ForceUnlock(), ev.Stop("Local"), ev.ExternalReady()]
        )
    )
    def command(self, event: ev.Event) -> None:
        self.plant.tell(event)

    @rule(
        limit_a=st.sampled_from([0.0, 5.0, 6.0, 10.0, 16.0, 32.0, 63.0]),
        valid_s=st.sampled_from([1.0, 10.0, 1e6]),
    )
    def limit(self, limit_a: float, valid_s: float) -> None:
        self.plant.limit(limit_a, valid_s)

    @rule(causes=st.sampled_from([(), (), (), (WARNING,), (FAULT,), (FAULT, WARNING)]))
    def errors(self, causes: tuple[ev.Cause, ...]) -> None:
        self.plant.tell(ev.CausesChanged(causes))

    @rule(delta_wh=st.sampled_from([0.0, 1.0, 50.0, -20.0]))
    def meter(self, delta_wh: float) -> None:
        self.plant.sample(delta_wh)

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.9, 5.1, 6.1, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.plant.advance(seconds)

    @precondition(lambda self: self.plant.pending)
    @rule(error=st.sampled_from([None, None, None, "it broke"]), which=st.integers(0, 3))
    def answer(self, error: str | None, which: int) -> None:
        self.plant.answer(error, which)

    @rule()
    def contactor_follows(self) -> None:
        self.plant.move_contactor()

    @rule(closed=st.booleans())
    def contactor_moves_by_itself(self, closed: bool) -> None:
        self.plant.contactor_closed = closed
        self.plant.tell(ev.ContactorChanged(closed))

    @rule(request=st.integers(0, 40))
    def late_answers(self, request: int) -> None:
        if all(effect.request_id != request for effect in self.plant.pending):
            self.plant.tell(ev.Committed(request))
            self.plant.tell(ev.LockDone(request))
            self.plant.tell(ev.MeterStarted(request, None))
            self.plant.tell(ev.MeterStopped(request, None))

    @precondition(lambda self: self.plant.state.charger == "Charging")
    @rule()
    def error_while_charging(self) -> None:
        self.plant.tell(ev.CausesChanged((FAULT,)))

    @precondition(lambda self: self.plant.state.charger == "Charging")
    @rule(causes=st.sampled_from([(FAULT,), (FAULT, WARNING)]))
    def errors_while_charging(self, causes: tuple[ev.Cause, ...]) -> None:
        self.plant.tell(ev.CausesChanged(causes))

    @rule(cause=st.sampled_from([FAULT, FAULT, UNPLUG_FAULT, SERVICE_FAULT]))
    def an_error_comes_and_goes(self, cause: ev.Cause) -> None:
        self.plant.tell(ev.CausesChanged((cause,)))
        self.plant.tell(ev.CausesChanged(()))

    @rule(name=st.sampled_from([*SERVICE_NAMES, "ac_rcd/DC"]))
    def the_service_clears(self, name: str) -> None:
        self.plant.tell(ev.ClearLatched(name))

    @precondition(lambda self: self.plant.for_service)
    @rule()
    def the_service_repairs(self) -> None:
        self.plant.tell(ev.CausesChanged(()))
        self.plant.move_contactor()
        for name in tuple(self.plant.for_service):
            self.plant.tell(ev.ClearLatched(name))


class CountedMachine(KernelMachine):
    """Counts how far its courses come."""

    def teardown(self) -> None:
        if not hasattr(self, "plant"):
            return
        reached["examples"] += 1
        reached["charging"] += self.plant.was_charging
        reached["fault while charging"] += self.plant.fault_while_charging


CountedMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class TestKernel(CountedMachine.TestCase):  # type: ignore[valid-type,misc]  # hypothesis makes the class at run time
    """Runs the machine under pytest."""


def test_the_random_courses_reach_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    """A search that never switches power on would prove nothing."""
    assert reached["examples"] > 0, "the machine runs before this test"
    charging = reached["charging"] / reached["examples"]
    faulted = reached["fault while charging"] / reached["examples"]
    with capsys.disabled():
        print(
            f"\n{reached['examples']} courses: {charging:.0%} charge, {faulted:.0%} have an error while charging"
        )
    assert charging >= 0.3
    assert faulted >= 0.1
