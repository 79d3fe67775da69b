"""Which errors prevent charging, and the Inoperative error composed of them (EvseManager/ErrorHandling.cpp)."""

from __future__ import annotations

from evse_daemon.framework.errors import Severity
from evse_daemon.modules.evse_manager import error_table, guards, latches
from evse_daemon.modules.evse_manager.effects import ClearError, RaiseError
from evse_daemon.modules.evse_manager.events import Cause
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.work import Work

INOPERATIVE = "evse_manager/Inoperative"

HARMLESS = frozenset(row.type for row in error_table.ROWS if not row.blocks)
"""Warnings: everything else prevents charging (ErrorHandling.cpp:160-319)."""


def preventing(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """Those of the causes that prevent charging, in the order of their sources."""
    if not causes:
        return ()
    found = [cause for cause in latches.unique(causes) if cause.type not in HARMLESS]
    return tuple(sorted(found, key=lambda cause: latches.SOURCES.index(cause.source)))


def _pilot_faults(work: Work) -> list[Cause]:
    """Pilot states that only a fault brings about while a car is connected."""
    if work.state.charger in ("Starting", "Disabled", "Idle") or not work.state.pilot.plugged:
        return []
    pilot = work.state.pilot
    if pilot.cp == "F" and pilot.unexpected_f:
        return [
            Cause("bsp", "evse_board_support/MREC14PilotFault", "", "High", "the board reports pilot state F")
        ]
    if pilot.cp == "D" and not work.config.has_ventilation:
        return [
            Cause(
                "bsp",
                "evse_board_support/VentilationNotAvailable",
                "",
                "High",
                "the car asks for ventilation (state D), which this charger has not",
            )
        ]
    return []


def _proximity_fault(work: Work) -> list[Cause]:
    """A socket whose cable is lost, or cannot be told, within a transaction."""
    state = work.state
    if (
        not state.session.transaction
        or state.charger in ("WaitingForAuthentication", "Finished")
        or not guards.cable_lost(state)
    ):
        return []
    return [
        Cause(
            "bsp",
            "evse_board_support/MREC23ProximityFault",
            "",
            "High",
            "the proximity contact of the cable is lost",
        )
    ]


def judge(work: Work) -> None:
    """Raises, renews or clears Inoperative so that it names what prevents charging now."""
    state = work.state
    reported = {cause.type for cause in state.causes}
    seen = [cause for cause in (*_pilot_faults(work), *_proximity_fault(work)) if cause.type not in reported]
    now = (*state.own_errors, *state.causes, *seen)
    if not (now or state.active or state.held or state.latched or state.inoperative):
        return  # the usual case, on the way of every event
    latches.follow(work, preventing(now))
    before, causes = state.inoperative, preventing((*state.active, *state.held, *state.latched))
    state.inoperative = causes
    if {(cause.type, cause.sub_type) for cause in before} == {(c.type, c.sub_type) for c in causes}:
        return
    if before:
        work.journal.append(ClearError(INOPERATIVE))
    if not causes:
        return
    first = causes[0]
    vendor = first.vendor_id if work.config.inoperative_error_use_vendor_id and first.vendor_id else "EVerest"
    names = [
        cause.type.partition("/")[2] + (f"/{cause.sub_type}" if cause.sub_type else "") for cause in causes
    ]
    work.journal.append(
        RaiseError(INOPERATIVE, first.type, "High", description=", ".join(names), vendor_id=vendor)
    )


def raise_own(
    work: Work, type_: str, message: str, severity: Severity | None = None, sub_type: str = ""
) -> None:
    """Raises an error of the kernel's own; it lasts until clear_own. The severity is the table's if not given."""
    state = work.state
    if any(cause.type == type_ and cause.sub_type == sub_type for cause in state.own_errors):
        return
    row = error_table.lookup(type_, sub_type)
    cause = Cause("evse_manager", type_, sub_type, severity or row.severity, message)
    state.own_errors = (*state.own_errors, cause)
    if row.latch == "service":
        latches.latch(work, cause)  # stored before it is told
    work.journal.append(RaiseError(type_, message, cause.severity, sub_type))
    judge(work)


def restore(work: Work, latched: tuple[Cause, ...]) -> None:
    """Raises again what a run before this one has latched; others' errors are raised by them, and named as causes."""
    state = work.state
    state.latched = latches.unique((*latched, *state.latched))
    if state.retry_latch_s is not None:
        state.retry_latch_s = work.now_s  # what was latched before this was read can be stored now
    for cause in latched:
        if cause.source == "evse_manager":
            raise_own(work, cause.type, cause.description, cause.severity, cause.sub_type)
    judge(work)


def lasts(type_: str, sub_type: str) -> bool:
    """Whether an error of the kernel's own outlasts the car."""
    return error_table.lookup(type_, sub_type).latch != "unplug"


def passing(state: State) -> tuple[Cause, ...]:
    """The kernel's own errors that end when the car has left."""
    return tuple(cause for cause in state.own_errors if not lasts(cause.type, cause.sub_type))


def clear_own(work: Work, *, only: str | None = None) -> None:
    """Clears the kernel's own errors of one sub type, or all that end when the car has left."""
    state = work.state
    if only is None:
        state.held = ()
    gone = (
        passing(state)
        if only is None
        else tuple(cause for cause in state.own_errors if cause.sub_type == only)
    )
    state.own_errors = tuple(cause for cause in state.own_errors if cause not in gone)
    work.journal.extend(ClearError(cause.type, cause.sub_type) for cause in gone)
    judge(work)
