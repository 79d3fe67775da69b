"""A journal that forgets: for virtual time and simulations."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.store.journal import Done
from evse_daemon.store.record import TRANSACTION_STARTED, Record, encode, session_of


class MemoryJournal:
    """As SqliteJournal, without a disk and without waiting: ``done`` is called before ``append`` returns."""

    def __init__(self) -> None:
        self.failure: str | None = None
        """While set, nothing is stored and this is what ``done`` gets."""
        self._records: dict[str, list[Record]] = {}
        self._open: dict[tuple[str, str], Record] = {}
        self._settings: dict[str, str] = {}

    def append(self, kind: str, evse: str, payload: dict[str, Any], done: Done) -> None:
        try:
            text, session_id = encode(payload), session_of(kind, payload)
        except ValueError as error:
            done(f"{kind} of {evse} is not stored: {error}")
            return
        if self.failure is not None:
            done(self.failure)
            return
        records = self._records.setdefault(evse, [])
        record = Record(evse, len(records) + 1, kind, json.loads(text))
        records.append(record)
        if session_id is not None and kind == TRANSACTION_STARTED:
            self._open.setdefault((evse, session_id), record)
        elif session_id is not None:
            self._open.pop((evse, session_id), None)
        done(None)

    def save_settings(self, evse: str, settings: dict[str, Any], done: Done | None = None) -> None:
        try:
            text = encode(settings)
        except ValueError as error:
            problem: str | None = f"the settings of {evse} are not stored: {error}"
        else:
            problem = self.failure
            if problem is None:
                self._settings[evse] = text
        if done is not None:
            done(problem)

    def open_transactions(self, evse: str) -> list[dict[str, Any]]:
        return [record.payload for (owner, _), record in self._open.items() if owner == evse]

    def settings(self, evse: str) -> dict[str, Any]:
        return dict(json.loads(self._settings.get(evse, "{}")))

    def read_from(self, evse: str, sequence: int, limit: int = 1000) -> list[Record]:
        return [record for record in self._records.get(evse, ()) if record.sequence >= sequence][:limit]

    def close(self) -> bool:
        return True
