"""Which EVSEs reservations leave to whom, and how EVSEs are shown as reserved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def usable(
    work: Work, evses: Iterable[int], token: ProvidedIdToken, parent: str | None
) -> dict[int, Held | None]:
    """Those of some EVSEs where a token may start as far as reservations go, and which of them it uses up there."""
    anybody = [held for held in work.reservations if held.evse_id is None]
    mine = [held for held in anybody if is_for(held, token.id_token.value, parent)]
    room = _Room(work, anybody)
    found: dict[int, Held | None] = {}
    for index in evses:
        evse = work.evses[index]
        held = of_evse(work, evse.evse_id)
        if held is not None:
            if is_for(held, token.id_token.value, parent):
                found[index] = held
            continue
        offered = offer(evse)
        own = (other for other in mine if suits(offered, other.kind) or room.is_left(index, but=other))
        used = next(own, None)
        if used is not None or room.is_left(index):
            found[index] = used
    return found


class _Room:
    """Whether those who have reserved any EVSE find one if another is taken; EVSEs that offer the same count alike."""

    def __init__(self, work: Work, anybody: Sequence[Held]) -> None:
        self._anybody = anybody
        self._vacant = _vacant(work) if anybody else {}
        self._known: dict[tuple[Offer | None, int | None], bool] = {}

    def is_left(self, taken: int, but: Held | None = None) -> bool:
        """Whether they do without this EVSE; ``but``: the reservation that is used up there."""
        if not self._anybody:
            return True
        key = (self._vacant.get(taken), but.reservation_id if but else None)
        if key not in self._known:
            kinds = [held.kind for held in self._anybody if held is not but]
            offers = [offered for index, offered in self._vacant.items() if index != taken]
            self._known[key] = can_all_come(kinds, offers)
        return self._known[key]


def hopeless(work: Work, evses: tuple[int, ...], token: ProvidedIdToken) -> bool:
    """No validation could let a token start at any of some EVSEs: all are reserved, and for single tokens."""
    return not usable(work, evses, token, None) and not any(_has_parent(work, index) for index in evses)


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
    reserved = bool(work.reservations)
    for index, evse in enumerate(work.evses):
        if not reserved and evse.marked is None:
            continue
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
        work.change(index, marked=wanted, marks_due=evse.marks_due + 1, open_marks=evse.open_marks + 1)


def _for_anybody(work: Work) -> set[int]:
    """The EVSEs that nobody but those with a reservation of any EVSE may use."""
    kinds = [held.kind for held in work.reservations if held.evse_id is None]
    if not kinds:
        return set()
    vacant = _vacant(work)
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
    if not kinds:
        return True
    taken = {held.evse_id for held in reservations if held.evse_id is not None}
    offers = [
        offer(evse)
        for index, evse in enumerate(work.evses)
        if (evse.available if cars_may_be_theirs else evse.vacant)
        and index != without
        and evse.evse_id not in taken
    ]
    return can_all_come(kinds, offers)
