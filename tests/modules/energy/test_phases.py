"""On how many phases an EVSE charges (EVerest's options switch_3ph1ph_…)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.phases import KEEP, Policy
from evse_daemon.modules.energy_manager.plan import Horizon, Plan, plan
from evse_daemon.types.energy import EnergyFlowRequest, IntegerWithSource, LimitsRes
from tests.modules.energy.requests import NOW, entry, evse, fuse

UTC = dt.datetime.fromisoformat(NOW)
BOTH = Policy("Both", power_hysteresis_w=200, time_hysteresis_s=0)
THREE_PHASES_NEED_W = 6 * 3 * 230


class Charger:
    """One EVSE that switches as it is told, behind a limit in watt."""

    def __init__(self, policy: Policy, **of_evse: Any) -> None:
        self.terms = Terms(policy=policy)
        self.last = Plan()
        self.now_s = 0
        self.active = 3
        self.of_evse = of_evse

    def tree(self, power_w: float | None) -> EnergyFlowRequest:
        one = evse("one", **self.of_evse)
        root = one.schedule_import[0].limits_to_root
        one.schedule_import[0] = one.schedule_import[0].model_copy(
            update={"limits_to_root": root.model_copy(update={"ac_number_of_active_phases": self.active})}
        )
        node = fuse("grid", 32, one)
        node.schedule_import[0] = entry(32, power_w=power_w, phases=3, source="meter")
        return node

    def limits(self, power_w: float | None, after_s: int = 1) -> LimitsRes:
        self.now_s += after_s
        now = UTC + dt.timedelta(seconds=self.now_s)
        self.last = plan(self.tree(power_w), self.last.books, now, self.now_s, self.terms, Horizon())
        given = self.last.enforced[0].limits_root_side
        if given.ac_max_phase_count is not None:
            self.active = given.ac_max_phase_count.value
        return given

    def phases(self, power_w: float | None, after_s: int = 1) -> int | None:
        count = self.limits(power_w, after_s).ac_max_phase_count
        return None if count is None else count.value


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        pytest.param(Policy("Never"), [(11_000, 3), (4_000, None), (11_000, 3)], id="never"),
        pytest.param(BOTH, [(11_000, 3), (4_000, 1), (1_000, None), (11_000, 3)], id="both ways"),
        pytest.param(
            BOTH,
            [(4_139, 1), (4_141, 1), (4_339, 1), (4_341, 3), (4_141, 3), (4_139, 1)],
            id="the hysteresis in watt",
        ),
        pytest.param(
            dataclasses.replace(BOTH, mode="Oneway"), [(4_000, 1), (11_000, 1), (4_000, 1)], id="one way"
        ),
        pytest.param(BOTH, [(4_000, 1), (None, 3)], id="without a limit in watt all phases"),
    ],
)
def test_phases_follow_the_power(policy: Policy, steps: list[tuple[float | None, int | None]]) -> None:
    charger = Charger(policy)
    assert [charger.phases(power_w, 20) for power_w, _ in steps] == [wanted for _, wanted in steps]


def test_to_three_phases_only_after_the_time_of_the_hysteresis_and_to_one_at_once() -> None:
    charger = Charger(dataclasses.replace(BOTH, time_hysteresis_s=600))
    assert charger.phases(11_000) == 3  # a session begins as it can
    assert charger.phases(4_000) == 1
    assert charger.phases(11_000, 599) == 1
    assert charger.phases(4_000) == 1
    assert charger.phases(11_000, 1) == 1
    assert charger.phases(11_000, 598) == 1
    assert charger.phases(11_000) == 3


@pytest.mark.parametrize(
    ("stickiness", "wanted"),
    [("SinglePhase", [1, 1, 1]), ("ThreePhase", [3, 3, 3]), ("DontChange", [3, 3, 3])],
)
def test_when_the_switches_of_a_session_are_spent(stickiness: Any, wanted: list[int]) -> None:
    # As EVerest counts, the first number of phases that is seen is a switch, and one more than allowed is the limit.
    charger = Charger(dataclasses.replace(BOTH, max_switches=2, stickiness=stickiness))
    assert [charger.phases(power_w, 20) for power_w in (11_000, 4_140, 4_000, 11_000)] == [3, 3, 1, 3]
    assert [charger.phases(power_w, 20) for power_w in (11_000, 5_000, 11_000)] == wanted


def test_spent_switches_hold_one_phase_as_well() -> None:
    charger = Charger(dataclasses.replace(BOTH, max_switches=1))
    assert [charger.phases(power_w, 20) for power_w in (11_000, 4_000, 11_000, 11_000)] == [3, 1, 1, 1]


def test_the_next_session_has_its_switches_again() -> None:
    policy = dataclasses.replace(BOTH, max_switches=1, stickiness="SinglePhase")
    charger = Charger(policy)
    assert [charger.phases(power_w, 20) for power_w in (11_000, 4_000, 11_000)] == [3, 1, 1]
    charger.of_evse = {"state": "Finished"}  # also told while it stops for a pause: the session goes on
    assert charger.phases(11_000, 20) == 1
    charger.of_evse = {"state": "Unplugged"}
    charger.phases(11_000, 20)
    charger.of_evse = {}
    assert charger.phases(11_000, 20) == 3


def test_an_evse_that_cannot_switch_is_not_told_to() -> None:
    charger = Charger(BOTH)
    tree = charger.tree(4_000)
    one = tree.children[0].schedule_import[0]
    fixed = one.limits_to_root.model_copy(update={"ac_supports_changing_phases_during_charging": False})
    tree.children[0].schedule_import[0] = one.model_copy(update={"limits_to_root": fixed})
    given = plan(tree, Plan().books, UTC, 0.0, charger.terms, Horizon()).enforced[0].limits_root_side
    assert given.ac_max_phase_count is None
    assert given.ac_max_current_A is not None
    assert given.ac_max_current_A.value == 0


def test_a_single_phase_never_gets_more_than_its_own_limit() -> None:
    """EVerest#1038: while one phase waited for three, it was given the power of three."""
    charger = Charger(dataclasses.replace(BOTH, time_hysteresis_s=600))
    charger.phases(4_000)
    given = charger.limits(22_000)
    assert given.ac_max_phase_count is not None
    assert given.ac_max_current_A is not None
    assert given.total_power_W is not None
    assert given.ac_max_phase_count.value == 1
    assert given.ac_max_current_A.value == 32
    assert given.total_power_W.value == 32 * 230


def test_the_sources_are_named_as_everest_names_them() -> None:
    charger = Charger(BOTH)
    assert charger.limits(11_000).ac_max_phase_count == IntegerWithSource(
        value=3, source="meter,one/evse_board_support_caps"
    )
    charger.limits(4_000)
    assert charger.limits(4_200).ac_max_phase_count == IntegerWithSource(value=1, source=KEEP)


def test_two_evses_on_little_power_charge_on_one_phase_rather_than_not_at_all() -> None:
    node = fuse("grid", 32, evse("one"), evse("two"))
    node.schedule_import[0] = entry(32, power_w=THREE_PHASES_NEED_W + 6 * 230, phases=3, source="meter")
    enforced = plan(node, Plan().books, UTC, 0.0, Terms(policy=BOTH), Horizon()).enforced
    counts = [each.limits_root_side.ac_max_phase_count for each in enforced]
    assert [count and count.value for count in counts] == [3, 1]
