"""The reservation of the EVSE, as Auth commands it (EvseManager.cpp:1700-1740; reference evse-manager.md §9.1a).

A transaction uses it up without ReservationEnd, so that a consumer such as OCPP 1.6 does not fall back to Available
between Reserved and Preparing. An error, a disable, a withdrawn authorization and the command end it.
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager import guards
from evse_daemon.modules.evse_manager.effects import Announce
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.authorization import ValidationResult
from evse_daemon.types.evse_manager import SessionEvent, SessionEventEnum


def reserve(work: Work, reservation_id: int) -> bool:
    """Reserves an idle EVSE; False where it is in use, out of order, or reserved otherwise."""
    if not _can_take(work.state, reservation_id):
        return False
    was_reserved = work.state.reserved
    _take(work.state, reservation_id)
    if not was_reserved:
        _announce(work, "ReservationStart")
    return True


def cancel(work: Work) -> None:
    """Ends a reservation, if there is one."""
    if work.state.reserved:
        _forget(work.state)
        _announce(work, "ReservationEnd")


def end_if_out_of_order(work: Work) -> None:
    """An EVSE with an error that prevents charging is not kept for anybody."""
    if work.state.reserved and guards.blocked(work.state):
        cancel(work)


def named(state: State, validation: ValidationResult | None) -> int | None:
    """The id of the reservation that a session uses: the EVSE's own, else the one that the authorization names.

    EVerest tells -1 where the EVSE was reserved for several; here it is told when it is known.
    """
    if state.reservation_id is not None or validation is None:
        return state.reservation_id
    return validation.reservation_id


def use(work: Work) -> None:
    """A transaction has begun: the reservation is used up."""
    _forget(work.state)


def _can_take(state: State, reservation_id: int) -> bool:
    return (
        state.charger == "Idle"
        and not guards.blocked(state)
        and (state.reservation_id is None or state.reservation_id == reservation_id)
    )


def _take(state: State, reservation_id: int) -> None:
    state.reserved = True
    if reservation_id >= 0:
        state.reservation_id = reservation_id


def _forget(state: State) -> None:
    state.reserved = False
    state.reservation_id = None


def _announce(work: Work, event: SessionEventEnum) -> None:
    """Not of a session: without its id, as EVerest's. EVerest's timestamp is empty, which its type forbids."""
    work.journal.append(Announce(SessionEvent(uuid="", timestamp=work.utc, event=event)))
