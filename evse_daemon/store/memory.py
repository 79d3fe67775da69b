"""A journal that forgets: for virtual time and simulations."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.store.journal import Done
from evse_daemon.store.record import (
    METER_VALUE,
    TRANSACTION_STARTED,
    Record,
    encode,
    session_of,
    with_last_meter_value,
)


class MemoryJournal:
    """As SqliteJournal, without a disk and without waiting: ``done`` is called before ``append`` returns."""

    def __init__(self) -> None:
        self.failure: str | None = None
        """While set, nothing is stored and this is what ``done`` gets."""
        self._records: dict[str, list[Record]] = {}
        self._open: dict[tuple[str, str], Record] = {}
        self._measured: dict[tuple[str, str], dict[str, Any]] = {}
        self._recorded: set[tuple[str, str, str]] = set()
        self._untold: dict[tuple[str, str], dict[str, Any]] = {}
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
        if session_id is None or self._is_news(kind, evse, session_id, payload):
            records = self._records.setdefault(evse, [])
            record = Record(evse, len(records) + 1, kind, json.loads(text))
            records.append(record)
            if session_id is not None:
                self._follow((evse, session_id), record)
        done(None)

    def _is_news(self, kind: str, evse: str, session_id: str, payload: dict[str, Any]) -> bool:
        if kind == METER_VALUE or payload.get("void"):
            return (evse, session_id) in self._open
        return (kind, evse, session_id) not in self._recorded

    def _follow(self, key: tuple[str, str], record: Record) -> None:
        self._recorded.add((record.kind, *key))
        if record.kind == METER_VALUE:
            self._measured[key] = record.payload
        elif record.kind == TRANSACTION_STARTED:
            self._open[key] = record
        else:
            self._open.pop(key, None)
            self._measured.pop(key, None)
            if not record.payload.get("void"):
                self._untold[key] = record.payload

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
        return [
            with_last_meter_value(record.payload, self._measured.get((evse, session_id)))
            for (owner, session_id), record in self._open.items()
            if owner == evse
        ]

    def untold_ends(self, evse: str) -> list[dict[str, Any]]:
        return [payload for (owner, _), payload in self._untold.items() if owner == evse]

    def told(self, evse: str, session_id: str) -> None:
        self._untold.pop((evse, session_id), None)

    def settings(self, evse: str) -> dict[str, Any]:
        return dict(json.loads(self._settings.get(evse, "{}")))

    def read_from(self, evse: str, sequence: int, limit: int = 1000) -> list[Record]:
        return [record for record in self._records.get(evse, ()) if record.sequence >= sequence][:limit]

    def close(self) -> bool:
        return True
