"""What the energy manager enforces in one round: the shares now, and a forecast of them (informative, as EVerest says)."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, replace

from evse_daemon.framework.clock import timestamp
from evse_daemon.modules.energy_manager import leases as lease_book
from evse_daemon.modules.energy_manager import turns as turn_book
from evse_daemon.modules.energy_manager.filling import SAME_A, Share
from evse_daemon.modules.energy_manager.leases import Lease
from evse_daemon.modules.energy_manager.market import Grant, Terms, grant, share_out
from evse_daemon.modules.energy_manager.phases import Memory
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.modules.energy_manager.tree import Node, Tree, changes, tree_at
from evse_daemon.modules.energy_manager.turns import Turn
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    EnforcedLimits,
    EvseState,
    ScheduleResEntry,
)
from evse_daemon.types.energy_price_information import PricePerkWh

MAX_SLOTS = 100
"""Bounds the work of one round, however long the schedules from outside are."""

MAX_SHARINGS = 400
"""So many nodes are looked at for the forecast; in larger trees it ends earlier and repeats itself."""

SETTLING = "energy_manager/WaitsForOthers"
"""The source of a share that is less than its due until others have let go of what was theirs."""

OUT_OF_SESSION: frozenset[EvseState] = frozenset(("Unplugged", "Disabled"))
"""States in which what was remembered of a session's phases is forgotten."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far the forecast goes, and how long what is enforced is valid."""

    interval: dt.timedelta = dt.timedelta(minutes=60)
    total: dt.timedelta = dt.timedelta(hours=1)
    valid_for_s: int = 10


