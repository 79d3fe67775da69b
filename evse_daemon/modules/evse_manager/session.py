"""Sessions and transactions: what begins and ends them, and in which order that is told (EvseManager/Charger.cpp:1383-1519)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.evse_manager import closing, faults, guards, records, reservation, session_log
from evse_daemon.modules.evse_manager.effects import Commit, StartMeter, StopMeter, StoreSession, Told
from evse_daemon.modules.evse_manager.events import Authorize, Stop
from evse_daemon.modules.evse_manager.state import Session
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.evse_manager import (
    AuthorizationEvent,
    EVInfo,
    SessionFinished,
    SessionStarted,
    StartSessionReason,
    TransactionFinished,
    TransactionStarted,
)
from evse_daemon.types.powermeter import TransactionStartResponse, TransactionStopResponse

STORE_START = "StoreStart"
STORE_END = "StoreEnd"
"""Sub types of evse_manager/Internal: a start or an end of a transaction could not be stored."""


def start_session(work: Work, reason: StartSessionReason) -> None:
    """Begins a session by a car or by an authorization."""
    session = work.state.session = Session(id=work.fresh_id)
    if isinstance(work.event, Authorize):
        session.token = work.event.token
        session.validation = work.event.validation
    work.publish(EvseManager.ev_info, EVInfo())
    work.announce(
        "SessionStarted",
        session_started=SessionStarted(
            reason=reason,
            meter_value=work.meter_value(),
            id_tag=session.token,
            logging_path=session_log.path(work.config, work.utc, session.id),
            reservation_id=reservation.named(work.state, session.validation),
        ),
    )
    work.publish(EvseManager.selected_protocol, "IEC61851-1")


def stop_session(work: Work) -> None:
    """Ends the session; whom the EVSE was reserved for has come and gone."""
    if work.state.session.authorized:
        reservation.cancel(work)
    work.publish(EvseManager.ev_info, EVInfo())
    work.announce("SessionFinished", session_finished=SessionFinished(meter_value=work.meter_value()))
    work.publish(EvseManager.selected_protocol, "Unknown")
    work.state.session = Session()


def authorize(work: Work, event: Authorize) -> None:
    """Takes over an authorization; it starts a session where there is none (Charger.cpp:1632)."""
    if work.state.session.cancelled or not guards.in_service(work.state) or work.state.charger == "Starting":
        return
    if not work.state.session.id:
        start_session(work, "Authorized")
    session = work.state.session
    session.token = event.token
    session.validation = event.validation
    session.authorized = True
    work.state.pilot.force_unlocked = False
    work.announce("Authorized", authorization_event=AuthorizationEvent(meter_value=work.meter_value()))


def withdraw(work: Work) -> None:
    """Takes an authorization back, or says that it did not come in time (Charger.cpp:1667)."""
    session = work.state.session
    if not session.id:
        return
    work.announce("Deauthorized", authorization_event=AuthorizationEvent(meter_value=work.meter_value()))
    if work.state.charger not in ("Idle", "WaitingForAuthentication") or session.starting is not None:
        return
    if session.authorized:
        session.authorized = False
        stop_session(work)
        return
    work.announce("PluginTimeout")
    if work.config.raise_mrec9:
        faults.raise_own(
            work,
            "evse_manager/MREC9AuthorizationTimeout",
            "no authorization came in time; unplug the car and begin anew",
            "Medium",
        )


def cancel(work: Work, event: Stop) -> bool:
    """Ends the transaction from outside; False where there is none (Charger.cpp:1355)."""
    session = work.state.session
    if not session.transaction and session.starting is None:
        return False
    session.authorized = False
    session.cancelled = True
    session.stop_reason = event.reason
    session.stop_token = event.id_tag
    return True


def begin_transaction(work: Work) -> None:
    """Asks the billing meter to begin; its answer goes on with commit_start."""
    session = work.state.session
    if session.token is None:
        return
    session.stop_reason = None
    session.stop_token = None
    session.start_signed = None
    if not work.config.has_billing_meter:
        _commit_start(work)
        return
    session.starting = "meter"
    work.request(StartMeter(work.next_request_id(), session.id, session.token), work.config.meter_answers_s)


def meter_started(work: Work, response: TransactionStartResponse | None) -> None:
    """The meter began, or could not."""
    session = work.state.session
    session.request_by_s = None
    failed = response is None or response.status == "UNEXPECTED_ERROR"
    if failed and work.config.fail_on_powermeter_errors:
        session.starting = None
        if response is None:  # it may have begun all the same
            work.journal.append(StopMeter(work.next_request_id(), session.id))
        reason = "it did not answer" if response is None else (response.error or "it gave no reason")
        faults.raise_own(
            work,
            "evse_manager/PowermeterTransactionStartFailed",
            f"the billing meter did not start the transaction: {reason}; unplug the car to try again",
            "Medium",
        )
        return
    if response is not None and response.status == "OK":
        session.start_signed = response.signed_meter_value
    _commit_start(work)


def _commit_start(work: Work) -> None:
    session = work.state.session
    session.starting = "commit"
    commit = Commit(work.next_request_id(), "transaction_started", records.started(work))
    work.request(commit, work.config.commit_s)


def start_committed(work: Work, error: str | None) -> None:
    """The start is durable and is told, or there is no transaction (design rule 2)."""
    session = work.state.session
    session.starting = None
    session.request_by_s = None
    if error is not None:
        work.journal.append(StopMeter(work.next_request_id(), session.id))
        commit_end(work, records.void(work))
        faults.raise_own(
            work,
            "evse_manager/Internal",
            f"the start of the transaction could not be stored: {error}; unplug the car to try again",
            sub_type=STORE_START,
        )
        return
    session.transaction = True
    session.recorded_wh = work.meter_value().energy_Wh_import.total
    session.record_meter_s = work.now_s + work.config.meter_record_s
    work.journal.append(StoreSession(session.id))
    assert session.token is not None
    work.announce(
        "TransactionStarted",
        transaction_started=TransactionStarted(
            id_tag=session.token,
            meter_value=work.meter_value(),
            signed_meter_value=session.start_signed,
            reservation_id=reservation.named(work.state, session.validation),
        ),
    )
    reservation.use(work)


def abandon_start(work: Work) -> None:
    """Gives up a start that waits for the meter: the car or the permission is gone."""
    session = work.state.session
    session.starting = None
    session.request_by_s = None
    work.journal.append(StopMeter(work.next_request_id(), session.id))


def end_transaction(work: Work) -> None:
    """Asks the billing meter to end; its answer goes on with meter_stopped."""
    session = work.state.session
    session.ending = True
    if not work.config.has_billing_meter:
        meter_stopped(work, None)
        return
    stop = StopMeter(work.next_request_id(), session.id)
    work.request(stop, closing.answer_s(work, work.config.meter_answers_s))


def meter_stopped(work: Work, response: TransactionStopResponse | None) -> None:
    """The end is committed and told; a meter that did not answer does not hold it up."""
    session = work.state.session
    session.ending = False
    session.transaction = False
    session.request_by_s = None
    reason = session.stop_reason or "EVDisconnected"
    signed = response.signed_meter_value if response is not None and response.status == "OK" else None
    start_signed = session.start_signed
    if start_signed is None and response is not None:
        start_signed = response.start_signed_meter_value
    finished = TransactionFinished(
        meter_value=work.meter_value(),
        reason=reason,
        id_tag=session.stop_token,
        start_signed_meter_value=start_signed,
        signed_meter_value=signed,
    )
    commit_end(work, records.finished(work, session.id, finished))
    work.journal.append(StoreSession(""))
    work.announce("ChargingFinished")
    work.announce("TransactionFinished", transaction_finished=finished)


def commit_end(work: Work, payload: dict[str, Any]) -> None:
    """Has the end of a transaction stored; it is tried again until it is."""
    commit = Commit(work.next_request_id(), "transaction_finished", payload)
    work.state.unstored_ends = (*work.state.unstored_ends, commit)
    work.journal.append(commit)


def end_committed(work: Work, request_id: int, error: str | None, retry_s: float) -> None:
    """An end is durable; or it is not, which is an error, and it is tried again (design rule 2)."""
    state = work.state
    asked = next((commit for commit in state.unstored_ends if commit.request_id == request_id), None)
    if asked is None:
        return
    if error is not None:
        state.retry_store_s = work.now_s + retry_s
        state.unstored_ends = tuple(
            replace(c, retried=True) if c is asked else c for c in state.unstored_ends
        )
        faults.raise_own(
            work,
            "evse_manager/Internal",
            f"the end of a transaction could not be stored and is tried again: {error}",
            sub_type=STORE_END,
        )
        return
    state.unstored_ends = tuple(c for c in state.unstored_ends if c is not asked)
    if asked.retried:
        work.journal.append(Told(str(asked.payload["session_id"])))
    if not state.unstored_ends:
        state.retry_store_s = None
        faults.clear_own(work, only=STORE_END)


def retry_ends(work: Work) -> None:
    """Asks the store again for the ends that it could not store."""
    state = work.state
    if state.retry_store_s is not None and work.now_s >= state.retry_store_s:
        state.retry_store_s = None
        work.journal.extend(state.unstored_ends)
