"""Transactions that a run before this one began: it lost power or died (EvseManager.cpp:1474-1519).

Unlike EVerest's, their events carry the old session's id, and the session is finished too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evse_daemon.modules.evse_manager import closing, records, session
from evse_daemon.modules.evse_manager.effects import StopMeter, StoreSession
from evse_daemon.modules.evse_manager.state import Session
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.store.records import OpenTransaction, TransactionFinishedRecord
from evse_daemon.types.evse_manager import SessionFinished, TransactionFinished
from evse_daemon.types.powermeter import Powermeter, TransactionStopResponse


def tell_again(work: Work, untold: tuple[Mapping[str, Any], ...]) -> None:
    """Announces ends that were stored, and perhaps not announced before the process died."""
    for payload in untold:
        try:
            record = TransactionFinishedRecord.model_validate_json(json.dumps(payload))
        except ValueError:
            continue  # another version wrote what cannot be read: it stands in the journal
        finished = TransactionFinished(
            meter_value=record.meter_value,
            start_signed_meter_value=record.start_signed_meter_value,
            signed_meter_value=record.signed_meter_value,
            reason=record.reason,
            id_tag=record.id_tag,
        )
        current, work.state.session = work.state.session, Session(id=record.session_id)
        work.announce("SessionResumed")
        _announce_end(work, finished)
        work.state.session = current


def end_next(work: Work) -> bool:
    """Goes on with ending the transactions; False where none is left."""
    state = work.state
    if not state.unfinished:
        return False
    session_id = str(state.unfinished[0]["session_id"])
    current, state.session = state.session, Session(id=session_id)
    work.announce("SessionResumed")
    state.session = current
    work.journal.append(StoreSession(""))
    state.unfinished_request_id = work.next_request_id()
    state.unfinished_by_s = work.now_s + closing.answer_s(
        work, work.config.meter_answers_s if work.config.has_billing_meter else 0.0
    )
    work.journal.append(StopMeter(state.unfinished_request_id, session_id))
    return True


def meter_stopped(work: Work, response: TransactionStopResponse | None) -> None:
    """The end of the first of them is stored and told; a meter that did not answer does not hold it up."""
    state = work.state
    started, state.unfinished = state.unfinished[0], state.unfinished[1:]
    state.unfinished_request_id = 0
    state.unfinished_by_s = None
    session_id = str(started["session_id"])
    signed = response.signed_meter_value if response is not None and response.status == "OK" else None
    record = _parsed(started)
    finished = TransactionFinished(
        meter_value=_meter_value(work, record),
        reason="PowerLoss",
        start_signed_meter_value=record.signed_meter_value if record is not None else None,
        signed_meter_value=signed,
    )
    current, state.session = state.session, Session(id=session_id)
    session.commit_end(work, records.finished(work, session_id, finished))
    _announce_end(work, finished)
    state.session = current


def _announce_end(work: Work, finished: TransactionFinished) -> None:
    work.announce("TransactionFinished", transaction_finished=finished)
    work.announce("SessionFinished", session_finished=SessionFinished(meter_value=finished.meter_value))


def _parsed(payload: Mapping[str, Any]) -> OpenTransaction | None:
    """The record of the start; None where another version wrote what cannot be read: its transaction ends all the same."""
    try:
        return OpenTransaction.model_validate_json(json.dumps(payload))
    except ValueError:
        return None


def _meter_value(work: Work, record: OpenTransaction | None) -> Powermeter:
    """The meter's value now, or the newest that was stored where the meter does not go on from there."""
    if record is None:
        return work.meter_value()
    stored = record.last_meter_value or record.meter_value
    now = work.state.meter
    if now is not None and now.energy_Wh_import.total >= stored.energy_Wh_import.total:
        return now
    return stored
