"""Whatever happens to a charger, each series is there once, with a number, and says what the kernel does."""

from __future__ import annotations

import math

import pytest
from hypothesis.stateful import invariant

from evse_daemon import metric_names as names
from evse_daemon.modules.evse_manager import guards
from evse_daemon.modules.evse_manager.explain_limits import SAME_A, SIMPLIFIED_A
from evse_daemon.modules.evse_manager.measured import measures
from tests.modules.evse_manager.test_explain_properties import TOLD, ExplainMachine
from tests.modules.evse_manager.test_properties import KernelMachine


class MeasuredMachine(KernelMachine):
    @invariant()
    def the_series_say_what_the_kernel_does(self) -> None:
        if not hasattr(self, "plant"):
            return
        config, state, now_s = self.plant.config, self.plant.state, self.plant.now_s
        given = [*measures(config, state, TOLD, {"grid"}, now_s)]
        values = {(each.metric, each.labels): float(each.value) for each in given}
        assert len(values) == len(given)
        assert all(map(math.isfinite, values.values()))
        evse = (config.module_id,)
        assert [key[1][1] for key, value in values.items() if key[0] is names.STATE and value] == [
            state.charger
        ]
        assert values[names.POWER_PERMITTED, evse] == guards.may_switch_on(state, config, now_s)
        assert values[names.POWER_COMMANDED, evse] == state.pilot.power_commanded
        if guards.board_lost(state):
            assert (names.CONTACTOR_CLOSED, evse) not in values
        else:
            assert values[names.CONTACTOR_CLOSED, evse] == state.pilot.contactor_closed
        budget_a = guards.budget_a(state, now_s)
        if state.pilot.simplified and config.simplified_mode_limit_10a:
            budget_a = min(budget_a, SIMPLIFIED_A)
        assert values[names.ALLOWED, evse] == pytest.approx(budget_a, abs=SAME_A)
        deciding = [key[1] for key, value in values.items() if key[0] is names.LIMIT_DECIDES and value]
        assert len(deciding) <= 1
        if deciding and state.capabilities is not None:
            assert values[names.LIMIT, deciding[0]] == values[names.ALLOWED, evse]


MeasuredMachine.TestCase.settings = ExplainMachine.TestCase.settings


class TestMeasured(MeasuredMachine.TestCase):  # type: ignore[valid-type,misc]  # hypothesis makes the class at run time
    """Runs the machine under pytest."""
