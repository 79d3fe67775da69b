"""What the energy manager enforces in one round: the shares now, and a forecast of them (informative, as EVerest says).

An EVSE that has gone from the tree keeps what it was given until that has expired: only then is it surely off, and
its share free for others.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from evse_daemon.framework.clock import timestamp
from evse_daemon.modules.energy_manager.market import Grant, Terms, share
from evse_daemon.modules.energy_manager.tree import Tree, changes, tree_at
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits, ScheduleResEntry

MAX_SLOTS = 100
"""Bounds the work of one round, however long the schedules from outside are."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far the forecast goes, and how long what is enforced is valid."""

    interval: dt.timedelta = dt.timedelta(minutes=60)
    total: dt.timedelta = dt.timedelta(hours=1)
    valid_for_s: int = 10


@dataclass(frozen=True, slots=True)
class Lease:
    """What an EVSE was last given, and until when it may use it."""

    path: frozenset[str]
    """The nodes that carry it."""
    current_a: float
    power_w: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    enforced: list[EnforcedLimits]
    leases: dict[str, Lease] = field(default_factory=dict)
    """By the uuid of the EVSE."""


def plan(
    root: EnergyFlowRequest,
    leases: dict[str, Lease],
    now: dt.datetime,
    now_s: float,
    terms: Terms,
    horizon: Horizon,
) -> Plan:
    """Shares the tree among its EVSEs, in their order in it."""
    tree = tree_at(root, now)
    here = {node.uuid for node in tree.evses}
    kept = {uuid: lease for uuid, lease in leases.items() if uuid not in here and lease.ends_s > now_s}
    _reserve(tree, kept)
    grants = share(tree, terms)
    forecast = _forecast(root, grants, now, terms, horizon)
    enforced: list[EnforcedLimits] = []
    for node in tree.evses:
        grant = grants[node.uuid]
        kept[node.uuid] = Lease(
            frozenset(above.uuid for above in node.path),
            grant.current_a,
            grant.power_w,
            now_s + horizon.valid_for_s,
        )
        schedule = [
            ScheduleResEntry(timestamp=timestamp(slot), limits_to_root=slot_grants[node.uuid].limits)
            for slot, slot_grants in forecast
            if node.uuid in slot_grants
        ]
        enforced.append(
            EnforcedLimits(
                uuid=node.uuid,
                valid_for=horizon.valid_for_s,
                limits_root_side=grant.limits,
                schedule=schedule,
            )
        )
    return Plan(enforced, kept)


def _reserve(tree: Tree, leases: dict[str, Lease]) -> None:
    for lease in leases.values():
        for node in tree.nodes:
            if node.uuid in lease.path:
                node.sold_a += lease.current_a
                node.sold_w += lease.power_w


def _forecast(
    root: EnergyFlowRequest,
    grants: dict[str, Grant],
    now: dt.datetime,
    terms: Terms,
    horizon: Horizon,
) -> list[tuple[dt.datetime, dict[str, Grant]]]:
    """The shares at the beginning of each interval and at each change of a schedule."""
    begin = _floor(now, horizon.interval)
    end = begin + horizon.total
    regular = {
        begin + step * horizon.interval for step in range(1, max(1, horizon.total // horizon.interval))
    }
    changing = {moment for moment in changes(root) if now < moment < end}
    forecast = [(begin, grants), (now, grants)]
    for slot in sorted(regular | changing)[:MAX_SLOTS]:
        if any(forecast[-1][0] < moment <= slot for moment in changing):
            grants = share(tree_at(root, slot), terms)
        forecast.append((slot, grants))
    return forecast


def _floor(moment: dt.datetime, interval: dt.timedelta) -> dt.datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // interval * interval
