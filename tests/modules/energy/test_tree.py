"""Limits on their way through EnergyManager and EnergyNodes to the EVSEs and back."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import ValidationError

from evse_daemon.framework.bus import Implementation
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.energy_manager.module import EnergyManager
from evse_daemon.modules.energy_node.module import EnergyNode
from evse_daemon.types.energy import CapabilityLimits, EnergyFlowRequest, EnforcedLimits
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy as EnergyWh
from tests.modules.energy.requests import NOW, entry, evse, outside
from tests.support.harness import World

GRID = ("grid", "energy_grid")


class Tree:
    """Two EVSEs under a fuse of 40 A, the first behind a fuse of 32 A of its own, as in EVerest's limits config."""

    def __init__(self, **options: Any) -> None:
        self.world = World(dt.datetime.fromisoformat(NOW))
        self.evses: dict[str, Implementation[Any]] = {
            name: self.world.fake(name, energy_grid=Energy)["energy_grid"] for name in ("one", "two")
        }
        self.meter = self.world.fake("meter", main=PowermeterInterface)["main"]
        node = {"energy_consumer": [("one", "energy_grid")]}
        self.world.add(EnergyNode, "sink", {"fuse_limit_A": 32}, connections=node)
        self.world.add(
            EnergyNode,
            "grid",
            {"fuse_limit_A": 40},
            connections={
                "energy_consumer": [("sink", "energy_grid"), ("two", "energy_grid")],
                "powermeter": [("meter", "main")],
            },
        )
        self.world.add(EnergyManager, "manager", options, connections={"energy_trunk": [GRID]})
        self.world.start()

    def ask(self, *requests: EnergyFlowRequest) -> None:
        for request in requests:
            self.evses[request.uuid].publish(Energy.energy_flow_request, request)
        self.world.settle()

    def run(self, seconds: int, *requests: EnergyFlowRequest) -> None:
        """Time passes while EVSEs ask every second."""
        for _ in range(seconds):
            self.ask(*requests)
            self.world.advance(1)

    def enforced(self, name: str) -> list[EnforcedLimits]:
        return [call["value"] for call in self.world.calls((name, "energy_grid"), Energy.enforce_limits)]

    def current(self, name: str) -> float:
        limit = self.enforced(name)[-1].limits_root_side.ac_max_current_A
        assert limit is not None
        return limit.value

    @property
    def tree(self) -> EnergyFlowRequest:
        return self.world.published(GRID, Energy.energy_flow_request)[-1]

    def limit(self, name: str, *entries: Any) -> None:
        self.world.call(
            (name, "external_limits"), ExternalEnergyLimits.set_external_limits, outside(*entries)
        )


def test_limits_reach_their_evse_each_second_and_no_other() -> None:
    tree = Tree()
    tree.run(12, evse("one"), evse("two"))
    assert tree.current("one") == tree.current("two") == 20
    assert {limits.uuid for limits in tree.enforced("one")} == {"one"}
    assert 12 <= len(tree.enforced("one")) <= 14
    assert tree.enforced("one")[-1].valid_for == 10


def test_the_interval_is_an_option_and_limits_hold_for_ten_of_it() -> None:
    tree = Tree(update_interval=3)
    tree.run(9, evse("one"))
    assert 3 <= len(tree.enforced("one")) <= 5
    assert tree.enforced("one")[-1].valid_for == 30


def test_a_request_that_is_urgent_is_served_at_once_and_once() -> None:
    tree = Tree()
    tree.run(2, evse("one"), evse("two"))
    tree.world.advance(0.5)
    before = len(tree.enforced("one"))
    tree.ask(evse("one", urgent=True))
    assert len(tree.enforced("one")) == before + 1
    tree.ask(evse("two"))
    assert len(tree.enforced("one")) == before + 1


def test_a_fuse_says_what_it_is_as_everest_s_does() -> None:
    tree = Tree()
    assert tree.world.published(("grid", "external_limits"), ExternalEnergyLimits.capabilities) == [
        CapabilityLimits(max_current_A=40, max_phase_count=3, nominal_voltage_V=230, total_power_W=27600)
    ]
    own = {
        "ac_max_current_A": {"source": "grid/module_config", "value": 40.0},
        "ac_max_phase_count": {"source": "grid/module_config", "value": 3},
    }
    schedule = [{"timestamp": "2026-03-04T10:00:00.000Z", "limits_to_root": own, "limits_to_leaves": own}]
    first = tree.world.published(GRID, Energy.energy_flow_request)[0]
    assert Energy.energy_flow_request.to_jsonable(first) == {
        "uuid": "grid",
        "node_type": "Generic",
        "children": [],
        "schedule_import": schedule,
        "schedule_export": schedule,
        "schedule_setpoints": [],
    }


