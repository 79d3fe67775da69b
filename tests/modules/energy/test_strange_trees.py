"""Whatever the types allow to be said, nothing of it stops the energy manager."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.needs import same_needs
from evse_daemon.modules.energy_manager.plan import Horizon, Plan, plan, renewed
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    FrequencyWattPoint,
    IntegerWithSource,
    LimitsReq,
    NumberWithSource,
    ScheduleReqEntry,
    ScheduleSetpointEntry,
    SetpointType,
)
from tests.modules.energy.requests import NOW
from tests.modules.energy.test_properties import STATES, UTC, amps, terms

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 6.0, 16.0, 1e308])
)
counts = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 3]))
moments = st.sampled_from(
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        NOW,
        "2026-03-04T10:30:00Z",
        "1970-01-01T00:00:00Z",
    ]
)


def number(value: float | None) -> NumberWithSource | None:
    return None if value is None else NumberWithSource(value=value, source="strange")


def count(value: int | None) -> IntegerWithSource | None:
    return None if value is None else IntegerWithSource(value=value, source="strange")


strange_limits = st.builds(
    LimitsReq,
    total_power_W=st.one_of(st.none(), numbers).map(number),
    ac_max_current_A=st.one_of(st.none(), numbers).map(number),
    ac_min_current_A=st.one_of(st.none(), numbers).map(number),
    ac_max_phase_count=counts.map(count),
    ac_min_phase_count=counts.map(count),
    ac_number_of_active_phases=st.sampled_from([None, 1, 3]),
    ac_supports_changing_phases_during_charging=st.sampled_from([None, True]),
)
strange_entries = st.builds(
    ScheduleReqEntry,
    timestamp=moments,
    limits_to_root=strange_limits,
    limits_to_leaves=strange_limits,
    conversion_efficiency=st.sampled_from([None, 0.0, 1e-308, 0.5, 1.0]),
)
strange_points = st.builds(FrequencyWattPoint, frequency_Hz=numbers, total_power_W=numbers)
strange_setpoints = st.builds(
    ScheduleSetpointEntry,
    timestamp=moments,
    setpoint=st.builds(
        SetpointType,
        priority=st.just(0),
        source=st.just("strange"),
        ac_current_A=st.one_of(st.none(), numbers),
        total_power_W=st.one_of(st.none(), numbers),
        frequency_table=st.one_of(st.none(), st.lists(strange_points, max_size=3)),
    ),
)


def strange_node(children: Any) -> Any:
    return st.builds(
        EnergyFlowRequest,
        uuid=st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]),
        node_type=st.sampled_from(["Evse", "Generic", "Undefined"]),
        evse_state=st.sampled_from([None, *STATES]),
        children=children,
        schedule_import=st.lists(strange_entries, max_size=3),
        schedule_export=st.just([]),
        schedule_setpoints=st.lists(strange_setpoints, max_size=2),
    )


strange_trees = strange_node(
    st.lists(strange_node(st.lists(strange_node(st.just([])), max_size=2)), max_size=2)
)


@settings(deadline=None)
@given(st.lists(strange_trees, min_size=1, max_size=3), terms)
def test_nothing_that_the_types_allow_stops_the_energy_manager(
    roots: list[EnergyFlowRequest], how: Terms
) -> None:
    last = Plan()
    for second, root in enumerate(roots):
        last = plan(root, last.books, UTC + dt.timedelta(seconds=second), second, how, Horizon())
        last = renewed(last, UTC + dt.timedelta(seconds=second), second, Horizon())
        assert all(amps(each) >= 0 for each in last.enforced)
        same_needs(root, roots[0])
