"""What the records of the journal say: the kinds and their fields (docs/journal.md).

The EvseManager writes them; a consumer such as OCPP reads them with ``parse``.
"""

from __future__ import annotations

import json

from evse_daemon.store.record import METER_VALUE, TRANSACTION_FINISHED, TRANSACTION_STARTED, Record
from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.base import Integer, OpenType
from evse_daemon.types.evse_manager import StopTransactionReason
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units_signed import SignedMeterValue


class TransactionRecord(OpenType):
    """What all records of a transaction say."""

    session_id: str
    """Of the session; EVerest has one transaction in a session, so it names both."""
    evse: Integer
    """The EVSE's number (option connector_id), which is its id in OCPP."""
    timestamp: str
    """When it happened, RFC 3339 in UTC."""
    meter_value: Powermeter
    """The billing meter's newest value then."""


class TransactionStartedRecord(TransactionRecord):
    """``transaction_started``: committed before the transaction is announced and before power flows."""

    id_tag: ProvidedIdToken
    """The token that was accepted."""
    signed_meter_value: SignedMeterValue | None = None
    """What the meter signed at the start, where it signs then."""
    reservation_id: Integer | None = None
    """The reservation that the transaction uses up."""


class OpenTransaction(OpenType):
    """What ending an open transaction needs of its start, of whichever version wrote it."""

    session_id: str
    meter_value: Powermeter
    signed_meter_value: SignedMeterValue | None = None
    last_meter_value: Powermeter | None = None
    """The newest recorded value of the transaction."""


class MeterValueRecord(TransactionRecord):
    """``meter_value``: once a minute in a transaction while energy flows."""


class TransactionFinishedRecord(TransactionRecord):
    """``transaction_finished``: committed before the end is announced."""

    reason: StopTransactionReason
    id_tag: ProvidedIdToken | None = None
    """The token that ended it, where one did."""
    start_signed_meter_value: SignedMeterValue | None = None
    signed_meter_value: SignedMeterValue | None = None
    void: bool = False
    """The transaction was never announced and no power flowed: its start could not be stored for certain."""


MODELS: dict[str, type[TransactionRecord]] = {
    TRANSACTION_STARTED: TransactionStartedRecord,
    METER_VALUE: MeterValueRecord,
    TRANSACTION_FINISHED: TransactionFinishedRecord,
}


def parse(record: Record) -> TransactionRecord | None:
    """A record by its kind; None for a kind that is not known here.

    Raises:
        ValueError: it is not what its kind says.
    """
    model = MODELS.get(record.kind)
    return None if model is None else model.model_validate_json(json.dumps(record.payload))
