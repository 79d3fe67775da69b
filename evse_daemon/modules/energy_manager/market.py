"""Shares what the fuses let through among the EVSEs: nobody gets more than any node on its path has left.

As in EVerest (reference evse-manager.md §9.2): first each EVSE takes its least useful current, all or nothing, then
they grow. What an EVSE gets counts on every node from the root down to it, per phase, whatever number of phases it
uses, and in watt on the phases that it may use. An EVSE without a car has its share, too, so that a car that comes
finds it; one that is to leave it to others asks for nothing (EvseManager's option request_zero_power_in_idle).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evse_daemon.modules.energy_manager import phases as phase_policy
from evse_daemon.modules.energy_manager.filling import SAME_A, Share, fill
from evse_daemon.modules.energy_manager.phases import Choice, Memory, Policy, Wish
from evse_daemon.modules.energy_manager.tree import Node
from evse_daemon.types.energy import IntegerWithSource, LimitsRes, NumberWithSource


@dataclass(frozen=True, slots=True)
class Terms:
    """How the market works."""

    nominal_voltage_v: float = 230.0
    policy: Policy = field(default_factory=Policy)


class Grant(NamedTuple):
    """What an EVSE gets."""

    current_a: float
    power_w: float
    """What that is at the nominal voltage on all phases that it may use."""
    phases: IntegerWithSource
    limits: LimitsRes


@dataclass(slots=True)
class Sale:
    """What a sharing has come to, by uuid."""

    shares: dict[str, Share] = field(default_factory=dict)
    phases: dict[str, IntegerWithSource] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    """Of the phases of those who were asked."""


def wish_of(node: Node) -> Wish:
    """What an EVSE can do on its way to the root; the sources of equal limits are joined, from the root down."""
    most = [above.bounds.phases for above in node.path if above.bounds.phases is not None]
    least = [above.bounds.min_phases for above in node.path if above.bounds.min_phases is not None]
    return Wish(
        _merged(most, min(limit.value for limit in most)) if most else phase_policy.UNKNOWN,
        _merged(least, max(limit.value for limit in least)) if least else phase_policy.UNKNOWN,
        node.bounds.active_phases,
        max(above.bounds.min_current_a for above in node.path),
        node.bounds.can_switch,
    )


def share_out(
    queue: Sequence[Node],
    resting: frozenset[str],
    memories: Mapping[str, Memory],
    terms: Terms,
    now_s: float | None,
) -> Sale:
    """Shares among EVSEs; uses up what is left on the nodes.

    Args:
        queue: who is first takes the least useful current first.
        resting: who gets nothing this time.
        memories: of the phases, by uuid.
        terms: how.
        now_s: monotonic; None for a forecast.
    """
    sale = Sale()
    growing: list[Share] = []
    for node in queue:
        wish = wish_of(node)
        choice = _choose(node, wish, memories.get(node.uuid), terms, now_s)
        if choice.memory is not None:
            sale.memories[node.uuid] = choice.memory
        share = Share(node, choice.phases.value, wish.min_current_a, terms.nominal_voltage_v)
        sale.shares[node.uuid], sale.phases[node.uuid] = share, choice.phases
        if not node.shut and node.uuid not in resting and share.take_least():
            growing.append(share)
    fill(growing)
    return sale


def _choose(node: Node, wish: Wish, memory: Memory | None, terms: Terms, now_s: float | None) -> Choice:
    room_w = [above.watts.left for above in node.path if above.watts is not None]
    if memory is None or now_s is not None:
        memory = phase_policy.seen(memory, wish.active, terms.policy, now_s or 0.0)
    return phase_policy.choose(
        terms.policy, memory, wish, min(room_w, default=None), terms.nominal_voltage_v, now_s
    )


def grant(share: Share, phases: IntegerWithSource, terms: Terms, source: str = "") -> Grant:
    """A share as it is told to its EVSE.

    Args:
        share: what it gets.
        phases: on how many phases.
        terms: of the sharing.
        source: what limits it; empty for the limits on its way that leave the least.
    """
    node = share.node
    power_w = share.current_a * share.phases * terms.nominal_voltage_v
    source = source or node.shut or _binding(share)
    has_power = any(above.watts is not None for above in node.path)
    has_current = any(above.amperes is not None for above in node.path)
    got = share.current_a > SAME_A
    limits = LimitsRes(
        ac_max_current_A=NumberWithSource(value=share.current_a, source=source)
        if has_current or not has_power
        else None,
        ac_max_phase_count=phases if got and has_current else None,
        total_power_W=NumberWithSource(value=power_w, source=source) if has_power else None,
    )
    return Grant(share.current_a, power_w, phases, limits)


def _binding(share: Share) -> str:
    """The sources of the limits on the way that leave the least, from the root down."""
    left = [
        (limit.left / per_a if per_a > 0 else 0.0, limit.source)
        for limit, per_a in share.uses
        if limit.source
    ]
    least = min((left_a for left_a, _ in left), default=0.0)
    rounding = SAME_A * max(1.0, abs(least))
    return joined(source for left_a, source in left if left_a <= least + rounding)


def joined(sources: Iterable[str]) -> str:
    """Each source once."""
    return ",".join(dict.fromkeys(sources))


def _merged(limits: Sequence[IntegerWithSource], value: int) -> IntegerWithSource:
    return IntegerWithSource(
        value=value, source=joined(limit.source for limit in limits if limit.value == value)
    )
