"""Opens the journal's file: checks it, moves a damaged one aside, brings its schema up to date."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import sqlite3
import time
from pathlib import Path

import structlog

BUSY_TIMEOUT_S = 2.0
"""How long a commit waits for another process that writes to the same file."""

log = structlog.get_logger(__name__)


class NewerSchema(sqlite3.Error):
    """The file was written by a newer version of this program; it is left as it is."""


def migrations() -> list[str]:
    """The scripts that make each version of the schema from the one before."""
    folder = importlib.resources.files("evse_daemon.store.schema")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [file.read_text("utf-8") for file in files]


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection that commits durably: WAL, synchronous=FULL.

    A damaged file is moved aside and a new one begun; its records are numbered on from the present time in seconds,
    which is above any number that the damaged one gave out.

    Raises:
        OSError: the folder cannot be made.
        sqlite3.Error: the file cannot be used.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _opened(path, first_sequence=1)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        reason = str(error)
    aside = move_aside(path)
    log.error(
        "the journal is damaged: it is kept aside and a new one begun; transactions that were open are lost",
        file=str(path),
        kept_as=str(aside),
        reason=reason,
    )
    return _opened(path, first_sequence=int(time.time()))


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; raises sqlite3.Error."""
    uri = path.absolute().as_uri() + "?mode=rw"  # readers of a WAL file keep their place in a shared file
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA query_only = 1")
    return connection


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the content of the file is at fault."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; -1 where the error is not SQLite's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else -1


class _Damaged(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _opened(path: Path, first_sequence: int) -> sqlite3.Connection:
    # The journal opens it in the thread that starts the daemon and writes in its own, never in both at once.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        check(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, first_sequence)
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.Error where the content of the file is damaged."""
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise _Damaged(found)


def _migrate(connection: sqlite3.Connection, first_sequence: int) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    scripts = migrations()
    if version > len(scripts):
        raise NewerSchema(
            f"a newer evse-daemon wrote this file (schema {version}; this version knows {len(scripts)}): "
            "install that version again, or choose another state_dir"
        )
    for number, script in enumerate(scripts[version:], version + 1):
        begin = f"UPDATE numbering SET first = {first_sequence:d};" if number == 1 else ""  # noqa: S608 - a number
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n{begin}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise


def move_aside(path: Path) -> Path:
    """Gives a damaged file another name, which is returned; raises OSError."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        # Left in place, the old write-ahead log would be taken for the new file's.
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
