"""EVerest's table of errors: all columns are texts, and none is null (reference evse-manager.md §9.6)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import Any

from evse_daemon.modules.error_history.history import Entry

COLUMNS = tuple(field.name for field in fields(Entry))

SCHEMA = "CREATE TABLE IF NOT EXISTS errors({});".format(
    ", ".join(f"{name} TEXT {'PRIMARY KEY ' if name == 'uuid' else ''}NOT NULL" for name in COLUMNS)
)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM errors ORDER BY rowid"  # noqa: S608 - names of columns
_INSERT = f"INSERT INTO errors ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (uuid) DO UPDATE SET state = excluded.state"  # noqa: S608


def begin(connection: sqlite3.Connection) -> list[Entry]:
    """What a former run has left, oldest first; its active errors are ClearedByReboot from now on."""
    connection.execute("UPDATE errors SET state = 'ClearedByReboot' WHERE state = 'Active'")
    rows = connection.execute(SELECT)
    return [entry for entry in map(_entry, rows) if entry is not None]


def _entry(row: tuple[Any, ...]) -> Entry | None:
    """An entry of somebody else's row; None where it is none that can be told."""
    if not all(isinstance(value, str) for value in row):
        return None
    entry = Entry(*row)
    return entry if entry.can_be_told() else None


def write(entries: Iterable[Entry], gone: Iterable[str], connection: sqlite3.Connection) -> None:
    """Writes entries, new ones and those with another state, and removes others."""
    connection.executemany(_INSERT, [astuple(entry) for entry in entries])
    connection.executemany("DELETE FROM errors WHERE uuid = ?", [(uuid,) for uuid in gone])
