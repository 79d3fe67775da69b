"""What of a transaction goes into the journal (docs/journal.md)."""

from __future__ import annotations

from typing import Any

from evse_daemon.modules.evse_manager import reservation
from evse_daemon.modules.evse_manager.effects import Record
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.store.records import (
    MeterValueRecord,
    TransactionFinishedRecord,
    TransactionRecord,
    TransactionStartedRecord,
)
from evse_daemon.types.evse_manager import TransactionFinished


def _payload(record: TransactionRecord) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_defaults=True)


def started(work: Work) -> dict[str, Any]:
    """The start of the present session's transaction."""
    session = work.state.session
    assert session.token is not None
    return _payload(
        TransactionStartedRecord(
            session_id=session.id,
            evse=work.config.connector_id,
            timestamp=work.utc,
            meter_value=work.meter_value(),
            id_tag=session.token,
            signed_meter_value=session.start_signed,
            reservation_id=reservation.named(work.state, session.validation),
        )
    )


def void(work: Work) -> dict[str, Any]:
    """The end of a transaction whose start could not be stored for certain: it never was."""
    return _payload(
        TransactionFinishedRecord(
            session_id=work.state.session.id,
            evse=work.config.connector_id,
            timestamp=work.utc,
            meter_value=work.meter_value(),
            reason="Other",
            void=True,
        )
    )


def finished(work: Work, session_id: str, event: TransactionFinished) -> dict[str, Any]:
    """The end of a transaction, as it is announced."""
    return _payload(
        TransactionFinishedRecord(
            session_id=session_id,
            evse=work.config.connector_id,
            timestamp=work.utc,
            meter_value=event.meter_value,
            reason=event.reason or "Other",
            id_tag=event.id_tag,
            start_signed_meter_value=event.start_signed_meter_value,
            signed_meter_value=event.signed_meter_value,
        )
    )


def sample(work: Work) -> None:
    """Records the meter's newest value of a transaction, at most once a minute and only where energy has flowed.

    A power cut then loses no more than that minute of what was charged, where the meter does not count on by itself.
    """
    session, meter = work.state.session, work.state.meter
    if not session.transaction or session.ending or meter is None or work.now_s < session.record_meter_s:
        return
    energy_wh = meter.energy_Wh_import.total
    if energy_wh == session.recorded_wh:
        return
    session.recorded_wh = energy_wh
    session.record_meter_s = work.now_s + work.config.meter_record_s
    record = MeterValueRecord(
        session_id=session.id, evse=work.config.connector_id, timestamp=work.utc, meter_value=meter
    )
    work.journal.append(Record("meter_value", _payload(record)))
