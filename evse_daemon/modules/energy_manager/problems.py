"""What is wrong with the energy tree, by name: each is told once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from evse_daemon.framework.rate_limit import RateLimitedLog

Name = Literal[
    "DuplicateUuid",
    "Ring",
    "NegativeLimit",
    "NotANumber",
    "ContradictoryLimits",
    "NoSchedule",
    "TreeSilent",
    "ChildSilent",
    "LimitsSilent",
]

REMEDIES: dict[Name, str] = {
    "DuplicateUuid": "give each node of the energy tree a name of its own, and connect each to one node only",
    "Ring": "connect the node to the nodes below it only, not to one above it or to itself",
    "NegativeLimit": "send limits of 0 or more",
    "NotANumber": "send limits that are numbers",
    "ContradictoryLimits": "send least limits that are not above the greatest ones, and setpoints of one kind",
    "NoSchedule": "send an entry in schedule_import; without one nothing may flow",
    "TreeSilent": "look why the node at the root of the energy tree is silent",
    "ChildSilent": "look why the module is silent; its limits expire meanwhile",
    "LimitsSilent": "look why nobody sets limits here any more (daemon.external_limits in the configuration)",
}


class Problem(NamedTuple):
    """One thing that is wrong at one node."""

    name: Name
    node: str
    what: str
    """What was found, and what is done about it."""

    @property
    def remedy(self) -> str:
        return REMEDIES[self.name]


def edges(
    before: Iterable[Problem], now: Iterable[Problem]
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """The problems that have begun, and those that are over; a changed text is not told again."""
    old = {(problem.name, problem.node): problem for problem in before}
    new = {(problem.name, problem.node): problem for problem in now}
    began = tuple(problem for key, problem in new.items() if key not in old)
    over = tuple(problem for key, problem in old.items() if key not in new)
    return began, over


def tell(log: RateLimitedLog, before: Iterable[Problem], now: Iterable[Problem]) -> None:
    """Logs the edges between two looks."""
    began, over = edges(before, now)
    for problem in began:
        log.error(
            (problem.name, problem.node),
            problem.name,
            node=problem.node,
            what=problem.what,
            remedy=problem.remedy,
        )
    for problem in over:
        log.info(("over", problem.name, problem.node), "over", problem=problem.name, node=problem.node)
