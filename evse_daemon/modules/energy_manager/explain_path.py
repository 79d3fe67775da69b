"""Every limit on the way from the root of an energy tree to one EVSE, for people: pure (docs/explain.md)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from evse_daemon.modules.energy_manager.bounds import bounds_at, entry_at, moment_of
from evse_daemon.types.energy import EnergyFlowRequest


@dataclass(frozen=True, slots=True)
class NodeLimit:
    """What one node lets through now."""

    node: str
    source: str
    """Who set it."""
    current_a: float | None = None
    """Per phase."""
    power_w: float | None = None
    """Of all phases."""
    since: dt.datetime | None = None
    """When the entry of its schedule began."""
    until: dt.datetime | None = None
    """When the next entry begins; None: it is the last, and stays."""


def limits_above(root: EnergyFlowRequest, evse: str, now: dt.datetime) -> list[NodeLimit]:
    """The limits of the nodes above an EVSE, from the root down; empty where it is not in the tree."""
    path = _path(root, evse)
    return [limit for node in path[:-1] for limit in limits_of(node, now)]


def _path(node: EnergyFlowRequest, evse: str) -> list[EnergyFlowRequest]:
    if node.uuid == evse:
        return [node]
    for child in node.children:
        below = _path(child, evse)
        if below:
            return [node, *below]
    return []


def limits_of(node: EnergyFlowRequest, now: dt.datetime) -> list[NodeLimit]:
    """The limits of one node itself."""
    bounds, entry = bounds_at(node, now), entry_at(node.schedule_import, now)
    since = moment_of(entry) if entry is not None else None
    coming = [moment_of(each) for each in node.schedule_import if moment_of(each) > now]
    until = min(coming, default=None)
    found = []
    if bounds.current is not None:
        found.append(
            NodeLimit(node.uuid, bounds.current.source, bounds.current.value, since=since, until=until)
        )
    if bounds.power is not None:
        found.append(
            NodeLimit(node.uuid, bounds.power.source, power_w=bounds.power.value, since=since, until=until)
        )
    return found
