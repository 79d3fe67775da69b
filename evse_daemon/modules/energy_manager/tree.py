"""The energy tree at one moment: what each node lets through, and what is sold of it.

Per-phase currents in A, power in W. The rules are EVerest's (reference evse-manager.md §9.2): of a node's two sides
the smaller counts, a node without a schedule lets nothing through.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from evse_daemon.types.energy import (
    EnergyFlowRequest,
    IntegerWithSource,
    NumberWithSource,
    ScheduleReqEntry,
)


class _Entry(Protocol):
    @property
    def timestamp(self) -> str: ...


E = TypeVar("E", bound=_Entry)

NOTHING = NumberWithSource(value=0.0, source="")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a node lets through; None is no limit."""

    current: NumberWithSource | None
    power: NumberWithSource | None
    phases: IntegerWithSource | None
    min_current_a: float = 0.0
    """Less than this is of no use below the node."""


@dataclass(slots=True, eq=False)
class Node:
    """A node of the tree, and what the EVSEs below it have been given."""

    request: EnergyFlowRequest
    bounds: Bounds
    path: tuple[Node, ...] = ()
    """The nodes from the root down to this one."""
    sold_a: float = 0.0
    sold_w: float = 0.0

    @property
    def uuid(self) -> str:
        return self.request.uuid


@dataclass(slots=True)
class Tree:
    nodes: list[Node] = field(default_factory=list)

    @property
    def evses(self) -> list[Node]:
        return [node for node in self.nodes if node.request.node_type == "Evse"]


def tree_at(root: EnergyFlowRequest, moment: dt.datetime) -> Tree:
    """The tree as its schedules have it at a moment."""
    tree = Tree()
    waiting: list[tuple[EnergyFlowRequest, tuple[Node, ...]]] = [(root, ())]
    while waiting:
        request, above = waiting.pop()
        node = Node(request, bounds_at(request, moment))
        node.path = (*above, node)
        tree.nodes.append(node)
        waiting += [(child, node.path) for child in reversed(request.children)]
    return tree


def is_urgent(root: EnergyFlowRequest) -> bool:
    """Whether a node of the tree asks to be served now."""
    return bool(root.priority_request) or any(is_urgent(child) for child in root.children)


def changes(root: EnergyFlowRequest) -> Iterator[dt.datetime]:
    """The moments at which a schedule of the tree goes on to its next entry."""
    entries: list[_Entry] = [*root.schedule_import, *root.schedule_setpoints]
    for entry in entries:
        yield _moment(entry)
    for child in root.children:
        yield from changes(child)


def bounds_at(request: EnergyFlowRequest, moment: dt.datetime) -> Bounds:
    """What a node lets through at a moment, setpoints included (a target is a limit, none below 0)."""
    entry = entry_at(request.schedule_import, moment)
    if entry is None:
        return Bounds(NOTHING, None, None)
    current, power = _current(entry), _power(entry)
    target = entry_at(request.schedule_setpoints, moment)
    if target is not None and target.setpoint is not None:
        current = _smaller(current, _number(target.setpoint.ac_current_A, target.setpoint.source))
        power = _smaller(power, _number(target.setpoint.total_power_W, target.setpoint.source))
    return Bounds(current, power, _phases(entry), _min_current_a(entry))


def entry_at(schedule: Sequence[E], moment: dt.datetime) -> E | None:
    """The entry that is valid at a moment: the last that has begun; the first also before it begins."""
    valid: E | None = None
    for entry in schedule:
        if valid is None or _moment(entry) <= moment:
            valid = entry
    return valid


def _moment(entry: _Entry) -> dt.datetime:
    return dt.datetime.fromisoformat(entry.timestamp).astimezone(dt.UTC)


def _current(entry: ScheduleReqEntry) -> NumberWithSource | None:
    return _smaller(entry.limits_to_root.ac_max_current_A, entry.limits_to_leaves.ac_max_current_A)


def _power(entry: ScheduleReqEntry) -> NumberWithSource | None:
    leaves = entry.limits_to_leaves.total_power_W
    if leaves is not None and entry.conversion_efficiency is not None:
        efficiency = entry.conversion_efficiency
        leaves = _number(leaves.value / efficiency if efficiency > 0 else 0.0, leaves.source)
    return _smaller(entry.limits_to_root.total_power_W, leaves)


def _phases(entry: ScheduleReqEntry) -> IntegerWithSource | None:
    given = [
        limit
        for limit in (entry.limits_to_root.ac_max_phase_count, entry.limits_to_leaves.ac_max_phase_count)
        if limit is not None
    ]
    return min(given, key=lambda limit: limit.value, default=None)


def _min_current_a(entry: ScheduleReqEntry) -> float:
    given = (entry.limits_to_root.ac_min_current_A, entry.limits_to_leaves.ac_min_current_A)
    return max((limit.value for limit in given if limit is not None), default=0.0)


def _number(value: float | None, source: str) -> NumberWithSource | None:
    return None if value is None else NumberWithSource(value=value, source=source)


def _smaller(one: NumberWithSource | None, other: NumberWithSource | None) -> NumberWithSource | None:
    given = [limit for limit in (one, other) if limit is not None]
    smallest = min(given, key=lambda limit: limit.value, default=None)
    return smallest if smallest is None or smallest.value >= 0 else _number(0.0, smallest.source)
