"""Random courses of events through the pure kernel: the invariants hold after every one of them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import EnableDisableSource
from evse_daemon.types.units import Current
from tests.modules.evse_manager.plant import (
    CAPABILITIES,
    FAULT,
    SERVICE_FAULT,
    SERVICE_NAMES,
    SOCKET,
    SWITCHES_PHASES,
    UNPLUG_FAULT,
    UTC,
    WARNING,
    Plant,
)

STEPS = int(os.environ.get("EVSE_KERNEL_STEPS", "8000"))
"""How many steps of the kernel the random courses take at least."""

reached: dict[str, int] = {
    "examples": 0,
    "steps": 0,
    "charging": 0,
    "fault while charging": 0,
    "phases switched": 0,
}


class KernelMachine(RuleBasedStateMachine):
    """A charger to which anything may happen at any time."""

    plant: Plant

    @initialize(
        prompt=st.booleans(),
        ventilation=st.booleans(),
        lock=st.booleans(),
        begin=st.sampled_from(["boot", "charge", "fault", "switch", "switched"]),
        valid_s=st.sampled_from([1e6, 20.0]),
        board=st.sampled_from([CAPABILITIES, SWITCHES_PHASES, SWITCHES_PHASES, SOCKET]),
        switch_by=st.sampled_from(["X1", "F"]),
        switch_delay_s=st.sampled_from([0.0, 2.0, 10.0]),
        longest_delay_s=st.sampled_from([None, None, 1, 6, 600]),
        reserved=st.booleans(),
    )
    def start(
        self,
        prompt: bool,
        ventilation: bool,
        lock: bool,
        begin: str,
        valid_s: float,
        board: HardwareCapabilities,
        switch_by: Any,
        switch_delay_s: float,
        longest_delay_s: int | None,
        reserved: bool,
    ) -> None:
        config = KernelConfig(
            has_ventilation=ventilation,
            has_connector_lock=lock,
            switch_phases_by=switch_by,
            switch_phases_delay_s=switch_delay_s,
        )
        self.plant = Plant(config, prompt=prompt, capabilities=board)
        self.plant.waits_for_commits = True
        self.plant.boot()
        self.plant.cable(32.0)
        if longest_delay_s is not None:
            self.plant.tell(ev.CommandDelay("enable"))
            self.plant.set_longest_delay(longest_delay_s)
        if begin != "boot":
            self.plant.sample(100.0)
            self.plant.tell(ev.CpChanged("A"))
            if reserved:
                self.plant.tell(ev.Reserve(7))
            self._answer_all()
            self.plant.limit(16.0, valid_s)
            self.plant.tell(ev.CpChanged("B"))
            self._answer_all()
            self.plant.authorize()
            self._answer_all()
            self.plant.tell(ev.CpChanged("C"))
        if begin == "fault" and self.plant.state.charger == "Charging":
            self.error_while_charging()
        if begin.startswith("switch"):
            self.plant.limit(16.0, valid_s, phases=1)
        if begin == "switched":
            self.car_waits_for_its_phases()
            self._answer_all()

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
        phases=st.sampled_from([None, 1, 2, 3]),
        shared_a=st.sampled_from([None, None, 13.0, 30.0]),
        at_once=st.booleans(),
        chance=st.sampled_from([0.0, 0.3, 0.999]),
    )
    def limit(
        self,
        limit_a: float,
        valid_s: float,
        phases: int | None,
        shared_a: float | None,
        at_once: bool,
        chance: float,
    ) -> None:
        self.plant.limit(limit_a, valid_s, phases=phases, shared_a=shared_a, at_once=at_once, chance=chance)

    @rule(order=st.sampled_from(["enable", "enable", "enable", "disable", "cancel"]))
    def random_delay(self, order: Any) -> None:
        self.plant.tell(ev.CommandDelay(order))

    @rule(seconds=st.sampled_from([0, 1, 6, 600]))
    def longest_delay(self, seconds: int) -> None:
        self.plant.set_longest_delay(seconds)

    @rule(event=st.sampled_from([ev.Reserve(7), ev.Reserve(8), ev.Reserve(-1), ev.CancelReservation()]))
    def reservation(self, event: ev.Event) -> None:
        self.plant.tell(event)

    @precondition(lambda self: self.plant.state.charger in ("Charging", "SwitchPhases"))
    @rule(phases=st.sampled_from([1, 3]), shared_a=st.sampled_from([None, 20.0]))
    def phases_while_charging(self, phases: int, shared_a: float | None) -> None:
        self.plant.limit(16.0, phases=phases, shared_a=shared_a)

    @precondition(lambda self: self.plant.state.charger == "SwitchPhases")
    @rule()
    def car_waits_for_its_phases(self) -> None:
        self.plant.tell(ev.CpChanged("B"))
        self.plant.move_contactor()
        self.plant.advance(self.plant.config.switch_phases_delay_s)

    @rule(count=st.sampled_from([1, 2, 3]))
    def board_has_phases(self, count: int) -> None:
        self.plant.board_has_phases(count)

    @rule(cable_a=st.sampled_from([None, 13.0, 20.0, 32.0, 32.0]))
    def cable(self, cable_a: float | None) -> None:
        self.plant.cable(cable_a)

    @rule(causes=st.sampled_from([(), (), (), (WARNING,), (FAULT,), (FAULT, WARNING)]))
    def errors(self, causes: tuple[ev.Cause, ...]) -> None:
        self.plant.tell(ev.CausesChanged(causes))

    @rule(delta_wh=st.sampled_from([0.0, 1.0, 50.0, -20.0]))
    def meter(self, delta_wh: float) -> None:
        self.plant.sample(delta_wh)

    @precondition(lambda self: self.plant.state.charger == "Charging")
    @rule()
    def disabled_while_charging(self) -> None:
        entry = EnableDisableSource(enable_source="LocalKeyLock", enable_state="Disable", enable_priority=0)
        self.plant.tell(ev.EnableDisable(0, entry))

    @precondition(lambda self: self.plant.state.charger == "Disabled")
    @rule()
    def enabled_again(self) -> None:
        entry = EnableDisableSource(
            enable_source="LocalKeyLock", enable_state="Unassigned", enable_priority=0
        )
        self.plant.tell(ev.EnableDisable(0, entry))

    @precondition(lambda self: self.plant.state.charger == "Charging")
    @rule()
    def cable_lost_while_charging(self) -> None:
        self.plant.cable(None)

    @precondition(lambda self: self.plant.state.charger == "Charging")
    @rule(cable_a=st.sampled_from([13.0, 20.0]))
    def cable_while_charging(self, cable_a: float) -> None:
        self.plant.limit(32.0)
        self.plant.cable(cable_a)

    @rule(
        current_a=st.builds(
            Current,
            L1=st.sampled_from([None, 0.0, 16.0, 40.0]),
            L2=st.sampled_from([None, 0.0, 16.0, -40.0]),
        )
    )
    def currents(self, current_a: Current) -> None:
        self.plant.sample(1.0, current_a)

    @rule(utc=st.sampled_from(["1970-01-01T00:00:00.000Z", UTC, "2038-01-19T03:14:08.000Z"]))
    def time_of_day_jumps(self, utc: str) -> None:
        self.plant.utc = utc

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

    @rule(how=st.sampled_from(["not", "not", "not", "not", "killed", "told to end"]))
    def restarted(self, how: str) -> None:
        if how == "not":
            return
        if how == "told to end":
            self.plant.tell(ev.StationEnds())
            self.plant.advance(8.5)
            assert not self.plant.state.session.id, "told to end, and a session goes on"
            assert not self.plant.power_allowed
        self.plant.restart()

    @rule(request=st.integers(0, 40))
    def late_answers(self, request: int) -> None:
        if all(effect.request_id != request for effect in self.plant.pending):
            self.plant.tell(ev.Committed(request))
            self.plant.tell(ev.LockDone(request))
            self.plant.tell(ev.PhasesSwitched(request, "late"))
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
        reached["steps"] += self.plant.steps
        reached["charging"] += self.plant.was_charging
        reached["fault while charging"] += self.plant.fault_while_charging
        reached["phases switched"] += self.plant.switched_charging


CountedMachine.TestCase.settings = settings(
    max_examples=STEPS // 60,
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
    switched = reached["phases switched"] / reached["examples"]
    with capsys.disabled():
        print(
            f"\n{reached['examples']} courses of {reached['steps']} steps: {charging:.0%} charge, "
            f"{faulted:.0%} have an error while charging, "
            f"{switched:.0%} switch phases"
        )
    assert reached["steps"] >= STEPS
    assert charging >= 0.3
    assert faulted >= 0.1
    assert switched >= 0.01 or reached["examples"] < 1000
