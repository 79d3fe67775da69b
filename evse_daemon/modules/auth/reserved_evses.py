"""Which EVSEs reservations leave to whom, and how EVSEs are shown as reserved."""

from __future__ import annotations

from evse_daemon.modules.auth.effects import Mark, Unmark
from evse_daemon.modules.auth.reservation_table import ANY, Held, Offer, can_all_come, is_for, suits
from evse_daemon.modules.auth.state import Evse
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.authorization import ProvidedIdToken

RECHECK_S = 60.0
"""The time of day may be set while a reservation lasts; so often its end is looked up again."""

ANYBODY = -1
"""The id that an EVSE is told which is kept for whoever has a reservation of any EVSE (EvseManager's reserve)."""


# What a token may do.


def usable(work: Work, index: int, token: ProvidedIdToken, parent: str | None) -> tuple[bool, Held | None]:
    """Whether a token may start at an EVSE as far as reservations go, and which of them it uses up."""
    held = of_evse(work, work.evses[index].evse_id)
    if held is not None:
        mine = is_for(held, token.id_token.value, parent)
        return mine, held if mine else None
    kinds = frozenset(connector.type or ANY for connector in work.evses[index].offers())
    for other in work.reservations:
        if other.evse_id is None and is_for(other, token.id_token.value, parent):
            rest = tuple(held for held in work.reservations if held is not other)
            if suits(kinds, other.kind) or kept(work, rest, without=index):
                return True, other
    return kept(work, work.reservations, without=index), None


def hopeless(work: Work, evses: tuple[int, ...], token: ProvidedIdToken) -> bool:
    """No validation could let a token start at any of some EVSEs: all are reserved, and for single tokens."""
    return not any(usable(work, index, token, None)[0] or _has_parent(work, index) for index in evses)


def is_reserved(work: Work, index: int) -> bool:
    """An EVSE is reserved by itself."""
    return of_evse(work, work.evses[index].evse_id) is not None


def _has_parent(work: Work, index: int) -> bool:
    held = of_evse(work, work.evses[index].evse_id)
    others = (other for other in work.reservations if other.evse_id is None)
    return any(other.request.parent_id_token is not None for other in ([held] if held else others))


# Marks.


def show(work: Work) -> None:
    """Tells each EVSE whether it is reserved, where that has changed; sets the time of the next look at the clock."""
    anybody = _for_anybody(work)
    for index, evse in enumerate(work.evses):
        if evse.evse_id is None or evse.lost:
            continue
        held = of_evse(work, evse.evse_id)
        if held is not None:
            _mark(work, index, held.reservation_id)
        elif evse.vacant or (evse.marked is not None and evse.marked != ANYBODY):
            _mark(work, index, ANYBODY if index in anybody else None)
    ends = [held.ends_utc_s - work.utc_s for held in work.reservations]
    work.recheck_s = work.now_s + min(RECHECK_S, max(0.0, min(ends))) if ends else None
    if work.unstored and work.recheck_s is None:
        work.recheck_s = work.now_s + RECHECK_S


def _mark(work: Work, index: int, wanted: int | None) -> None:
    evse = work.evses[index]
    if evse.marked == wanted:
        return
    if evse.marked is not None:
        work.do(Unmark(index))
    work.change(index, marked=None)
    if wanted is not None and not evse.mark_refused:
        work.do(Mark(index, wanted))
        work.change(index, marked=wanted, marks_due=evse.marks_due + 1, starts_due=evse.starts_due + 1)


def _for_anybody(work: Work) -> set[int]:
    """The EVSEs that nobody but those with a reservation of any EVSE may use."""
    kinds = [held.kind for held in work.reservations if held.evse_id is None]
    vacant = _vacant(work)
    if not kinds:
        return set()
    if len(kinds) >= len(vacant):
        return set(vacant)
    full = [kind for kind in set(kinds) if not can_all_come([*kinds, kind], list(vacant.values()))]
    return {index for index, offer in vacant.items() if any(suits(offer, kind) for kind in full)}


def offer(evse: Evse) -> Offer:
    return frozenset(connector.type or ANY for connector in evse.offers())


def of_evse(work: Work, evse_id: int | None) -> Held | None:
    if evse_id is None:
        return None
    return next((held for held in work.reservations if held.evse_id == evse_id), None)


def _vacant(work: Work) -> dict[int, Offer]:
    """The EVSEs where cars with a reservation of any EVSE may come."""
    return {
        index: offer(evse)
        for index, evse in enumerate(work.evses)
        if evse.vacant and of_evse(work, evse.evse_id) is None
    }


def kept(
    work: Work,
    reservations: tuple[Held, ...],
    without: int | None = None,
    *,
    cars_may_be_theirs: bool = False,
) -> bool:
    """Whether these reservations can be kept, with one EVSE less.

    A car without authorization takes an EVSE away from them, unless it may be of those who have reserved.
    """
    kinds = [held.kind for held in reservations if held.evse_id is None]
    taken = {held.evse_id for held in reservations if held.evse_id is not None}
    offers = [
        offer(evse)
        for index, evse in enumerate(work.evses)
        if (evse.available if cars_may_be_theirs else evse.vacant)
        and index != without
        and evse.evse_id not in taken
    ]
    return can_all_come(kinds, offers)
