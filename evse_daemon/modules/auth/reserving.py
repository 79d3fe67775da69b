"""Reservations: made, used, expired, cancelled (EVerest's ReservationHandler; reference evse-manager.md §9.1).

Which EVSEs are shown as reserved is compared with what they were told after each step (reserved_evses.py).
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from evse_daemon.modules.auth.effects import Answer, Note, Reply, Unmark, Update
from evse_daemon.modules.auth.reservation_table import ANY, Held, is_for, moment_s, suits
from evse_daemon.modules.auth.reserved_evses import kept, of_evse, offer
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.base import JsonValue
from evse_daemon.types.evse_manager import ConnectorTypeEnum
from evse_daemon.types.reservation import (
    Reservation,
    ReservationCheck,
    ReservationCheckStatus,
    ReservationResult,
    ReservationStatus,
    ReservationUpdateStatus,
)

TOLERANCE_S = 0.001
"""Of comparing times of day that are floating point numbers."""


# Commands.


def reserve(work: Work, request: Reservation, ticket: int) -> None:
    """The command reserve_now.

    A reservation of the same id is replaced (OCPP 2.0.1 H01.FR.01), and is gone too if the new one cannot be made.
    """
    ends_utc_s = moment_s(request.expiry_time)
    # EvseManager's reserve takes -1 for "any of the station's".
    if ends_utc_s <= work.utc_s or request.reservation_id < 0:
        work.do(Answer(ticket, "Rejected"))
        return
    replaced = _remove(work, request.reservation_id)
    # 0 is OCPP 1.6's connector of the whole station.
    evse_id = request.evse_id if request.evse_id is not None and request.evse_id > 0 else None
    index = work.with_number(evse_id) if evse_id is not None else None
    result = _judge_any(work, request) if evse_id is None else _judge_one(work, request, index)
    if result != "Accepted":
        if replaced is not None and replaced.ticket is None:
            _update(work, request.reservation_id, "Removed")
        work.do_when_stored(Answer(ticket, result))
        return
    held = Held(request, evse_id, ends_utc_s)
    if index is None:
        work.reservations = (*work.reservations, held)
        _placed(work, held, ticket)
        return
    due_s = work.now_s + work.settings.mark_timeout_s
    work.reservations = (*work.reservations, replace(held, ticket=ticket, answer_due_s=due_s))
    work.change(index, mark_refused=False)
    if work.evses[index].marked == request.reservation_id and not work.evses[index].marks_due:
        _taken(work, work.reservations[-1], ticket)


def cancel(work: Work, reservation_id: int, ticket: int) -> None:
    """The command cancel_reservation; nothing is published, as in EVerest: who cancels knows."""
    found = _remove(work, reservation_id)
    work.do_when_stored(Answer(ticket, found is not None))


def exists(work: Work, check: ReservationCheck) -> None:
    """The command exists_reservation; EVerest looks at EVSE 1 whichever is asked for."""
    work.do(Reply(_check_status(work, check)))


def _check_status(work: Work, check: ReservationCheck) -> ReservationCheckStatus:
    evse_id = check.evse_id if check.evse_id is not None and check.evse_id > 0 else None
    held = of_evse(work, evse_id)
    if held is None:
        any_evse = (held for held in work.reservations if held.evse_id is None)
        found = any(is_for(held, check.id_token, check.group_id_token) for held in any_evse)
        return "ReservedForToken" if found else "NotReserved"
    if is_for(held, check.id_token, check.group_id_token):
        return "ReservedForToken"
    if check.group_id_token is None and held.request.parent_id_token is not None:
        return "ReservedForOtherTokenAndHasParentToken"
    return "ReservedForOtherToken"


# What happens by itself, or by a token.


def use(work: Work, index: int, held: Held | None) -> None:
    """A reservation is used up by an authorization; nothing is published (EVerest: Auth.cpp), its EVSE stays marked.

    The EVSE forgets the mark with the transaction, or says ReservationEnd if none comes of it.
    """
    if held is not None:
        _remove(work, held.reservation_id)
        work.change(index, marked=None)


def give_back(work: Work, index: int, held: Held | None) -> None:
    """The EVSE did not take the authorization that used a reservation up: one for any EVSE is still good."""
    if held is None or held.ticket is not None:
        return
    if held.evse_id is not None:
        work.do(Unmark(index))
    if held.ends_utc_s <= work.utc_s + TOLERANCE_S:
        _update(work, held.reservation_id, "Expired")
    elif held.evse_id is not None:
        _update(work, held.reservation_id, "Removed")
    elif all(held.reservation_id != other.reservation_id for other in work.reservations):
        work.reservations = (*work.reservations, held)


def mark_answered(work: Work, index: int, reservation_id: int, accepted: bool) -> None:
    """An EVSE took the mark of a reservation, or did not; then one that is being made is refused."""
    due = max(0, work.evses[index].marks_due - 1)
    work.change(index, marks_due=due)
    newest = due == 0 and work.evses[index].marked == reservation_id
    if newest and not accepted:
        work.change(index, marked=None, mark_refused=True)
    if not accepted:
        mark_ended(work, index)
    if not newest:
        return
    for held in work.reservations:
        if held.reservation_id != reservation_id or held.ticket is None:
            continue
        if accepted:
            _taken(work, held, held.ticket)
        else:
            _remove(work, reservation_id)


def mark_ended(work: Work, index: int) -> None:
    """A mark is no more: if it is the newest, the EVSE itself has ended what it was reserved for.

    Reasons are an error, a disable, or an authorization that was withdrawn.
    """
    evse = work.evses[index]
    left = max(0, evse.open_marks - 1)
    work.change(index, open_marks=left)
    if left or evse.marked is None:
        return
    work.change(index, marked=None, mark_refused=True)
    held = of_evse(work, evse.evse_id)
    if held is not None:
        _lost(work, held)


def out_of_service(work: Work, index: int) -> None:
    """A connector cannot be used any more, or a transaction began: reservations that cannot be kept now end.

    EVerest keeps one of a single EVSE if it names no connector type, until that EVSE says ReservationEnd.
    """
    evse = work.evses[index]
    held = of_evse(work, evse.evse_id)
    if held is not None and (evse.occupied or evse.lost or not suits(offer(evse), held.kind)):
        _lost(work, held)
    if any(evse.evse_id is None and not evse.lost for evse in work.evses):
        return  # after a restart: nothing is judged before all EVSEs are known
    possible: tuple[Held, ...] = tuple(held for held in work.reservations if held.evse_id is not None)
    for held in work.reservations:
        if held.evse_id is not None:
            continue
        if kept(work, (*possible, held), cars_may_be_theirs=True):
            possible = (*possible, held)
        else:
            _lost(work, held)


def expire(work: Work) -> None:
    """Ends what has expired, and what an EVSE has not answered."""
    for held in work.reservations:
        if held.ends_utc_s <= work.utc_s + TOLERANCE_S:
            _lost(work, held, "Expired")
        elif held.answer_due_s is not None and held.answer_due_s <= work.now_s:
            work.do(Note("an EVSE did not answer in time, so it is not reserved", evse_id=held.evse_id))
            _remove(work, held.reservation_id)


def load(work: Work, entries: JsonValue) -> None:
    """Takes over what was stored before a restart; what is no reservation is left out."""
    for item in entries if isinstance(entries, list) else ():
        held = _read(item)
        if held is None:
            work.do(Note("an entry of the store is no reservation: left out"))
        elif not any(
            other.reservation_id == held.reservation_id or other.evse_id == held.evse_id is not None
            for other in work.reservations
        ):
            work.reservations = (*work.reservations, held)


def _read(item: JsonValue) -> Held | None:
    """A stored reservation; None where it is none."""
    if not isinstance(item, dict):
        return None
    evse_id = item.get("evse_id")
    if evse_id is not None and (not isinstance(evse_id, int) or isinstance(evse_id, bool) or evse_id < 1):
        return None
    try:
        request = Reservation.model_validate(item.get("reservation"))
    except ValidationError:
        return None
    return Held(request, evse_id, moment_s(request.expiry_time))


def evse_known(work: Work) -> None:
    """An EVSE has told its number: once all have, a stored reservation of another one cannot be kept."""
    if any(evse.evse_id is None for evse in work.evses):
        return
    for held in work.reservations:
        if held.evse_id is not None and work.with_number(held.evse_id) is None:
            _lost(work, held)


# Parts.


def _judge_one(work: Work, request: Reservation, index: int | None) -> ReservationResult:
    """What is said of a reservation for one EVSE."""
    if index is None:
        return "Rejected"
    evse = work.evses[index]
    kind = request.connector_type or ANY
    if of_evse(work, evse.evse_id) is not None:
        return "Occupied"
    if not suits([connector.type or ANY for connector in evse.connectors], kind):
        return "Rejected"
    if evse.plugged_in or evse.occupied or evse.identifier is not None:
        return "Occupied"
    if evse.lost or evse.faulted:
        return "Faulted"
    if not suits(offer(evse), kind):
        return "Unavailable"
    return "Accepted" if kept(work, work.reservations, without=index) else "Occupied"


def _judge_any(work: Work, request: Reservation) -> ReservationResult:
    """What is said of a reservation for any EVSE."""
    kind: ConnectorTypeEnum = request.connector_type or ANY
    fitting = [evse for evse in work.evses if suits([c.type or ANY for c in evse.connectors], kind)]
    if not fitting:
        return "Rejected"
    if kept(work, (*work.reservations, Held(request, None, 0.0))):
        return "Accepted"
    if work.reservations or any(e.plugged_in or e.occupied or e.identifier is not None for e in fitting):
        return "Occupied"
    return "Faulted" if any(evse.faulted or evse.lost for evse in fitting) else "Unavailable"


def _taken(work: Work, held: Held, ticket: int) -> None:
    """The EVSE is marked: the reservation is made."""
    made = replace(held, ticket=None, answer_due_s=None)
    work.reservations = tuple(made if other is held else other for other in work.reservations)
    _placed(work, made, ticket)


def _placed(work: Work, held: Held, ticket: int) -> None:
    _update(work, held.reservation_id, "Placed")
    work.do_when_stored(Answer(ticket, "Accepted"))


def _lost(work: Work, held: Held, status: ReservationStatus = "Removed") -> None:
    """A reservation ends by itself; of one that was never made nothing is published."""
    _remove(work, held.reservation_id)
    if held.ticket is None:
        _update(work, held.reservation_id, status)


def _remove(work: Work, reservation_id: int) -> Held | None:
    """Takes a reservation out, and answers who waits for it to be made."""
    found = next((held for held in work.reservations if held.reservation_id == reservation_id), None)
    work.reservations = tuple(held for held in work.reservations if held is not found)
    if found is not None and found.ticket is not None:
        work.do(Answer(found.ticket, "Rejected"))
    return found


def _update(work: Work, reservation_id: int, status: ReservationStatus) -> None:
    update = ReservationUpdateStatus(reservation_id=reservation_id, reservation_status=status)
    work.do_when_stored(Update(update))
