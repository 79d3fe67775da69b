"""Sessions and errors of a station, read from its files without a change to them, and without cards' numbers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evse_daemon.modules.error_history import table
from evse_daemon.store.record import StoreError
from evse_daemon.support_bundle.redaction import Redactor

MOST_RECORDS = 5_000
MOST_ERRORS = 1_000
BUSY_S = 2.0

NEWEST = "SELECT evse, sequence, kind, payload FROM record WHERE evse = ? ORDER BY sequence DESC LIMIT ?"

_SAID = """
    session_id evse timestamp reason reservation_id void meter_value energy_Wh_import energy_Wh_export power_W
    voltage_V current_A frequency_Hz VAR total L1 L2 L3 N DC meter_id phase_seq_error authorization_type
"""

SAID = frozenset(_SAID.split())
"""Fields of a record that are shown. What a meter has signed is not: the card's number is in it."""

_CARDS = ("id_tag", "id_token", "parent_id_token", "group_id_token", "identification_data")


def records(path: Path, redactor: Redactor) -> tuple[list[dict[str, Any]], int]:
    """The newest records of each EVSE in a journal, oldest first, and how many there are in all.

    Raises:
        OSError: there is none, or it may not be read.
        StoreError: it cannot be read.
    """
    with _opened(path) as connection:
        evses = [evse for (evse,) in connection.execute("SELECT evse FROM sequence")]
        rows = [
            row
            for evse in evses
            for row in connection.execute(NEWEST, (evse, MOST_RECORDS // len(evses))).fetchall()[::-1]
        ]
        (count,) = connection.execute("SELECT count(*) FROM record").fetchone()
        opened = connection.execute("SELECT evse, session_id FROM open_transaction").fetchall()
    payloads = [json.loads(payload) for *_, payload in rows]
    redactor.learn_cards(number for payload in payloads for number in _cards(payload))
    found = [
        {
            "module": module_id,
            "sequence": sequence,
            "kind": kind,
            **({"open": True} if (module_id, payload.get("session_id")) in opened else {}),
            **_shown(payload, redactor),
        }
        for (module_id, sequence, kind, _), payload in zip(rows, payloads, strict=True)
    ]
    return found, count


def errors(path: Path, redactor: Redactor) -> list[dict[str, Any]]:
    """The newest errors that a station had, oldest first; raises as ``records``."""
    with _opened(path) as connection:
        rows = connection.execute(f"{table.SELECT} DESC LIMIT ?", (MOST_ERRORS,)).fetchall()
    found: list[dict[str, Any]] = [dict(zip(table.COLUMNS, map(str, row), strict=True)) for row in rows]
    return [redactor.value(entry) for entry in reversed(found)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.stat()  # says who may not read it, where SQLite only says that it cannot
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        ) as connection:
            yield connection
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"{path}: {error}") from None


def _cards(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and (name in _CARDS or name == "value"):
                yield item
            else:
                yield from _cards(item)
    elif isinstance(value, list):
        for item in value:
            yield from _cards(item)


def _shown(payload: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in payload.items():
        if name in _CARDS:
            shown[name] = [redactor.card(number) for number in _cards({name: value})]
        elif name not in SAID:
            shown[name] = "[left out]"
        elif isinstance(value, dict):
            shown[name] = _shown(value, redactor)
        else:
            shown[name] = redactor.value(value)
    return shown
