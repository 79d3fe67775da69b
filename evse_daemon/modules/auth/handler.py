"""Decides about tokens: ``step(state, event, now)`` gives the next state and what is to be done.

What becomes of a token is in token_way.py; here is what EVSEs, validators and the clock tell. An answer that is no
longer waited for changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.modules.auth.state import (
    Announce,
    Answered,
    Effect,
    Event,
    Evse,
    EvseEvent,
    EvseKnown,
    EvseLost,
    FaultChanged,
    Note,
    ResultUpdated,
    SettingsChanged,
    State,
    TimePassed,
    TokenProvided,
    Validated,
    Withdraw,
    WithdrawRequested,
)
from evse_daemon.modules.auth.token_way import answered, presented, select, validated
from evse_daemon.modules.auth.tokens import with_place
from evse_daemon.modules.auth.withdrawal import withdraw
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.authorization import (
    ValidationResult,
)


def step(state: State, event: Event, now_s: float) -> tuple[State, list[Effect]]:
    """The state after an event, and the effects in their order."""
    work = Work(state, now_s)
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
        case EvseKnown(evse, evse_id):
            work.change(evse, evse_id=evse_id)
        case FaultChanged(evse, faulted):
            work.change(evse, faulted=faulted)
        case EvseLost(evse):
            work.change(evse, lost=True, identifier=None, authorization_ends_s=None, plug_in_ends_s=None)
            work.forget_plug_in(evse)
        case ResultUpdated(evse_id, result):
            _result_updated(work, evse_id, result)
        case WithdrawRequested(evse_id, id_token):
            withdraw(work, evse_id, id_token)
        case SettingsChanged(settings):
            work.settings = settings
        case TimePassed():
            _time_passed(work)
    return work.result()


def next_deadline_s(state: State) -> float | None:
    """When TimePassed is due at the latest; None while nothing is waited for."""
    deadlines = [process.deadline_s for process in state.processes.values()]
    for evse in state.evses:
        deadlines += [at for at in (evse.authorization_ends_s, evse.plug_in_ends_s) if at is not None]
    return min(deadlines, default=None)


# What EVSEs and validators tell.


def _session_event(work: Work, event: EvseEvent) -> None:
    index = event.evse
    changes: dict[str, Any] = {}
    match event.event:
        case "SessionStarted" if event.car_connected:
            work.forget_plug_in(index)
            work.plug_ins = (*work.plug_ins, index)
            changes = {"plugged_in": True}
            if work.settings.plug_in_timeout_enabled and work.evses[index].identifier is None:
                changes["plug_in_ends_s"] = work.now_s + work.settings.connection_timeout_s
        case "TransactionStarted":
            changes = {
                "plugged_in": True,
                "transaction_active": True,
                "occupied": True,
                "authorization_ends_s": None,
                "plug_in_ends_s": None,
            }
            work.forget_plug_in(index)
        case "TransactionFinished":
            changes = {"transaction_active": False, "identifier": None, "authorization_ends_s": None}
        case "SessionFinished":
            before = work.evses[index]
            work.evses[index] = Evse(
                before.evse_id, enabled=before.enabled, faulted=before.faulted, lost=before.lost
            )
            work.forget_plug_in(index)
        case "Deauthorized":
            changes = {"identifier": None, "authorization_ends_s": None}
        case "Enabled" | "Disabled":
            changes = {"enabled": event.event == "Enabled"}
    work.change(index, **changes)
    for process_id, process in list(work.processes.items()):
        if process.phase == "selecting" and process.result is not None:
            select(work, process_id, process, process.result)


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
