"""Fair shares: all grow at the same pace until a limit on their way is used up (max-min fairness).

Nobody can get more without somebody who has no more than them getting less. The result is unique, so it does not
depend on the order of the EVSEs in the tree, and nothing is left over that somebody could use.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from evse_daemon.modules.energy_manager.tree import Limit, Node

SAME_A = 1e-9
"""Shares that differ by less are equal."""


class Share:
    """What an EVSE gets while it is shared out."""

    __slots__ = ("current_a", "min_a", "node", "phases", "uses")

    def __init__(self, node: Node, phases: int, min_a: float, nominal_voltage_v: float) -> None:
        self.node = node
        self.phases = phases
        self.min_a = min_a
        self.current_a = 0.0
        power_per_a = phases * nominal_voltage_v
        self.uses: list[tuple[Limit, float]] = []
        """The limits on the way to the root, and how much of each one ampere takes."""
        for above in node.path:
            if above.amperes is not None:
                self.uses.append((above.amperes, 1.0))
            if above.watts is not None:
                self.uses.append((above.watts, power_per_a))

    def room_a(self) -> float:
        """How much more it can get, in A; nothing where no limit is known at all."""
        if not self.uses or self.phases <= 0:
            return 0.0
        return min(limit.left / per_a for limit, per_a in self.uses)

    def take(self, current_a: float) -> None:
        self.current_a += current_a
        for limit, per_a in self.uses:
            limit.left -= current_a * per_a

    def take_least(self) -> bool:
        """Takes the least useful current, all or nothing; False where there is not that much."""
        room_a = self.room_a()
        if room_a <= SAME_A or room_a < self.min_a - SAME_A * max(1.0, self.min_a):
            return False
        self.take(self.min_a)
        return True

    @property
    def fits_alone(self) -> bool:
        """Whether it would get something if nobody else did."""
        return (
            bool(self.uses)
            and self.phases > 0
            and min(limit.value / per_a for limit, per_a in self.uses) >= max(self.min_a, SAME_A)
        )

    @property
    def stuck(self) -> bool:
        return any(limit.used_up for limit, _ in self.uses)


def fill(shares: Iterable[Share], caps: Sequence[float] = ()) -> None:
    """Lets shares grow from what they have until a limit on the way of each is used up.

    Args:
        shares: who takes part; each has a limit on its way.
        caps: for each share how much it may have at most, in A; empty for no such bound.
    """
    taking_part = list(shares)
    if caps:
        for share, cap_a in zip(taking_part, caps, strict=True):
            share.uses.append((Limit(max(0.0, cap_a - share.current_a), ""), 1.0))
    waiting = sorted(
        (share for share in taking_part if not share.stuck), key=lambda share: share.current_a, reverse=True
    )
    growing: list[Share] = []
    limits: dict[Limit, None] = {}
    level_a = 0.0
    while waiting or growing:
        if not growing:
            level_a = waiting[-1].current_a
        while waiting and waiting[-1].current_a <= level_a + SAME_A:
            share = waiting.pop()
            if not share.stuck:
                growing.append(share)
                for limit, per_a in share.uses:
                    limit.per_unit += per_a
                    limits[limit] = None
        if not growing:
            continue
        step_a = min(limit.left / limit.per_unit for limit in limits)
        if waiting:
            step_a = min(step_a, waiting[-1].current_a - level_a)
        _grow(growing, limits, step_a)
        level_a += step_a
        growing = _still_growing(growing, limits)


def _grow(growing: list[Share], limits: Iterable[Limit], step_a: float) -> None:
    for limit in limits:
        limit.left -= step_a * limit.per_unit
        if math.isclose(limit.left, 0.0, abs_tol=limit.nothing):
            limit.left = 0.0
    for share in growing:
        share.current_a += step_a


def _still_growing(growing: list[Share], limits: dict[Limit, None]) -> list[Share]:
    going_on: list[Share] = []
    for share in growing:
        if share.stuck:
            for limit, per_a in share.uses:
                limit.per_unit -= per_a
        else:
            going_on.append(share)
    for limit in [limit for limit in limits if limit.per_unit <= SAME_A]:
        limit.per_unit = 0.0
        del limits[limit]
    return going_on
