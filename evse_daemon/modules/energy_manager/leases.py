"""What EVSEs may still draw: what they were given last, and what they were given before while they follow.

A limit that is lowered is not followed at once: the duty cycle changes every 5 s at most, and a car has 5 s to follow
it (IEC 61851-1). Whoever is silent draws until its limits have expired and its contactor is open. So reductions come
before increases: what is taken from one is given to another when the one has surely let go of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evse_daemon.modules.energy_manager.filling import Share, fill
from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.tree import Limit, Node, Tree
from evse_daemon.types.energy import EvseState

SETTLE_S = 10.0
"""How long an EVSE may draw what it had before a reduction: 5 s to the next change of the duty cycle, 5 s for the car."""

STOP_S = 7.0
"""How long an EVSE may draw after its limits have expired: 1 s to notice, 6 s for the car to stop (Table A.6)."""

MOST_STEPS = 12
"""More reductions within the time than these count as one."""

IDLE: frozenset[EvseState] = frozenset(
    ("Unplugged", "Disabled", "WaitForAuth", "PausedEVSE", "WaitForEnergy")
)
"""States in which an EVSE draws nothing; Finished is told while it still stops, too."""


class Step(NamedTuple):
    """What an EVSE may draw until a time."""

    current_a: float
    power_w: float
    until_s: float

    def exceeds(self, current_a: float, power_w: float) -> bool:
        """Whether it is more in A, or on more phases in W."""
        return self.current_a > current_a or self.power_w > power_w


class Lease(NamedTuple):
    """What an EVSE was given; the last step is the newest."""

    path: frozenset[str]
    """The nodes that carry it."""
    steps: tuple[Step, ...]

    def current_a(self, now_s: float) -> float:
        return max((step.current_a for step in self.steps if step.until_s > now_s), default=0.0)

    def power_w(self, now_s: float) -> float:
        return max((step.power_w for step in self.steps if step.until_s > now_s), default=0.0)

    @property
    def newest(self) -> Step:
        return self.steps[-1]


def may_draw(state: EvseState | None) -> bool:
    return state not in IDLE


def next_lease(
    before: Lease | None, node: Node, current_a: float, power_w: float, now_s: float, valid_for_s: float
) -> Lease:
    """What is remembered of a new limit, and as long as they count of those before."""
    newest = Step(current_a, power_w, now_s + valid_for_s + STOP_S)
    kept: list[Step] = []
    if before is not None and may_draw(node.request.evse_state):
        *older, last = before.steps
        steps = (*older, last._replace(until_s=min(last.until_s, now_s + SETTLE_S)))
        kept = [step for step in steps if step.until_s > now_s and step.exceeds(current_a, power_w)]
    return Lease(frozenset(above.uuid for above in node.path), (*_without_needless(kept), newest))


def _without_needless(steps: Sequence[Step]) -> list[Step]:
    """Without those that another covers in value and time; at most a handful stay."""
    found: list[Step] = []
    for step in steps:
        if any(all(one >= other for one, other in zip(kept, step, strict=True)) for kept in found):
            continue
        found = [
            kept for kept in found if not all(one <= other for one, other in zip(kept, step, strict=True))
        ]
        found.append(step)
    if len(found) > MOST_STEPS:
        greatest = Step(*(max(values) for values in zip(*found, strict=True)))
        return [greatest]
    return found


def renewed(lease: Lease, now_s: float, valid_for_s: float) -> Lease:
    """The same limit was given once more."""
    *older, last = lease.steps
    kept = [step for step in older if step.until_s > now_s]
    return lease._replace(steps=(*kept, last._replace(until_s=now_s + valid_for_s + STOP_S)))


def are_safe(
    tree: Tree, shares: Mapping[str, Share], leases: Mapping[str, Lease], terms: Terms, now_s: float
) -> bool:
    """Whether shares may be given at once: whoever still draws more than its new share leaves room for that.

    Args:
        tree: with what is left after the sharing.
        shares: the new ones.
        leases: what was given before, also to those who have gone.
        terms: of the sharing.
        now_s: monotonic.
    """
    more: dict[Limit, float] = {}
    for uuid, current_a, power_w, nodes in _reserved(tree, leases, now_s):
        share = shares.get(uuid)
        had_a = share.current_a if share is not None else 0.0
        had_w = had_a * share.phases * terms.nominal_voltage_v if share is not None else 0.0
        more_a, more_w = max(0.0, current_a - had_a), max(0.0, power_w - had_w)
        for node in nodes:
            if node.amperes is not None and more_a:
                more[node.amperes] = more.get(node.amperes, 0.0) + more_a
            if node.watts is not None and more_w:
                more[node.watts] = more.get(node.watts, 0.0) + more_w
    return all(limit.left - used >= -limit.nothing for limit, used in more.items())


def step_towards(
    tree: Tree,
    wanted: Mapping[str, Share],
    order: Iterable[Node],
    leases: Mapping[str, Lease],
    terms: Terms,
    now_s: float,
) -> dict[str, Share]:
    """What may be given at once on the way to the wanted shares: all reductions, and what is free of the increases."""
    tree.forget()
    reserved = {
        uuid: (current_a, power_w, nodes)
        for uuid, current_a, power_w, nodes in _reserved(tree, leases, now_s)
    }
    given: dict[str, Share] = {}
    for uuid, (current_a, power_w, nodes) in reserved.items():
        if uuid not in wanted:
            for node in nodes:
                node.use(current_a, power_w)
    growing: list[Share] = []
    for node in order:
        target = wanted[node.uuid]
        share = Share(node, target.phases, target.min_a, terms.nominal_voltage_v)
        given[node.uuid] = share
        per_a = target.phases * terms.nominal_voltage_v
        has_a, has_w, _ = reserved.get(node.uuid, (0.0, 0.0, ()))
        free_a = min(has_a, has_w / per_a) if per_a > 0 else 0.0
        share.current_a = min(target.current_a, free_a)
        for above in node.path:
            above.use(max(share.current_a, has_a), max(share.current_a * per_a, has_w))
        if target.current_a > share.current_a:
            growing.append(share)
    able = [share for share in growing if _has_least(share)]
    fill(able, [wanted[share.node.uuid].current_a for share in able])
    return given


def _has_least(share: Share) -> bool:
    """Brings a share that is to grow to the least useful current, or to nothing where there is not that much."""
    missing_a = share.min_a - share.current_a
    if missing_a <= 0:
        return True
    if share.room_a() < missing_a:
        share.current_a = 0.0
        return False
    share.take(missing_a)
    return True


def _reserved(
    tree: Tree, leases: Mapping[str, Lease], now_s: float
) -> Iterable[tuple[str, float, float, Sequence[Node]]]:
    """What each EVSE may still draw, in A and W, and the nodes that carry it."""
    here = {node.uuid: node for node in tree.evses}
    for uuid, lease in leases.items():
        node = here.get(uuid)
        if node is not None and not may_draw(node.request.evse_state):
            continue
        current_a, power_w = lease.current_a(now_s), lease.power_w(now_s)
        if current_a <= 0 and power_w <= 0:
            continue
        carried = node.path if node is not None else [at for at in tree.nodes if at.uuid in lease.path]
        yield uuid, current_a, power_w, carried
