"""Errors that outlast their cause: until the car has left, or until the service has cleared them (error_table.py)."""

from __future__ import annotations

from typing import Any

from evse_daemon.modules.evse_manager import error_table, guards
from evse_daemon.modules.evse_manager.effects import ClearError, SaveLatched
from evse_daemon.modules.evse_manager.events import Cause
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.work import Work

SOURCES = ("evse_manager", "bsp", "connector_lock", "ac_rcd", "powermeter")
"""The order in which causes are named."""

Key = tuple[str, str, str]

WELDED = Cause(
    "evse_manager",
    "evse_manager/Internal",
    "ContactorWelded",
    "High",
    "the contactor was commanded to open and the board did not confirm it: it may be welded; "
    "have the contactor checked before the charger is used again",
)


def row(cause: Cause) -> error_table.Row:
    return error_table.lookup(cause.type, cause.sub_type)


def key(cause: Cause) -> Key:
    """What makes two causes the same one."""
    return (cause.source, cause.type, cause.sub_type)


def name(cause: Cause) -> str:
    """How a cause is named in a command: its type, and its sub type where it has one."""
    return cause.type + (f"/{cause.sub_type}" if cause.sub_type else "")


def unique(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """The causes in their order, each once."""
    found: dict[Key, Cause] = {}
    for cause in causes:
        found.setdefault(key(cause), cause)
    return tuple(found.values())


def follow(work: Work, active: tuple[Cause, ...]) -> None:
    """Latches what begins and what ends, given the causes that are active now."""
    state = work.state
    if active == state.active:
        return
    for cause in active:
        if row(cause).latch == "service":
            latch(work, cause)
    still = {key(cause) for cause in active}
    ended = [cause for cause in state.active if key(cause) not in still]
    state.active = active
    for cause in ended:
        _ended(work, cause)


def _ended(work: Work, cause: Cause) -> None:
    """An error has cleared at its source: charging may go on, or waits for the car to leave."""
    state, session = work.state, work.state.session
    if not session.id or not state.pilot.plugged:
        return
    found = row(cause)
    resumed = session.resumes.get(cause.type, 0)
    if found.latch == "unplug" or (
        found.latch == "none" and session.transaction and resumed >= found.resumes
    ):
        _hold(work, cause)
    elif found.latch == "none" and session.transaction:
        session.resumes = {**session.resumes, cause.type: resumed + 1}


def _hold(work: Work, cause: Cause) -> None:
    work.state.held = unique((*work.state.held, cause))


def latch(work: Work, cause: Cause) -> None:
    """Keeps an error until the service clears it; it is stored before it is told."""
    if key(cause) not in {key(known) for known in work.state.latched}:
        work.state.latched = (*work.state.latched, cause)
        _save(work)


def _save(work: Work) -> None:
    state = work.state
    state.latch_request_id = work.next_request_id()
    state.retry_latch_s = None
    work.journal.append(SaveLatched(state.latch_request_id, state.latched))


def saved(work: Work, request_id: int, error: str | None, retry_s: float) -> bool:
    """Takes over the store's answer; what it could not store is tried again. False: it answers something else."""
    if request_id != work.state.latch_request_id:
        return False
    work.state.latch_request_id = None
    if error is not None:
        work.state.retry_latch_s = work.now_s + retry_s
    return True


def retry(work: Work) -> None:
    if work.state.retry_latch_s is not None and work.now_s >= work.state.retry_latch_s:
        _save(work)


def find(state: State, wanted: str) -> Cause | None:
    """The latched error of a name."""
    return next((cause for cause in state.latched if name(cause) == wanted), None)


def refusal(state: State, wanted: str) -> str | None:
    """Why the service may not clear a latched error now; None where it may."""
    cause = find(state, wanted)
    if cause is None:
        names = ", ".join(name(known) for known in state.latched) or "none"
        return f"no such error is latched; latched are: {names}"
    if guards.board_lost(state):
        return "the board does not answer: nobody knows whether the contactor is open"
    if state.pilot.contactor_closed or state.pilot.power_commanded:
        return "the board reports the contactor closed: the connector may be live"
    if any(key(cause) == key(present) for present in state.causes):
        return "the board still reports this error"
    return None


def clear(work: Work, wanted: str) -> None:
    """The service has repaired it. A car that is plugged in has to leave before charging goes on: hands are near it."""
    state = work.state
    cause = find(state, wanted)
    work.reply = cause is not None and refusal(state, wanted) is None
    if cause is None or not work.reply:
        return
    state.latched = tuple(known for known in state.latched if known != cause)
    _save(work)
    if any(key(own) == key(cause) for own in state.own_errors):
        state.own_errors = tuple(own for own in state.own_errors if key(own) != key(cause))
        work.journal.append(ClearError(cause.type, cause.sub_type))
    if state.session.id and state.pilot.plugged:
        _hold(work, cause)


def to_json(latched: tuple[Cause, ...]) -> list[dict[str, str]]:
    """The latched errors as they are stored."""
    return [
        {
            "source": cause.source,
            "type": cause.type,
            "sub_type": cause.sub_type,
            "description": cause.description,
            "vendor_id": cause.vendor_id,
        }
        for cause in latched
    ]


def from_json(stored: Any) -> tuple[Cause, ...]:
    """The latched errors of a run before; what cannot be read counts as a weld, so that nothing dangerous is lost."""
    if stored is None:
        return ()
    entries = stored if isinstance(stored, list) else [stored]
    return unique(tuple(_cause(entry) for entry in entries))


def _cause(entry: Any) -> Cause:
    match entry:
        case {
            "source": str(source),
            "type": str(type_),
            "sub_type": str(sub_type),
            "description": str(text),
            "vendor_id": str(vendor_id),
        } if source in SOURCES:
            return Cause(source, type_, sub_type, "High", text, vendor_id)
    return WELDED
