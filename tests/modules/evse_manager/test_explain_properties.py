"""Whatever happens to a charger, the explanation says what the kernel does: random courses of events."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant

from evse_daemon.modules.evse_manager import guards
from evse_daemon.modules.evse_manager.explain import explain
from evse_daemon.modules.evse_manager.explain_limits import SAME_A, SIMPLIFIED_A, Told
from evse_daemon.types.energy import EnforcedLimits, LimitsRes, NumberWithSource
from tests.modules.evse_manager.test_properties import KernelMachine

LIMITS = LimitsRes(
    ac_max_current_A=NumberWithSource(value=1, source="grid/module_config"),
    total_power_W=NumberWithSource(value=1, source="API_module"),
)
TOLD = Told(EnforcedLimits(uuid="evse_manager", valid_for=10, limits_root_side=LIMITS, schedule=[]))
"""Somebody has told limits; how much they are is in the kernel's state."""

REST = ("Starting", "Disabled", "Finished", "ChargingPausedEV")
"""States in which no car charges, and the next event decides."""


class ExplainMachine(KernelMachine):
    @invariant()
    def what_is_said_is_what_the_kernel_does(self) -> None:
        if not hasattr(self, "plant"):
            return
        config, state, now_s = self.plant.config, self.plant.state, self.plant.now_s
        found = explain(config, state, TOLD, now_s)
        budget_a = guards.budget_a(state, now_s)
        if state.pilot.simplified and config.simplified_mode_limit_10a:
            budget_a = min(budget_a, SIMPLIFIED_A)
        assert found.allowed_a == pytest.approx(budget_a, abs=SAME_A)
        assert sum(limit.smallest for limit in found.limits) <= 1
        if guards.may_switch_on(state, config, now_s):
            assert {block.kind for block in found.blocks} <= {"contactor"}, "power may flow"
            assert state.pilot.contactor_closed is found.charging
        if state.charger in REST or guards.blocked(state) or not guards.enabled(state):
            assert found.blocks, f"nothing is said in {state.charger}"
        assert found.sentence.startswith("Charging") is (found.charging and not found.blocks)
        assert "\n" not in found.sentence


ExplainMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class TestExplained(ExplainMachine.TestCase):  # type: ignore[valid-type,misc]  # hypothesis makes the class at run time
    """Runs the machine under pytest."""
