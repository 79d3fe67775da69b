"""The durable record of transactions and operators' settings (design rule 8)."""

from evse_daemon.store.journal import SqliteJournal
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.store.record import (
    METER_VALUE,
    TRANSACTION_FINISHED,
    TRANSACTION_STARTED,
    Record,
    StoreError,
)

__all__ = [
    "METER_VALUE",
    "TRANSACTION_FINISHED",
    "TRANSACTION_STARTED",
    "MemoryJournal",
    "Record",
    "SqliteJournal",
    "StoreError",
]
