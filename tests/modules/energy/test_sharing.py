"""What each EVSE of a tree is given (reference evse-manager.md §9.2)."""

from __future__ import annotations

import datetime as dt

import pytest

from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.plan import Books, Horizon, Plan, plan
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    IntegerWithSource,
    LimitsRes,
    NumberWithSource,
    ScheduleSetpointEntry,
    SetpointType,
)
from tests.modules.energy.requests import NOW, entry, evse, fuse

UTC = dt.datetime.fromisoformat(NOW)


def planned(root: EnergyFlowRequest, before: Plan | None = None, now_s: float = 0.0) -> Plan:
    return plan(
        root,
        before.books if before else Books(),
        UTC + dt.timedelta(seconds=now_s),
        now_s,
        Terms(),
        Horizon(total=dt.timedelta(hours=10)),
    )


def currents(result: Plan) -> dict[str, float]:
    return {
        limits.uuid: limits.limits_root_side.ac_max_current_A.value
        for limits in result.enforced
        if limits.limits_root_side.ac_max_current_A is not None
    }


def test_one_evse_gets_what_it_asks_for_with_the_sources_that_everest_names() -> None:
    result = planned(fuse("grid", 40, evse("connector_1")))
    assert result.enforced[0].valid_for == 10
    assert result.enforced[0].limits_root_side == LimitsRes(
        ac_max_current_A=NumberWithSource(value=32, source="connector_1/evse_board_support_caps"),
        ac_max_phase_count=IntegerWithSource(
            value=3, source="grid/module_config,connector_1/evse_board_support_caps"
        ),
    )


def test_the_forecast_has_the_slots_of_everest_s() -> None:
    schedule = planned(fuse("grid", 40, evse("connector_1"))).enforced[0].schedule
    assert [slot.timestamp[11:23] for slot in schedule] == [
        "10:00:00.000",
        "10:15:00.000",
        *(f"{hour}:00:00.000" for hour in range(11, 20)),
    ]


def test_the_forecast_follows_the_schedules_of_the_tree() -> None:
    root = fuse("grid", 40, evse("one"))
    root.schedule_import.append(entry(10, at="2026-03-04T13:30:00+01:00"))  # 12:30 UTC
    limits = planned(root).enforced[0]
    by_time = {
        slot.timestamp[11:16]: slot.limits_to_root.ac_max_current_A.value
        for slot in limits.schedule
        if slot.limits_to_root.ac_max_current_A
    }
    assert by_time["10:15"] == by_time["12:00"] == 32
    assert by_time["12:30"] == by_time["13:00"] == by_time["19:00"] == 10


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param(fuse("grid", 16, evse("one")), {"one": 16}, id="the fuse is the least"),
        pytest.param(fuse("a", 40, fuse("b", 20, evse("one"))), {"one": 20}, id="the least of the path"),
        pytest.param(fuse("grid", 5.9, evse("one")), {"one": 0}, id="less than the least useful is nothing"),
        pytest.param(fuse("grid", 6, evse("one")), {"one": 6}, id="exactly the least useful"),
        pytest.param(fuse("grid", 40, evse("one"), evse("two")), {"one": 20, "two": 20}, id="equal shares"),
        pytest.param(
            fuse("grid", 40, evse("one", 10), evse("two")),
            {"one": 10, "two": 30},
            id="what one leaves the other has",
        ),
        pytest.param(
            fuse("grid", 15, evse("three"), evse("two"), evse("one")),
            {"one": 7.5, "three": 7.5, "two": 0},
            id="where there is not the least for all, the last by name gets none",
        ),
        pytest.param(
            fuse("grid", 7, evse("one", state="Unplugged"), evse("two")),
            {"one": 0, "two": 7},
            id="a car comes before an empty bay",
        ),
        pytest.param(
            fuse("grid", 50, fuse("a", 10, evse("one"), evse("two")), evse("three")),
            {"one": 10, "two": 0, "three": 32},
            id="a branch has its own fuse",
        ),
        pytest.param(fuse("grid", 10.25, evse("one")), {"one": 10.25}, id="less than a slice is given, too"),
        pytest.param(fuse("grid", 40, evse("one"), phases=0), {"one": 0}, id="no phase"),
        pytest.param(fuse("grid", -5, evse("one")), {"one": 0}, id="a negative limit"),
        pytest.param(fuse("grid", 40), {}, id="nobody there"),
    ],
)
def test_shares(root: EnergyFlowRequest, expected: dict[str, float]) -> None:
    assert currents(planned(root)) == expected


def test_a_node_without_a_schedule_lets_nothing_through() -> None:
    root = fuse("grid", 40, evse("one"))
    root.schedule_import.clear()
    assert currents(planned(root)) == {"one": 0}


def test_a_power_limit_limits_the_current_on_all_phases() -> None:
    root = fuse("grid", 40, evse("one"), evse("two"))
    root.schedule_import[0] = entry(40, power_w=11_040, phases=3, source="meter")
    result = planned(root)
    assert currents(result) == {"one": 8, "two": 8}
    assert result.enforced[0].limits_root_side.total_power_W == NumberWithSource(value=5520, source="meter")


def test_losses_below_a_node_count_at_the_node() -> None:
    root = fuse("grid", 40, evse("one"))
    leaves = entry(power_w=6900, phases=3).limits_to_root
    root.schedule_import[0] = entry(40, conversion_efficiency=0.5).model_copy(
        update={"limits_to_leaves": leaves}
    )
    assert currents(planned(root)) == {"one": 20}


@pytest.mark.parametrize(("target_a", "expected"), [(10, 10), (50, 32), (-5, 0)])
def test_a_setpoint_is_a_limit(target_a: float, expected: float) -> None:
    root = fuse("grid", 40, evse("one"))
    target = SetpointType(priority=0, source="grid operator", ac_current_A=target_a)
    root.schedule_setpoints.append(ScheduleSetpointEntry(timestamp=NOW, setpoint=target))
    assert currents(planned(root)) == {"one": expected}


@pytest.mark.parametrize(
    ("times", "valid"),
    [
        (("10:00", "10:10", "10:20"), 1),
        (("10:15", "10:20"), 0),
        (("11:00", "12:00"), 0),
        (("09:00", "10:00", "10:14"), 2),
    ],
)
def test_the_entry_counts_that_began_last_or_else_the_first(times: tuple[str, ...], valid: int) -> None:
    root = fuse("grid", 40, evse("one"))
    root.schedule_import[:] = [
        entry(10 + index, at=f"2026-03-04T{time}:00Z") for index, time in enumerate(times)
    ]
    assert currents(planned(root)) == {"one": 10 + valid}


def test_an_evse_that_has_gone_keeps_its_share_until_its_limits_have_expired_and_it_has_stopped() -> None:
    both = planned(fuse("grid", 40, evse("one"), evse("two")))
    alone = fuse("grid", 40, evse("two"))
    after = planned(alone, both, now_s=16)
    assert currents(after) == {"two": 20}
    assert currents(planned(alone, after, now_s=17)) == {"two": 32}


def test_what_is_less_than_before_is_told_first() -> None:
    before = planned(fuse("grid", 40, evse("one", 10), evse("two", state="WaitForAuth")))
    assert currents(before) == {"one": 10, "two": 30}
    after = planned(fuse("grid", 40, evse("one"), evse("two", state="WaitForAuth")), before, now_s=1)
    assert [(each.uuid, currents(after)[each.uuid]) for each in after.enforced] == [("two", 20), ("one", 20)]
