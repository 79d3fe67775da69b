"""The energy tree at one moment: its nodes, what each lets through and has left, and what is wrong with it.

An EVSE in a part of the tree that contradicts itself (two nodes of one name, a ring) is shut: nobody knows what it
would be given there.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from evse_daemon.modules.energy_manager.bounds import Bounds, Entry, bounds_at, moment_of
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.types.energy import EnergyFlowRequest, LimitsReq, NumberWithSource, ScheduleReqEntry

RELATIVE_ROUNDING = 1e-9
"""Of a limit; less than this of it is nothing."""


class Limit:
    """A limit of a node, and what is left of it."""

    __slots__ = ("left", "nothing", "per_unit", "source", "value")

    def __init__(self, value: float, source: str) -> None:
        self.value = value
        self.source = source
        self.left = value
        self.nothing = RELATIVE_ROUNDING * max(1.0, value)
        self.per_unit = 0.0
        """How much of it is used up while the shares of all that still grow become 1 A more; see filling.py."""

    @property
    def used_up(self) -> bool:
        return not self.left > self.nothing


@dataclass(slots=True, eq=False)
class Node:
    """A node of the tree."""

    request: EnergyFlowRequest
    bounds: Bounds
    path: tuple[Node, ...] = ()
    """The nodes from the root down to this one."""
    amperes: Limit | None = None
    watts: Limit | None = None
    shut: str = ""
    """Why nothing may flow here."""

    @property
    def uuid(self) -> str:
        return self.request.uuid

    def forget(self) -> None:
        """All of the limits is left again."""
        current, power = self.bounds.current, self.bounds.power
        self.amperes = None if current is None else Limit(current.value, current.source)
        self.watts = None if power is None else Limit(power.value, power.source)

    def use(self, current_a: float, power_w: float) -> None:
        if self.amperes is not None:
            self.amperes.left -= current_a
        if self.watts is not None:
            self.watts.left -= power_w


@dataclass(slots=True)
class Tree:
    nodes: list[Node] = field(default_factory=list)
    evses: list[Node] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()

    def forget(self) -> None:
        for node in self.nodes:
            node.forget()


def tree_at(root: EnergyFlowRequest, moment: dt.datetime) -> Tree:
    """The tree as its schedules have it at a moment."""
    tree = Tree()
    waiting: list[tuple[EnergyFlowRequest, tuple[Node, ...]]] = [(root, ())]
    rings: set[str] = set()
    while waiting:
        request, above = waiting.pop()
        node = Node(request, bounds_at(request, moment))
        node.path = (*above, node)
        node.forget()
        tree.nodes.append(node)
        if request.node_type == "Evse":
            tree.evses.append(node)
        if any(other.uuid == request.uuid for other in above):
            rings.add(request.uuid)
            continue
        waiting += [(child, node.path) for child in reversed(request.children)]
    _shut(tree, rings)
    return tree


def _shut(tree: Tree, rings: set[str]) -> None:
    names = Counter(node.uuid for node in tree.nodes)
    twice = {uuid for uuid, count in names.items() if count > 1} - rings
    found = [
        *(Problem("Ring", uuid, "the node is below itself; what is below it gets nothing") for uuid in rings),
        *(
            Problem(
                "DuplicateUuid",
                uuid,
                f"{names[uuid]} nodes have this name; they, and what is below them, get nothing",
            )
            for uuid in sorted(twice)
        ),
    ]
    if rings or twice:
        shut_names = {
            evse.uuid for evse in tree.evses if any(above.uuid in rings | twice for above in evse.path)
        }
        for evse in tree.evses:
            if evse.uuid in shut_names:
                name = "Ring" if any(above.uuid in rings for above in evse.path) else "DuplicateUuid"
                evse.shut = f"{evse.uuid}/{name}"
    for node in tree.nodes:
        found += wrong(node.request)
    tree.problems = tuple(found)


def wrong(request: EnergyFlowRequest) -> Iterator[Problem]:
    """What is wrong with a node's own limits."""
    uuid = request.uuid
    if not request.schedule_import:
        yield Problem("NoSchedule", uuid, "the node names no limits; nothing may flow through it")
    for entry in request.schedule_import:
        for limits in (entry.limits_to_root, entry.limits_to_leaves):
            yield from _wrong_numbers(uuid, limits)
        if _contradictory(entry):
            yield Problem(
                "ContradictoryLimits", uuid, "a least limit is above the greatest; the smaller counts"
            )
    for target in request.schedule_setpoints:
        if target.setpoint is not None:
            kinds = (
                target.setpoint.ac_current_A,
                target.setpoint.total_power_W,
                target.setpoint.frequency_table,
            )
            if sum(kind is not None for kind in kinds) > 1:
                yield Problem(
                    "ContradictoryLimits", uuid, "a setpoint names several targets; the first counts"
                )


def _wrong_numbers(uuid: str, limits: LimitsReq) -> Iterator[Problem]:
    given = (limits.ac_max_current_A, limits.total_power_W, limits.ac_min_current_A)
    for limit in given:
        if limit is None or limit.value >= 0:
            continue
        if math.isnan(limit.value):
            yield Problem("NotANumber", uuid, "a limit is no number; it counts as 0")
        else:
            yield Problem("NegativeLimit", uuid, f"a limit is {limit.value:g}; it counts as 0")


def _contradictory(entry: ScheduleReqEntry) -> bool:
    root = entry.limits_to_root
    return _above(root.ac_min_current_A, root.ac_max_current_A) or (
        root.ac_min_phase_count is not None
        and root.ac_max_phase_count is not None
        and root.ac_min_phase_count.value > root.ac_max_phase_count.value > 0
    )


def _above(least: NumberWithSource | None, greatest: NumberWithSource | None) -> bool:
    return least is not None and greatest is not None and least.value > greatest.value > 0


def is_urgent(root: EnergyFlowRequest) -> bool:
    """Whether a node of the tree asks to be served now."""
    return bool(root.priority_request) or any(is_urgent(child) for child in root.children)


def changes(root: EnergyFlowRequest) -> Iterator[dt.datetime]:
    """The moments at which a schedule of the tree goes on to its next entry."""
    entries: list[Entry] = [*root.schedule_import, *root.schedule_setpoints]
    for entry in entries:
        yield moment_of(entry)
    for child in root.children:
        yield from changes(child)
