"""Decides about tokens and reservations: ``step`` gives the next state and what is to be done.

What becomes of a token is in token_way.py, of a reservation in reserving.py; here is what EVSEs, validators, the store
and the clock tell. An answer that is no longer waited for changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.modules.auth import reserved_evses, reserving
from evse_daemon.modules.auth.effects import Announce, Effect, Note, Withdraw
from evse_daemon.modules.auth.events import (
    Answered,
    CancelRequested,
    Event,
    EvseEvent,
    EvseKnown,
    EvseLost,
    ExistsRequested,
    FaultChanged,
    Loaded,
    MarkAnswered,
    ReserveRequested,
    ResultUpdated,
    SettingsChanged,
    Stored,
    TimePassed,
    TokenProvided,
    Validated,
    WithdrawRequested,
)
from evse_daemon.modules.auth.state import Evse, State
from evse_daemon.modules.auth.token_way import answered, presented, select, validated
from evse_daemon.modules.auth.tokens import with_place
from evse_daemon.modules.auth.withdrawal import withdraw
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.authorization import (
    ValidationResult,
)


def step(state: State, event: Event, now_s: float, utc_s: float) -> tuple[State, list[Effect]]:
    """The state after an event, and the effects in their order.

    Args:
        state: the state before.
        event: what happened.
        now_s: monotonic seconds.
        utc_s: the time of day in seconds since 1970; reservations end by it, nothing else does.
    """
    work = Work(state, now_s, utc_s)
    reserving.expire(work)
    _handle(work, event)
    reserved_evses.show(work)
    return work.result()


def _handle(work: Work, event: Event) -> None:
    match event:
        case TokenProvided(token):
            presented(work, token)
        case Validated(process_id, validator, result):
            process = work.processes.get(process_id)
            if process is not None and process.phase == "validating" and process.validator == validator:
                validated(work, process_id, process, result)
        case Answered(process_id, evse, accepted):
            answered(work, process_id, evse, accepted)
        case EvseEvent():
            _session_event(work, event)
        case EvseKnown(evse, evse_id, connectors):
            work.change(evse, evse_id=evse_id, connectors=connectors)
            reserving.evse_known(work)
        case FaultChanged(evse, faulted):
            work.change(evse, faulted=faulted, mark_refused=False)
            if faulted:
                reserving.out_of_service(work, evse)
        case EvseLost(evse):
            work.change(evse, lost=True, identifier=None, authorization_ends_s=None, plug_in_ends_s=None)
            work.forget_plug_in(evse)
            reserving.out_of_service(work, evse)
        case ResultUpdated(evse_id, result):
            _result_updated(work, evse_id, result)
        case WithdrawRequested(evse_id, id_token):
            withdraw(work, evse_id, id_token)
        case ReserveRequested(request, ticket):
            reserving.reserve(work, request, ticket)
        case CancelRequested(reservation_id, ticket):
            reserving.cancel(work, reservation_id, ticket)
        case ExistsRequested(check):
            reserving.exists(work, check)
        case MarkAnswered(evse, reservation_id, accepted):
            reserving.mark_answered(work, evse, reservation_id, accepted)
        case Stored(number, succeeded):
            _stored(work, number, succeeded)
        case Loaded(entries):
            reserving.load(work, entries)
        case SettingsChanged(settings):
            work.settings = settings
        case TimePassed():
            _time_passed(work)


def next_deadline_s(state: State) -> float | None:
    """When TimePassed is due at the latest; None while nothing is waited for."""
    deadlines = [process.deadline_s for process in state.processes.values()]
    deadlines += [untold.deadline_s for untold in state.untold]
    deadlines += [held.answer_due_s for held in state.reservations if held.answer_due_s is not None]
    if state.recheck_s is not None:
        deadlines.append(state.recheck_s)
    for evse in state.evses:
        deadlines += [at for at in (evse.authorization_ends_s, evse.plug_in_ends_s) if at is not None]
    return min(deadlines, default=None)


# What EVSEs and validators tell.


def _session_event(work: Work, event: EvseEvent) -> None:
    index = event.evse
    before = work.evses[index]
    changes: dict[str, Any] = {"mark_refused": False}
    match event.event:
        case "SessionStarted" if event.car_connected:
            work.forget_plug_in(index)
            work.plug_ins = (*work.plug_ins, index)
            changes |= {"plugged_in": True}
            if work.settings.plug_in_timeout_enabled and work.evses[index].identifier is None:
                changes["plug_in_ends_s"] = work.now_s + work.settings.connection_timeout_s
        case "TransactionStarted":
            changes |= {
                "plugged_in": True,
                "transaction_active": True,
                "occupied": True,
                "authorization_ends_s": None,
                "plug_in_ends_s": None,
                "marked": None,
                "open_marks": max(0, before.open_marks - 1),
            }
            work.forget_plug_in(index)
        case "TransactionFinished":
            changes |= {"transaction_active": False, "identifier": None, "authorization_ends_s": None}
        case "SessionFinished":
            changes |= {
                "occupied": False,
                "transaction_active": False,
                "plugged_in": False,
                "plug_in_timed_out": False,
                "identifier": None,
                "authorization_ends_s": None,
                "plug_in_ends_s": None,
            }
            work.forget_plug_in(index)
        case "Deauthorized":
            changes |= {"identifier": None, "authorization_ends_s": None}
        case "Enabled":
            changes |= {"disabled": before.disabled - _connectors(before, event)}
        case "Disabled":
            changes |= {"disabled": before.disabled | _connectors(before, event)}
        case "ReservationStart" | "ReservationEnd":
            changes = {}
    work.change(index, **changes)
    if event.event == "ReservationEnd":
        reserving.mark_ended(work, index)
    if event.event in ("TransactionStarted", "Disabled"):
        reserving.out_of_service(work, index)
    for process_id, process in list(work.processes.items()):
        if process.phase == "selecting" and process.result is not None:
            select(work, process_id, process, process.result)


def _connectors(evse: Evse, event: EvseEvent) -> frozenset[int]:
    """Those that an event is about; one without number is about the whole EVSE (EVerest takes it for connector 1)."""
    if event.connector_id is not None:
        return frozenset({event.connector_id})
    return frozenset(connector.id for connector in evse.connectors)


def _stored(work: Work, number: int, succeeded: bool) -> None:
    """The store has the reservations; of what it could not take, it is said all the same."""
    work.settled = max(work.settled, min(number, work.stores))
    for untold in work.untold:
        if untold.number <= work.settled:
            work.do(*untold.effects)
    work.untold = tuple(untold for untold in work.untold if untold.number > work.settled)
    if succeeded:
        work.unstored = work.unstored and number != work.stores
    else:
        work.do(Note("the reservations could not be stored: a restart forgets the last change"))
        work.unstored = work.unstored or number == work.stores


def _result_updated(work: Work, evse_id: int, result: ValidationResult) -> None:
    for index, evse in enumerate(work.evses):
        if evse.evse_id == evse_id and evse.identifier is not None:
            parent = result.parent_id_token or evse.identifier.parent
            identifier = replace(evse.identifier, parent=parent)
            work.change(index, identifier=identifier)
            if result.authorization_status == "Accepted":
                token = with_place(identifier.token, evse_id, parent)
                work.do(Announce(token, "Accepted", tuple(result.tariff_messages)))


def _time_passed(work: Work) -> None:
    for untold in work.untold:
        if untold.deadline_s <= work.now_s:
            _stored(work, untold.number, succeeded=False)
    if work.recheck_s is not None and work.recheck_s <= work.now_s:
        for index in range(len(work.evses)):
            work.change(index, mark_refused=False)
        if work.unstored:
            work.store_again()
    for process_id, process in list(work.processes.items()):
        if process.deadline_s > work.now_s:
            continue
        match process.phase:
            case "validating":
                work.do(Note("a validator did not answer in time", process.token))
                validated(work, process_id, process, None)
            case "selecting":
                work.finish(process_id, "TimedOut")
            case "authorizing" | "stopping":
                work.do(Note("an EVSE did not answer in time", process.token))
                for index in process.pending:
                    answered(work, process_id, index, accepted=False)
    for index, evse in enumerate(work.evses):
        if evse.authorization_ends_s is not None and evse.authorization_ends_s <= work.now_s:
            work.do(Withdraw(index))
            if evse.identifier is not None:
                work.do(Announce(evse.identifier.token, "TimedOut"))
            work.change(index, identifier=None, authorization_ends_s=None)
        if evse.plug_in_ends_s is not None and evse.plug_in_ends_s <= work.now_s:
            work.do(Withdraw(index))
            work.change(index, plug_in_ends_s=None, plug_in_timed_out=True)
            work.forget_plug_in(index)