def test_a_fuse_publishes_at_each_request_and_meter_reading() -> None:
    tree = Tree()
    before = len(tree.world.published(GRID, Energy.energy_flow_request))
    tree.ask(evse("two"))
    reading = Powermeter(timestamp=NOW, energy_Wh_import=EnergyWh(total=1))
    tree.meter.publish(PowermeterInterface.powermeter, reading)
    tree.world.settle()
    assert len(tree.world.published(GRID, Energy.energy_flow_request)) == before + 2
    assert tree.tree.energy_usage_root == reading
    tree.world.advance(10)
    tree.ask(evse("two"))
    assert tree.tree.energy_usage_root is None


def test_a_limit_from_outside_counts_within_a_second() -> None:
    tree = Tree()
    tree.run(2, evse("one"))
    assert tree.current("one") == 32
    tree.limit("sink", entry(10, source="API_module"))
    tree.run(1, evse("one"))
    assert tree.current("one") == 10
    limits = tree.enforced("one")[-1].limits_root_side
    assert limits.ac_max_current_A is not None
    assert limits.ac_max_current_A.source == "API_module"
    tree.limit("sink")
    tree.run(1, evse("one"))
    assert tree.current("one") == 32


def test_a_limit_from_outside_changes_with_its_schedule() -> None:
    tree = Tree()
    tree.limit("sink", entry(10), entry(20, at="2026-03-04T10:15:05.000Z"))
    tree.run(3, evse("one"))
    assert tree.current("one") == 10
    tree.run(5, evse("one"))
    assert tree.current("one") == 20


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (entry(100, phases=5), (32, 3)),
        (entry(10, phases=1), (10, 1)),
        (entry(), (32, 3)),
        (entry(power_w=6900), (32, 3)),
    ],
)
def test_no_limit_from_outside_is_above_the_fuse(limit: Any, expected: tuple[float, int]) -> None:
    tree = Tree()
    tree.limit("sink", limit)
    tree.ask(evse("one"))
    root = tree.tree.children[0].schedule_import[0].limits_to_root
    assert root.ac_max_current_A is not None
    assert root.ac_max_phase_count is not None
    assert (root.ac_max_current_A.value, root.ac_max_phase_count.value) == expected


def test_a_power_limit_can_give_a_current_limit() -> None:
    world = World()
    world.fake("one", energy_grid=Energy)
    world.add(
        EnergyNode,
        "grid",
        {"fuse_limit_A": 32, "enhance_external_schedule": True},
        connections={"energy_consumer": [("one", "energy_grid")]},
    )
    world.start()
    limits = outside(entry(power_w=6900), entry(power_w=2300, phases=1), entry(6, power_w=6900))
    world.call(("grid", "external_limits"), ExternalEnergyLimits.set_external_limits, limits)
    schedule = world.published(GRID, Energy.energy_flow_request)[-1].schedule_import
    found = [given.limits_to_root.ac_max_current_A for given in schedule]
    assert [current.value if current else None for current in found] == [10, 10, 6]


def test_an_evse_that_is_silent_leaves_the_tree_and_its_share_is_free_when_its_limits_have_expired() -> None:
    tree = Tree()
    tree.run(2, evse("one"), evse("two"))
    served = len(tree.enforced("two"))
    tree.run(10, evse("one"))
    assert [child.uuid for child in tree.tree.children] == ["sink"]
    tree.run(8, evse("one"))
    assert tree.current("one") == 20
    assert len(tree.enforced("two")) <= served + 11
    tree.run(12, evse("one"))
    assert tree.current("one") == 32


def test_a_tree_that_is_silent_is_served_no_more() -> None:
    tree = Tree()
    tree.run(2, evse("one"))
    tree.world.advance(30)
    served = len(tree.enforced("one"))
    tree.world.advance(30)
    assert len(tree.enforced("one")) == served


def test_limits_for_an_evse_that_a_fuse_does_not_know_go_to_all_and_its_own_to_none() -> None:
    tree = Tree()
    tree.run(1, evse("one"), evse("two"))
    known = tree.enforced("one")[-1]
    before = {name: len(tree.enforced(name)) for name in tree.evses}
    for uuid, more in (("stranger", 1), ("grid", 0)):
        tree.world.call(GRID, Energy.enforce_limits, known.model_copy(update={"uuid": uuid}))
        before = {name: count + more for name, count in before.items()}
        assert {name: len(tree.enforced(name)) for name in tree.evses} == before


@pytest.mark.parametrize(
    ("module_class", "options"),
    [
        (EnergyNode, {}),
        (EnergyNode, {"fuse_limit_A": -1}),
        (EnergyNode, {"fuse_limit_A": 16, "phase_count": 4}),
        (EnergyManager, {"update_interval": 0}),
        (EnergyManager, {"slice_ampere": 0}),
        (EnergyManager, {"switch_3ph1ph_while_charging_mode": "Sometimes"}),
    ],
)
def test_impossible_options_are_refused(module_class: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        module_class.Options.model_validate(options)


def test_everything_published_is_json_without_nulls() -> None:
    tree = Tree()
    tree.run(1, evse("one"), evse("two"))
    text = json.dumps(Energy.energy_flow_request.to_jsonable(tree.tree))
    assert "null" not in text
