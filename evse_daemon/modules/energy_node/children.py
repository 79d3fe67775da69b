"""The nodes below a node: what each asked last, which is silent, and which must not be there."""

from __future__ import annotations

from typing import NamedTuple

from evse_daemon.modules.energy_manager.needs import same_needs
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.modules.energy_manager.tree import is_urgent
from evse_daemon.types.energy import EnergyFlowRequest

STALE_S = 10.0
"""A child that was silent for this long is left out; an EvseManager asks every second."""


class Heard(NamedTuple):
    value: EnergyFlowRequest
    at_s: float


class Children:
    """What the children of one node have asked.

    Args:
        uuid: the node's own.
        names: the modules that it is connected to, in the order of the configuration.
    """

    def __init__(self, uuid: str, names: tuple[str, ...]) -> None:
        self._uuid = uuid
        self._names = names
        self._heard: dict[int, Heard] = {}
        self._rings: set[int] = set()
        self._silent: set[int] = set()
        self._untold: set[int] = set()
        self._routes: dict[str, list[int]] | None = None

    def hear(self, index: int, request: EnergyFlowRequest, now_s: float) -> bool:
        """Takes over what a child asks; True where that has to be passed on now.

        What only tells the time or a meter's reading can wait until every child has said so again.
        """
        if index in self._rings:
            # For good: only another configuration ends it, and two nodes must not chase each other.
            return False
        if contains(request, self._uuid):
            self._rings.add(index)
            return self._drop(index)
        self._silent.discard(index)
        before = self._heard.get(index)
        self._heard[index] = Heard(request, now_s)
        self._untold.add(index)
        if before is None or not same_needs(before.value, request):
            self._routes = None
            return True
        return is_urgent(request) or self._untold >= self._heard.keys()

    def forget_silent(self, now_s: float) -> bool:
        """Leaves out who is silent; True where somebody is."""
        silent = {index for index, child in self._heard.items() if now_s - child.at_s >= STALE_S}
        self._silent |= silent
        for index in silent:
            self._drop(index)
        return bool(silent)

    def _drop(self, index: int) -> bool:
        self._untold.discard(index)
        self._routes = None
        return self._heard.pop(index, None) is not None

    @property
    def untold(self) -> bool:
        """Whether somebody has said something that was not passed on."""
        return bool(self._untold)

    def requests(self) -> list[EnergyFlowRequest]:
        """What to pass on, in the order of the configuration; what was urgent is so once."""
        found = [child.value for _, child in sorted(self._heard.items())]
        self._heard = {
            index: Heard(without_priority(child.value), child.at_s) for index, child in self._heard.items()
        }
        self._untold.clear()
        return found

    def branches(self, uuid: str) -> list[int]:
        """The children that lead to a node; all where none is known to, but who makes a ring."""
        if self._routes is None:
            self._routes = {}
            for index, child in self._heard.items():
                for name in names(child.value):
                    self._routes.setdefault(name, []).append(index)
        every = [index for index in range(len(self._names)) if index not in self._rings]
        return self._routes.get(uuid) or every

    def problems(self) -> tuple[Problem, ...]:
        rings = [
            Problem("Ring", self._names[index], f"it has {self._uuid} below itself; it is left out")
            for index in sorted(self._rings)
        ]
        silent = [
            Problem("ChildSilent", self._names[index], f"nothing was heard of it for {STALE_S:g} s")
            for index in sorted(self._silent)
        ]
        return (*rings, *silent)


def names(request: EnergyFlowRequest) -> set[str]:
    """The nodes of a branch."""
    return {request.uuid}.union(*map(names, request.children))


def contains(request: EnergyFlowRequest, uuid: str) -> bool:
    """Whether a node is in a branch."""
    return request.uuid == uuid or any(contains(child, uuid) for child in request.children)


def without_priority(request: EnergyFlowRequest) -> EnergyFlowRequest:
    """The request of a child once it was passed on: what was urgent has been said."""
    if not is_urgent(request):
        return request
    update: dict[str, object] = {"children": [without_priority(child) for child in request.children]}
    if request.priority_request:
        update["priority_request"] = False
    return request.model_copy(update=update)
