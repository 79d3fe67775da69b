"""What one node of the energy tree lets through at one moment.

Per-phase currents in A, power in W. The rules are EVerest's (reference evse-manager.md §9.2): of a node's two sides
the smaller counts, of the least values the greater; a node without a schedule lets nothing through. What is no number
or below zero counts as zero.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol, TypeVar

from evse_daemon.types.energy import (
    EnergyFlowRequest,
    FrequencyWattPoint,
    IntegerWithSource,
    NumberWithSource,
    ScheduleReqEntry,
    SetpointType,
)
from evse_daemon.types.energy_price_information import PricePerkWh
from evse_daemon.types.powermeter import Powermeter


class Entry(Protocol):
    @property
    def timestamp(self) -> str: ...


E = TypeVar("E", bound=Entry)

MOST = 1e9
"""A limit above it is none, in A as in W."""

NOTHING = NumberWithSource(value=0.0, source="")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a node lets through; None is no limit."""

    current: NumberWithSource | None
    power: NumberWithSource | None
    phases: IntegerWithSource | None
    min_current_a: float = 0.0
    """Less than this is of no use below the node."""
    min_phases: IntegerWithSource | None = None
    active_phases: int | None = None
    """On how many phases an EVSE charges at present."""
    can_switch: bool = False
    """Whether an EVSE can change its phases while it charges."""
    price: PricePerkWh | None = None


CLOSED = Bounds(NOTHING, None, None)


def bounds_at(request: EnergyFlowRequest, moment: dt.datetime) -> Bounds:
    """What a node lets through at a moment, setpoints included (a target is a limit, none below 0)."""
    entry = entry_at(request.schedule_import, moment)
    if entry is None:
        return CLOSED
    root, leaves = entry.limits_to_root, entry.limits_to_leaves
    current = _smaller(root.ac_max_current_A, leaves.ac_max_current_A)
    power = _power(entry)
    if request.schedule_setpoints:
        target = entry_at(request.schedule_setpoints, moment)
        if target is not None and target.setpoint is not None:
            current, power = _with_setpoint(current, power, target.setpoint, frequency_hz(request))
    least = [limit.value for limit in (root.ac_min_current_A, leaves.ac_min_current_A) if limit is not None]
    return Bounds(
        current,
        power,
        _fewer(root.ac_max_phase_count, leaves.ac_max_phase_count),
        max((value for value in least if value > 0), default=0.0),
        _more(root.ac_min_phase_count, leaves.ac_min_phase_count),
        root.ac_number_of_active_phases,
        bool(root.ac_supports_changing_phases_during_charging),
        entry.price_per_kwh,
    )


def entry_at(schedule: Sequence[E], moment: dt.datetime) -> E | None:
    """The entry that is valid at a moment: the one that began last, of several at once the last in the list.

    The first counts before it begins, too, while no other has begun.
    """
    if len(schedule) == 1:
        return schedule[0]
    valid: E | None = None
    valid_since: dt.datetime | None = None
    for entry in schedule:
        since = moment_of(entry)
        if since <= moment and (valid_since is None or since >= valid_since):
            valid, valid_since = entry, since
    return valid if valid is not None else (schedule[0] if schedule else None)


def moment_of(entry: Entry) -> dt.datetime:
    return _parsed(entry.timestamp)


@lru_cache(maxsize=1024)
def _parsed(timestamp: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(timestamp)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:  # at the end of all years, in a zone where that is in the next one
        return moment.replace(tzinfo=dt.UTC)


def frequency_hz(request: EnergyFlowRequest) -> float | None:
    """The frequency of the grid as it was measured at a node."""
    meters: tuple[Powermeter | None, ...] = (request.energy_usage_root, request.energy_usage_leaves)
    return next(
        (meter.frequency_Hz.L1 for meter in meters if meter is not None and meter.frequency_Hz is not None),
        None,
    )


def power_at(table: Sequence[FrequencyWattPoint], measured_hz: float | None) -> float:
    """The power of a frequency-watt curve in W; the least of the curve where the frequency is not known.

    Straight between the points, constant outside of them.
    """
    points = sorted(table, key=lambda point: point.frequency_Hz)
    if measured_hz is None:
        return min(point.total_power_W for point in points)
    if measured_hz <= points[0].frequency_Hz:
        return points[0].total_power_W
    for low, high in pairwise(points):
        if measured_hz <= high.frequency_Hz:
            part = (measured_hz - low.frequency_Hz) / (high.frequency_Hz - low.frequency_Hz)
            return low.total_power_W + part * (high.total_power_W - low.total_power_W)
    return points[-1].total_power_W


def _with_setpoint(
    current: NumberWithSource | None,
    power: NumberWithSource | None,
    target: SetpointType,
    measured_hz: float | None,
) -> tuple[NumberWithSource | None, NumberWithSource | None]:
    """A target as a limit; what charges towards the grid lets nothing through here. Of several the first kind counts."""
    if target.ac_current_A is not None:
        return _smaller(current, _number(target.ac_current_A, target.source)), power
    power_w = target.total_power_W
    if power_w is None and target.frequency_table:
        power_w = power_at(target.frequency_table, measured_hz)
    if power_w is None:
        return current, power
    return current, _smaller(power, _number(power_w, target.source))


def _power(entry: ScheduleReqEntry) -> NumberWithSource | None:
    leaves = entry.limits_to_leaves.total_power_W
    if leaves is not None and entry.conversion_efficiency is not None:
        efficiency = entry.conversion_efficiency
        leaves = _number(leaves.value / efficiency if efficiency > 0 else 0.0, leaves.source)
    return _smaller(entry.limits_to_root.total_power_W, leaves)


def _fewer(one: IntegerWithSource | None, other: IntegerWithSource | None) -> IntegerWithSource | None:
    given = [limit for limit in (one, other) if limit is not None]
    return min(given, key=lambda limit: limit.value, default=None)


def _more(one: IntegerWithSource | None, other: IntegerWithSource | None) -> IntegerWithSource | None:
    given = [limit for limit in (one, other) if limit is not None]
    return max(given, key=lambda limit: limit.value, default=None)


def _number(value: float, source: str) -> NumberWithSource:
    """Also of what a calculation has made of very large numbers."""
    return NumberWithSource(value=min(value, MOST) if value >= 0 else 0.0, source=source)


def _smaller(one: NumberWithSource | None, other: NumberWithSource | None) -> NumberWithSource | None:
    smallest: NumberWithSource | None = None
    for given in (one, other):
        if given is None:
            continue
        limit = given
        if not limit.value >= 0:  # in this form NaN is nothing, too
            return _number(0.0, limit.source)
        if limit.value > MOST:
            limit = _number(MOST, limit.source)
        if smallest is None or limit.value < smallest.value:
            smallest = limit
    return smallest