@dataclass(frozen=True, slots=True)
class Books:
    """What is remembered from round to round, by the uuid of the EVSE."""

    leases: dict[str, Lease] = field(default_factory=dict)
    phases: dict[str, Memory] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A round's result.

    Args:
        books: for the next round.
        enforced: the limits, reductions first.
        problems: what is wrong with the tree.
        again_s: when the same tree may give another result, on the monotonic clock.
        by_schedule: from when until when it does not by its schedules, on the clock of the day.
    """

    books: Books = field(default_factory=Books)
    enforced: tuple[EnforcedLimits, ...] = ()
    problems: tuple[Problem, ...] = ()
    again_s: float = -math.inf
    by_schedule: tuple[dt.datetime, dt.datetime] | None = None

    def holds(self, now: dt.datetime, now_s: float) -> bool:
        """Whether a tree with the same needs would be served alike."""
        if self.by_schedule is None:
            return False
        since, until = self.by_schedule
        return now_s < self.again_s and since <= now < until


def plan(
    root: EnergyFlowRequest, books: Books, now: dt.datetime, now_s: float, terms: Terms, horizon: Horizon
) -> Plan:
    """Shares the tree among its EVSEs."""
    tree = tree_at(root, now)
    turns = _turns_of(tree, books.turns)
    queue = _queue(tree, turns, now_s)
    cars = [node for node in queue if turn_book.has_car(node.request.evse_state)]
    resting = frozenset(node.uuid for node in cars if turn_book.resting(turns.get(node.uuid), now_s))
    memories = {
        node.uuid: books.phases[node.uuid]
        for node in tree.evses
        if node.uuid in books.phases and node.request.evse_state not in OUT_OF_SESSION
    }
    sale = share_out(queue, resting, memories, terms, now_s)
    leases = {uuid: lease for uuid, lease in books.leases.items() if lease.current_a(now_s) > 0}
    shares, settled = sale.shares, True
    if not lease_book.are_safe(tree, shares, leases, terms, now_s):
        shares = lease_book.step_towards(tree, shares, queue, leases, terms, now_s)
        settled = False
    grants = {
        uuid: grant(share, sale.phases[uuid], terms, _reason(share, sale.shares[uuid]))
        for uuid, share in shares.items()
    }
    waits = _wait(cars, sale.shares)
    slots, again_at = _forecast(root, tree, grants, memories, now, terms, horizon)
    states = {node.uuid: node.request.evse_state for node in tree.evses}
    return Plan(
        Books(
            {**leases, **_leases(tree, grants, leases, now_s, horizon)},
            {uuid: kept for uuid, kept in sale.memories.items() if states[uuid] not in OUT_OF_SESSION},
            {node.uuid: _turn(node, sale.shares[node.uuid], turns, waits, now_s) for node in cars},
        ),
        _enforced(tree, grants, leases, slots, horizon),
        tree.problems,
        math.inf if settled and not waits and not _watches_phases(tree, terms) else now_s,
        (now, again_at),
    )


def renewed(before: Plan, now: dt.datetime, now_s: float, horizon: Horizon) -> Plan:
    """The plan of a tree that has not changed, at a later time."""
    moment = timestamp(now)
    leases = dict(before.books.leases)
    for limits in before.enforced:
        leases[limits.uuid] = lease_book.renewed(leases[limits.uuid], now_s, horizon.valid_for_s)
    return replace(
        before,
        books=replace(before.books, leases=leases),
        enforced=tuple(_at(limits, moment) for limits in before.enforced),
    )


def _turns_of(tree: Tree, turns: dict[str, Turn]) -> dict[str, Turn]:
    cars = {node.uuid for node in tree.evses if turn_book.has_car(node.request.evse_state)}
    if cars != turns.keys():
        return {uuid: turn_book.without_rest(turn) for uuid, turn in turns.items() if uuid in cars}
    return turns


def _queue(tree: Tree, turns: dict[str, Turn], now_s: float) -> list[Node]:
    """The EVSEs, each once, in the order in which they are served."""
    by_name = {node.uuid: node for node in tree.evses}.values()
    return sorted(
        by_name,
        key=lambda node: (
            *turn_book.rank(node.request.evse_state, turns.get(node.uuid), now_s),
            node.uuid,
        ),
    )


def _reason(share: Share, wanted: Share) -> str:
    return SETTLING if share.current_a < wanted.current_a - SAME_A else ""


def _wait(cars: list[Node], shares: dict[str, Share]) -> frozenset[str]:
    """Who gets nothing only because others get something."""
    return frozenset(
        node.uuid
        for node in cars
        if not shares[node.uuid].current_a > 0 and not node.shut and shares[node.uuid].fits_alone
    )


def _turn(node: Node, share: Share, turns: dict[str, Turn], waits: frozenset[str], now_s: float) -> Turn:
    served = share.current_a > 0
    return turn_book.next_turn(turns.get(node.uuid), served=served, displaced=node.uuid in waits, now_s=now_s)


def _watches_phases(tree: Tree, terms: Terms) -> bool:
    """Whether the policy of phases may decide otherwise as time goes on."""
    return terms.policy.mode != "Never" and any(
        node.bounds.can_switch and any(above.watts is not None for above in node.path) for node in tree.evses
    )


def _leases(
    tree: Tree, grants: dict[str, Grant], leases: dict[str, Lease], now_s: float, horizon: Horizon
) -> dict[str, Lease]:
    return {
        node.uuid: lease_book.next_lease(
            leases.get(node.uuid),
            node,
            grants[node.uuid].current_a,
            grants[node.uuid].power_w,
            now_s,
            horizon.valid_for_s,
        )
        for node in tree.evses
    }


@dataclass(frozen=True, slots=True)
class _Slot:
    """A part of the forecast."""

    timestamp: str
    grants: dict[str, Grant]
    prices: dict[str, PricePerkWh]


def _forecast(
    root: EnergyFlowRequest,
    tree: Tree,
    grants: dict[str, Grant],
    memories: dict[str, Memory],
    now: dt.datetime,
    terms: Terms,
    horizon: Horizon,
) -> tuple[list[_Slot], dt.datetime]:
    """The shares at the beginning of each interval and at each change of a schedule; and the next of these moments."""
    begin = _floor(now, horizon.interval)
    end = begin + horizon.total
    regular = {
        begin + step * horizon.interval
        for step in range(1, min(MAX_SLOTS + 2, horizon.total // horizon.interval))
    }
    coming = {moment for moment in changes(root) if now < moment}
    changing = {moment for moment in coming if moment < end}
    prices = _prices(tree)
    found = [_Slot(timestamp(moment), grants, prices) for moment in (begin, now)]
    last = now
    sharings = max(1, MAX_SHARINGS // len(tree.nodes))
    for moment in sorted(regular | changing)[:MAX_SLOTS]:
        if sharings > 0 and any(last < change <= moment for change in changing):
            sharings -= 1
            later = tree_at(root, moment)
            sale = share_out(_queue(later, {}, 0.0), frozenset(), memories, terms, None)
            grants = {uuid: grant(share, sale.phases[uuid], terms) for uuid, share in sale.shares.items()}
            prices = _prices(later)
        found.append(_Slot(timestamp(moment), grants, prices))
        last = moment
    return found, min({begin + horizon.interval, *coming})


def _prices(tree: Tree) -> dict[str, PricePerkWh]:
    """What a kWh costs each EVSE, where a node on its way says so; the nearest counts."""
    found: dict[str, PricePerkWh] = {}
    for node in tree.evses:
        for above in reversed(node.path):
            if above.bounds.price is not None:
                found[node.uuid] = above.bounds.price
                break
    return found


def _enforced(
    tree: Tree,
    grants: dict[str, Grant],
    leases: dict[str, Lease],
    slots: list[_Slot],
    horizon: Horizon,
) -> tuple[EnforcedLimits, ...]:
    """The limits in the order in which they are sent: what is less than before goes first."""
    found: list[tuple[bool, EnforcedLimits]] = []
    for uuid in dict.fromkeys(node.uuid for node in tree.evses):
        schedule = [
            ScheduleResEntry(
                timestamp=slot.timestamp,
                limits_to_root=slot.grants[uuid].limits,
                price_per_kwh=slot.prices.get(uuid),
            )
            for slot in slots
            if uuid in slot.grants
        ]
        limits = EnforcedLimits(
            uuid=uuid,
            valid_for=horizon.valid_for_s,
            limits_root_side=grants[uuid].limits,
            schedule=schedule,
        )
        less = uuid in leases and leases[uuid].newest.exceeds(grants[uuid].current_a, grants[uuid].power_w)
        found.append((less, limits))
    return tuple(limits for _, limits in sorted(found, key=lambda each: not each[0]))


NOW = 1
"""The entry of the schedule that begins at the time of the round; before it is that of the interval."""


def _at(limits: EnforcedLimits, moment: str) -> EnforcedLimits:
    schedule = list(limits.schedule)
    schedule[NOW] = schedule[NOW].model_copy(update={"timestamp": moment})
    return limits.model_copy(update={"schedule": schedule})


def _floor(moment: dt.datetime, interval: dt.timedelta) -> dt.datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // interval * interval
