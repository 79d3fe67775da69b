"""Shares what the fuses let through among the EVSEs: nobody gets more than any node on its path has left.

As in EVerest (reference evse-manager.md §9.2): in a first round each EVSE takes its smallest useful current, all or
nothing; after it each takes a slice in turn until nothing is left. What is sold to an EVSE counts on every node from
the root down to it, per phase, whatever number of phases it uses. EVSEs with a car take their turn first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from evse_daemon.modules.energy_manager.tree import Node, Tree
from evse_daemon.types.energy import EvseState, IntegerWithSource, LimitsRes, NumberWithSource

MAX_ROUNDS = 100
"""Bounds the work of one sharing, as in EVerest."""

ROUNDING_A = 1e-9
"""Less than this is nothing."""

WITHOUT_CAR: tuple[EvseState, ...] = ("Unplugged", "Disabled", "Finished")


@dataclass(frozen=True, slots=True)
class Terms:
    """How the market works."""

    slice_a: float = 0.5
    nominal_voltage_v: float = 230.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What an EVSE gets."""

    current_a: float
    power_w: float
    """What that is at the nominal voltage on all phases that it may use."""
    limits: LimitsRes


def share(tree: Tree, terms: Terms) -> dict[str, Grant]:
    """What each EVSE of the tree gets, by uuid; adds it to what is sold on the nodes."""
    buyers = [_Buyer(node, terms) for node in tree.evses]
    buyers.sort(key=lambda buyer: buyer.node.request.evse_state in WITHOUT_CAR)
    buying = [buyer for buyer in buyers if buyer.buy_minimum()]
    for rounds_left in range(MAX_ROUNDS - 1, 0, -1):
        if len(buying) == 1:
            # Whoever is alone need not take turns.
            buying[0].buy_slice(rounds_left * terms.slice_a)
            break
        buying = [buyer for buyer in buying if buyer.buy_slice(terms.slice_a)]
    return {buyer.node.uuid: buyer.grant() for buyer in buyers}


class _Buyer:
    def __init__(self, node: Node, terms: Terms) -> None:
        self.node = node
        self.bought_a = 0.0
        self._min_a = max(above.bounds.min_current_a for above in node.path)
        limited = [above.bounds.phases for above in node.path if above.bounds.phases is not None]
        self._phases = min((limit.value for limit in limited), default=3)
        self._phase_source = _joined(limit.source for limit in limited if limit.value == self._phases)
        self._phases_limited = bool(limited)
        self._power_per_a = self._phases * terms.nominal_voltage_v
        self._limits_a = [
            (above, above.bounds.current.value) for above in node.path if above.bounds.current is not None
        ]
        self._limits_w = [
            (above, above.bounds.power.value)
            for above in node.path
            if above.bounds.power is not None and self._power_per_a > 0
        ]

    def buy_minimum(self) -> bool:
        """Takes the smallest useful current, if there is that much; False where there is not."""
        if self._phases <= 0 or not self._limits_a or self._left_a() < self._min_a - ROUNDING_A:
            return False
        self._buy(self._min_a)
        return True

    def buy_slice(self, slice_a: float) -> bool:
        """Takes a slice or what is left of one; False when nothing is left."""
        amount_a = min(slice_a, self._left_a())
        if amount_a <= ROUNDING_A:
            return False
        self._buy(amount_a)
        return True

    def grant(self) -> Grant:
        power_w = self.bought_a * self._power_per_a
        binding = [(left_a, source) for above in self.node.path for left_a, source in self._left_at(above)]
        least_a = min((left_a for left_a, _ in binding), default=0.0)
        source = _joined(source for left_a, source in binding if left_a <= least_a + ROUNDING_A)
        bought = self.bought_a > 0
        has_power = any(above.bounds.power is not None for above in self.node.path)
        return Grant(
            self.bought_a,
            power_w,
            LimitsRes(
                ac_max_current_A=NumberWithSource(value=self.bought_a, source=source),
                ac_max_phase_count=IntegerWithSource(value=self._phases, source=self._phase_source)
                if bought and self._phases_limited
                else None,
                total_power_W=NumberWithSource(value=power_w, source=source) if has_power else None,
            ),
        )

    def _buy(self, amount_a: float) -> None:
        self.bought_a += amount_a
        for above in self.node.path:
            above.sold_a += amount_a
            above.sold_w += amount_a * self._power_per_a

    def _left_a(self) -> float:
        left_a = math.inf
        for node, limit_a in self._limits_a:
            left_a = min(left_a, limit_a - node.sold_a)
        for node, limit_w in self._limits_w:
            left_a = min(left_a, (limit_w - node.sold_w) / self._power_per_a)
        return left_a

    def _left_at(self, node: Node) -> list[tuple[float, str]]:
        """What a node has left, in A, by each of its limits, with the limit's source."""
        left: list[tuple[float, str]] = []
        if node.bounds.current is not None:
            left.append((node.bounds.current.value - node.sold_a, node.bounds.current.source))
        if node.bounds.power is not None and self._power_per_a > 0:
            left_w = node.bounds.power.value - node.sold_w
            left.append((left_w / self._power_per_a, node.bounds.power.source))
        return left


def _joined(sources: Iterable[str]) -> str:
    """The sources of equal limits, from the root down, each once."""
    return ",".join(dict.fromkeys(sources))
