"""What is wrong with a tree is named, and what is not sure is not given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.energy_price_information import EnergyPriceInformation
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.module import EnergyManager
from evse_daemon.modules.energy_manager.plan import Books, Horizon, Plan, plan
from evse_daemon.modules.energy_node.module import EnergyNode
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    FrequencyWattPoint,
    NumberWithSource,
    ScheduleSetpointEntry,
    SetpointType,
)
from evse_daemon.types.energy_price_information import EnergyPriceSchedule, PricePerkWh
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy as EnergyWh
from evse_daemon.types.units import Frequency
from tests.modules.energy.requests import NOW, entry, evse, fuse, outside
from tests.support.harness import World

UTC = dt.datetime.fromisoformat(NOW)
GRID = ("grid", "energy_grid")


def once(root: EnergyFlowRequest) -> Plan:
    return plan(root, Books(), UTC, 0.0, Terms(), Horizon())


def currents(given: Plan) -> dict[str, float]:
    found = {}
    for each in given.enforced:
        current = each.limits_root_side.ac_max_current_A
        assert current is not None
        found[each.uuid] = current.value
    return found


def told(given: Plan) -> list[tuple[str, str]]:
    return [(problem.name, problem.node) for problem in given.problems]


# The tree as the energy manager finds it.


def test_evses_of_one_name_get_nothing_and_the_others_what_there_is() -> None:
    given = once(fuse("grid", 40, fuse("a", 40, evse("one")), evse("one"), evse("two")))
    assert currents(given) == {"one": 0, "two": 32}
    assert [each.uuid for each in given.enforced].count("one") == 1
    assert told(given) == [("DuplicateUuid", "one")]
    source = given.enforced[0].limits_root_side.ac_max_current_A
    assert source is not None
    assert source.source == "one/DuplicateUuid"


def test_below_fuses_of_one_name_nobody_gets_anything() -> None:
    given = once(fuse("grid", 40, fuse("a", 16, evse("one")), fuse("a", 16, evse("two")), evse("three")))
    assert currents(given) == {"one": 0, "two": 0, "three": 32}
    assert told(given) == [("DuplicateUuid", "a")]


def test_below_a_node_that_is_below_itself_nobody_gets_anything() -> None:
    given = once(
        fuse("grid", 40, fuse("a", 16, fuse("b", 16, fuse("a", 16, evse("lost")), evse("one"))), evse("two"))
    )
    assert currents(given) == {"one": 0, "two": 32}
    assert ("Ring", "a") in told(given)


def unchecked(value: float) -> NumberWithSource:
    """As a module of this process could make it, past all validation."""
    return NumberWithSource.model_construct(value=value, source="broken")


@pytest.mark.parametrize(("value", "name"), [(float("nan"), "NotANumber"), (-5.0, "NegativeLimit")])
@pytest.mark.parametrize("limit", ["ac_max_current_A", "total_power_W"])
@pytest.mark.parametrize("side", ["limits_to_root", "limits_to_leaves"])
def test_a_limit_that_is_none_counts_as_nothing(value: float, name: str, limit: str, side: str) -> None:
    root = fuse("grid", 40, evse("one"))
    limits = getattr(root.schedule_import[0], side).model_copy(update={limit: unchecked(value)})
    root.schedule_import[0] = root.schedule_import[0].model_copy(update={side: limits})
    given = once(root)
    assert currents(given) == {"one": 0}
    assert told(given) == [(name, "grid")]


def test_an_evse_whose_least_current_is_above_its_greatest_gets_nothing() -> None:
    given = once(fuse("grid", 40, evse("one", 10, 16), evse("two")))
    assert currents(given) == {"one": 0, "two": 32}
    assert told(given) == [("ContradictoryLimits", "one")]


def test_a_node_without_a_schedule_is_named() -> None:
    root = fuse("grid", 40, evse("one"))
    root.schedule_import.clear()
    assert told(once(root)) == [("NoSchedule", "grid")]


def test_a_setpoint_with_several_targets_is_named_and_its_first_counts() -> None:
    root = fuse("grid", 40, evse("one"))
    target = SetpointType(priority=0, source="operator", ac_current_A=8, total_power_W=100_000)
    root.schedule_setpoints.append(ScheduleSetpointEntry(timestamp=NOW, setpoint=target))
    given = once(root)
    assert currents(given) == {"one": 8}
    assert told(given) == [("ContradictoryLimits", "grid")]


@pytest.mark.parametrize(
    ("hz", "expected_a"), [(49.0, 0), (50.0, 10), (50.1, 15), (50.4, 20), (60.0, 20), (None, 0)]
)
def test_a_target_by_the_frequency_of_the_grid(hz: float | None, expected_a: float) -> None:
    table = [
        FrequencyWattPoint(frequency_Hz=50.2, total_power_W=20 * 690),
        FrequencyWattPoint(frequency_Hz=49.8, total_power_W=-690),
        FrequencyWattPoint(frequency_Hz=50.0, total_power_W=10 * 690),
    ]
    target = SetpointType(priority=0, source="operator", frequency_table=table)
    meter = Powermeter(timestamp=NOW, energy_Wh_import=EnergyWh(total=1))
    if hz is not None:
        meter = meter.model_copy(update={"frequency_Hz": Frequency(L1=hz)})
    root = fuse("grid", 40, evse("one")).model_copy(update={"energy_usage_root": meter})
    root.schedule_setpoints.append(ScheduleSetpointEntry(timestamp=NOW, setpoint=target))
    assert currents(once(root))["one"] == pytest.approx(expected_a)


def test_only_a_limit_in_watt_is_told_in_watt() -> None:
    """A charger for direct current in a part of the tree that is only limited in watt."""
    car = evse("one", min_a=0)
    plain = car.schedule_import[0].limits_to_root.model_copy(
        update={"ac_max_current_A": None, "ac_min_current_A": None}
    )
    car.schedule_import[0] = entry(power_w=50_000, phases=3).model_copy(update={"limits_to_leaves": plain})
    root = fuse("grid", 0, car)
    root.schedule_import[0] = entry(power_w=30_000, source="meter")
    limits = once(root).enforced[0].limits_root_side
    assert limits.ac_max_current_A is None
    assert limits.total_power_W is not None
    assert limits.total_power_W.value == pytest.approx(30_000)


# The modules.


class Site:
    """Nodes of real modules; EVSEs ask as often as they are told to."""

    def __init__(self, *evses: str, limit_source: LimitSource | None = None, **connections: Any) -> None:
        self.world = World(UTC)
        self.evses: dict[str, Implementation[Any]] = {
            name: self.world.fake(name, energy_grid=Energy)["energy_grid"] for name in evses
        }
        self.prices = self.world.fake("prices", main=EnergyPriceInformation)["main"]
        self.world.add(
            EnergyNode,
            "grid",
            {"fuse_limit_A": 40},
            connections={
                "energy_consumer": [(name, "energy_grid") for name in evses],
                "price_information": [("prices", "main")],
            },
            limit_source=limit_source,
        )
        self.world.add(EnergyManager, "manager", connections={"energy_trunk": [GRID]})

    def run(self, seconds: int, *requests: EnergyFlowRequest) -> None:
        for _ in range(seconds):
            for request in requests:
                self.evses[request.uuid].publish(Energy.energy_flow_request, request)
            self.world.settle()
            self.world.advance(1)

    def current(self, name: str) -> float:
        call = self.world.calls((name, "energy_grid"), Energy.enforce_limits)[-1]
        limit = call["value"].limits_root_side.ac_max_current_A
        assert limit is not None
        return float(limit.value)

    @property
    def tree(self) -> EnergyFlowRequest:
        return self.world.published(GRID, Energy.energy_flow_request)[-1]


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as found:
        yield found


def named(logs: list[Any], name: str) -> list[tuple[str, str]]:
    return [
        (entry["log_level"], entry["node"])
        for entry in logs
        if entry["event"] == name or entry.get("problem") == name
    ]


def test_a_car_that_comes_or_goes_is_served_without_waiting_for_the_next_round() -> None:
    site = Site("one", "two")
    site.world.start()
    site.run(3, evse("one"), evse("two", 0, state="Unplugged"))
    assert site.current("one") == 32
    site.world.advance(0.3)
    site.evses["two"].publish(Energy.energy_flow_request, evse("two"))
    site.world.settle()
    assert site.current("one") == 20
    site.world.advance(0.1)
    site.evses["one"].publish(Energy.energy_flow_request, evse("one", 0, state="Unplugged"))
    site.world.settle()
    assert site.current("two") == 32


def test_what_one_gives_up_the_other_gets_when_the_first_car_has_surely_followed() -> None:
    site = Site("one", "two")
    site.world.start()
    site.run(3, evse("one"), evse("two", 0, state="Unplugged"))
    site.run(9, evse("one"), evse("two"))
    assert (site.current("one"), site.current("two")) == (20, 8)
    site.run(3, evse("one"), evse("two"))
    assert (site.current("one"), site.current("two")) == (20, 20)


def test_a_silent_child_is_named_once_and_again_when_it_is_back(logs: list[Any]) -> None:
    site = Site("one", "two")
    site.world.start()
    site.run(2, evse("one"), evse("two"))
    site.run(30, evse("two"))
    assert named(logs, "ChildSilent") == [("error", "one")]
    site.run(2, evse("one"), evse("two"))
    assert named(logs, "ChildSilent") == [("error", "one"), ("info", "one")]


def test_a_silent_tree_is_named_and_its_limits_expire(logs: list[Any]) -> None:
    world = World(UTC)
    grid = world.fake("grid", energy_grid=Energy)["energy_grid"]
    world.add(EnergyManager, "manager", connections={"energy_trunk": [GRID]})
    world.start()
    grid.publish(Energy.energy_flow_request, fuse("grid", 40, evse("one")))
    world.advance(40)
    assert len(world.calls(GRID, Energy.enforce_limits)) <= 12
    assert named(logs, "TreeSilent") == [("error", "grid")]


def test_a_child_that_has_the_node_below_itself_is_left_out(logs: list[Any]) -> None:
    world = World(UTC)
    one = world.fake("one", energy_grid=Energy)["energy_grid"]
    for node, other in (("grid", "loop"), ("loop", "grid")):
        below = (
            [("one", "energy_grid"), (other, "energy_grid")] if node == "grid" else [(other, "energy_grid")]
        )
        world.add(EnergyNode, node, {"fuse_limit_A": 40}, connections={"energy_consumer": below})
    world.add(EnergyManager, "manager", connections={"energy_trunk": [GRID]})
    world.start()
    one.publish(Energy.energy_flow_request, evse("one"))
    world.advance(3)
    assert [child.uuid for child in world.published(GRID, Energy.energy_flow_request)[-1].children] == ["one"]
    enforced = world.calls(("one", "energy_grid"), Energy.enforce_limits)
    assert enforced[-1]["value"].limits_root_side.ac_max_current_A.value == 32
    world.call(GRID, Energy.enforce_limits, enforced[-1]["value"].model_copy(update={"uuid": "stranger"}))
    assert sorted(named(logs, "Ring")) == [("error", "grid"), ("error", "loop")]


EXPECTED = LimitSource(MaxReceiveTimeSec=30, SafeCurrent=6)


def test_the_safe_current_holds_until_limits_come_and_when_they_come_no_more(logs: list[Any]) -> None:
    site = Site("one", limit_source=EXPECTED)
    site.world.start()
    site.run(2, evse("one"))
    assert site.current("one") == 6
    assert named(logs, "LimitsSilent") == [("error", "grid")]
    set_limits = ExternalEnergyLimits.set_external_limits
    site.world.call(("grid", "external_limits"), set_limits, outside(entry(16)))
    site.run(29, evse("one"))
    assert site.current("one") == 16
    site.run(2, evse("one"))
    assert site.current("one") == 6
    assert named(logs, "LimitsSilent") == [("error", "grid"), ("info", "grid"), ("error", "grid")]
    site.world.call(("grid", "external_limits"), set_limits, outside(entry(10)))
    site.run(1, evse("one"))
    assert site.current("one") == 10


def test_without_a_safe_current_nobody_charges_when_limits_come_no_more() -> None:
    site = Site("one", limit_source=LimitSource(MaxReceiveTimeSec=30))
    site.world.start()
    site.run(2, evse("one"))
    assert site.current("one") == 0


def test_limits_hold_until_they_are_replaced_where_nothing_else_is_configured() -> None:
    site = Site("one")
    site.world.start()
    site.world.call(("grid", "external_limits"), ExternalEnergyLimits.set_external_limits, outside(entry(10)))
    site.run(600, evse("one"))
    assert site.current("one") == 10


def test_a_limit_whose_schedule_goes_on_without_one_ends() -> None:
    site = Site("one")
    site.world.start()
    limits = outside(entry(10), entry(at="2026-03-04T10:15:05.000Z"))
    site.world.call(("grid", "external_limits"), ExternalEnergyLimits.set_external_limits, limits)
    site.run(4, evse("one"))
    assert site.current("one") == 10
    site.run(3, evse("one"))
    assert site.current("one") == 32


def test_prices_are_told_beside_the_limits_and_to_the_evses() -> None:
    site = Site("one")
    site.world.start()
    over, cheap, dear = (
        PricePerkWh(timestamp=f"2026-03-04T{at}:00.000Z", value=value, currency="EUR")
        for at, value in (("09:00", 0.1), ("10:00", 0.25), ("10:30", 0.5))
    )
    site.prices.publish(
        EnergyPriceInformation.energy_pricing,
        EnergyPriceSchedule(schedule_import=[over, cheap, dear], schedule_export=[]),
    )
    site.run(2, evse("one"))
    schedule = site.tree.schedule_import
    assert [(each.timestamp[11:16], each.price_per_kwh) for each in schedule] == [
        ("10:00", cheap),
        ("10:30", dear),
    ]
    assert all(each.limits_to_root.ac_max_current_A is not None for each in schedule)
    told_evse = site.world.calls(("one", "energy_grid"), Energy.enforce_limits)[-1]["value"].schedule
    assert [(each.timestamp[11:16], each.price_per_kwh) for each in told_evse] == [
        ("10:00", cheap),
        ("10:15", cheap),
        ("10:30", dear),
    ]


def test_a_node_passes_on_what_only_tells_the_time_once_for_all_its_children() -> None:
    site = Site(*(f"evse_{number}" for number in range(20)))
    site.world.start()
    requests = [evse(name) for name in site.evses]
    site.run(3, *requests)
    before = len(site.world.published(GRID, Energy.energy_flow_request))
    for _ in range(10):
        for request in requests:
            site.evses[request.uuid].publish(Energy.energy_flow_request, request)
            site.world.advance(1 / 20)
    assert len(site.world.published(GRID, Energy.energy_flow_request)) - before <= 21


def test_a_tree_that_does_not_change_is_served_every_second_and_its_limits_tell_the_time() -> None:
    site = Site("one")
    site.world.start()
    site.run(5, evse("one"))
    calls = [call["value"] for call in site.world.calls(("one", "energy_grid"), Energy.enforce_limits)]
    assert len(calls) >= 5
    times = [each.schedule[1].timestamp for each in calls]
    assert times == sorted(times)
    assert len(set(times[-4:])) == 4


def test_many_changes_at_once_cost_a_few_rounds_and_none_waits_longer_than_a_tenth_of_a_second() -> None:
    site = Site(*(f"evse_{number}" for number in range(40)))
    site.world.start()
    site.run(3, *(evse(name, state="Unplugged") for name in site.evses))
    before = len(site.world.calls(("evse_0", "energy_grid"), Energy.enforce_limits))
    for number, name in reversed(list(enumerate(site.evses))):
        state = "WaitForAuth" if number < 6 else "Disabled"
        site.evses[name].publish(Energy.energy_flow_request, evse(name, state=state))
        site.world.advance(0.5 / 40)
    site.world.advance(0.1)
    assert [site.current(f"evse_{number}") for number in range(6)] == [pytest.approx(40 / 6)] * 6
    rounds = len(site.world.calls(("evse_0", "energy_grid"), Energy.enforce_limits)) - before
    assert rounds <= 8


def test_a_fuse_s_own_schedule_begins_with_the_present_hour() -> None:
    site = Site("one")
    site.world.start()
    site.run(2, evse("one"))
    site.world.advance(45 * 60)
    site.run(2, evse("one"))
    assert [each.timestamp for each in site.tree.schedule_import] == ["2026-03-04T11:00:00.000Z"]
