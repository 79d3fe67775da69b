"""The journal on SQLite: one thread writes, each record is on the disk before it is acknowledged (design rule 8)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.store import retention
from evse_daemon.store.database import open_for_reading, open_for_writing, primary_code
from evse_daemon.store.record import (
    METER_VALUE,
    TRANSACTION_STARTED,
    Record,
    StoreError,
    encode,
    session_of,
    with_last_meter_value,
)

FILE_NAME = "journal.db"

MOST_WAITING = 10_000
"""Records that may wait for a disk that hangs; more are refused."""

CLOSE_TIMEOUT_S = 5.0

OF_SESSION = (
    "SELECT 1 FROM record INDEXED BY record_of_session"  # without being told, SQLite reads all records of the EVSE
    " WHERE evse = ? AND kind = ? AND json_extract(payload, '$.session_id') = ?"
)
"""Whether there is a record of a kind for a session."""

Done = Callable[[str | None], None]
"""Gets None once the record is on the disk, or what went wrong; called from the event loop."""

_Work = Callable[[sqlite3.Connection], None]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What the writer's thread has done since the start; written by it alone."""

    commits: int = 0
    failures: int = 0
    commit_s: float = 0.0
    longest_s: float = 0.0

    def add(self, took_s: float, problem: str | None) -> None:
        """A record was committed, or was not."""
        self.longest_s = max(self.longest_s, took_s)
        if problem is None:
            self.commits += 1
            self.commit_s += took_s
        else:
            self.failures += 1


class SqliteJournal:
    """The journal of one station.

    No method but the reading ones raises; what goes wrong is told to ``done``. Where the file cannot be used, each
    record and each reading tries again to open it, so that a full or read-only disk that recovers is used again.

    Args:
        path: the file; its folder is made where it is missing.
        loop: calls ``done``.
        limits: what is kept of what nobody needs any more.
    """

    def __init__(
        self, path: Path, loop: asyncio.AbstractEventLoop, limits: retention.Limits = retention.DEFAULT
    ) -> None:
        self._path = path
        self._loop = loop
        self._queue: queue.SimpleQueue[tuple[_Work | str, Done, bool] | None] = queue.SimpleQueue()
        self._closed = False
        self._counts = Counts()
        self._seldom = RateLimitedLog(log)
        self._connection: sqlite3.Connection | None = None
        # At once, so that a module which reads while it starts finds the schema, and a damaged file is found now.
        self.problem = self._commit(lambda _: None)
        """Why the file could not be used when it was opened; None where it could."""
        if self.problem is not None:
            log.error("no transaction can be started until the journal can be written", reason=self.problem)
        self._sweep = retention.Sweep(limits)
        self._sweep_s = time.monotonic() + retention.FIRST_S
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    def append(self, kind: str, evse: str, payload: dict[str, Any], done: Done) -> None:
        """Commits a record; the payload may change after the call.

        The start and the end of a transaction are recorded once, however often they are told; a meter value only
        while the transaction is open; the end of one that came to nothing (``void``) only where its start is recorded.
        """
        try:
            text, session_id = encode(payload), session_of(kind, payload)
        except ValueError as error:
            self._put(f"{kind} of {evse} is not stored: {error}", done)
            return

        def work(connection: sqlite3.Connection) -> None:
            if session_id is None:
                _insert(connection, kind, evse, text)
            elif _is_news(connection, kind, evse, session_id, void=void):
                _follow(connection, kind, evse, session_id, _insert(connection, kind, evse, text), void=void)

        void = bool(payload.get("void"))
        self._put(work, done)

    def save_settings(self, evse: str, settings: dict[str, Any], done: Done | None = None) -> None:
        """Commits the settings of an EVSE, in place of those before; without ``done`` a failure is logged."""
        done = done or self._log_failure
        try:
            text = encode(settings)
        except ValueError as error:
            self._put(f"the settings of {evse} are not stored: {error}", done)
            return

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO settings (evse, settings) VALUES (?, ?)", (evse, text))

        self._put(work, done)

    def open_transactions(self, evse: str) -> list[dict[str, Any]]:
        """The payloads of the transactions that were started and not finished, oldest first; as far as committed.

        One in which a meter value was recorded has the newest as ``last_meter_value``.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._read(
            "SELECT started.payload, measured.payload FROM open_transaction AS open"
            " JOIN record AS started ON started.evse = open.evse AND started.sequence = open.sequence"
            " LEFT JOIN record AS measured ON measured.evse = open.evse AND measured.sequence = open.meter_sequence"
            " WHERE open.evse = ? ORDER BY open.sequence",
            evse,
        )
        return [
            with_last_meter_value(json.loads(started), None if measured is None else json.loads(measured))
            for started, measured in rows
        ]

    def untold_ends(self, evse: str) -> list[dict[str, Any]]:
        """The payloads of ends that were committed and of which nobody said that they were told, oldest first.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._read(
            "SELECT payload FROM untold_end JOIN record USING (evse, sequence) WHERE evse = ? ORDER BY sequence",
            evse,
        )
        return [json.loads(payload) for (payload,) in rows]

    def told(self, evse: str, session_id: str) -> None:
        """The end of a transaction was told: a run after this one need not tell it again.

        It survives the end of the process at once, and a power cut some seconds later: telling an end twice does
        less harm than a wait for the disk would.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM untold_end WHERE evse = ? AND session_id = ?", (evse, session_id))

        self._put(work, self._log_untold, durable=False)

    def settings(self, evse: str) -> dict[str, Any]:
        """The settings last committed for an EVSE; empty where there are none.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._read("SELECT settings FROM settings WHERE evse = ?", evse)
        return dict(json.loads(rows[0][0])) if rows else {}

    def read_from(self, evse: str, sequence: int, limit: int = 1000) -> list[Record]:
        """The records of an EVSE with this sequence number and above, in order, at most ``limit`` of them.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._read(
            "SELECT sequence, kind, payload FROM record WHERE evse = ? AND sequence >= ? ORDER BY sequence LIMIT ?",
            evse,
            sequence,
            limit,
        )
        return [Record(evse, number, kind, json.loads(payload)) for number, kind, payload in rows]

    def measures(self) -> Iterator[Measure]:
        """See framework.measures; the writer's thread may count on meanwhile."""
        counts = self._counts
        yield names.JOURNAL_QUEUE.of(self._queue.qsize())
        yield names.JOURNAL_COMMITS.of(counts.commits)
        yield names.JOURNAL_FAILURES.of(counts.failures)
        yield names.JOURNAL_SECONDS.of(counts.commit_s)
        yield names.JOURNAL_LONGEST.of(counts.longest_s)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Commits what waits and closes the file; False where the disk did not answer in time.

        Blocks for at most ``timeout_s``. Records that come later are refused.
        """
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.error("the journal did not close in time", file=str(self._path), waiting=self._queue.qsize())
        return not self._thread.is_alive()

    def _put(self, work: _Work | str, done: Done, *, durable: bool = True) -> None:
        if self._closed:
            self._answer(done, "the journal is closed")
        elif self._queue.qsize() >= MOST_WAITING:
            self._answer(done, f"the disk does not answer: {MOST_WAITING} records wait")
        else:
            self._queue.put((work, done, durable))

    def _answer(self, done: Done, problem: str | None) -> None:
        # A closed loop has nobody left who waits for the answer.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(done, problem)

    def _log_failure(self, problem: str | None) -> None:
        if problem is not None:
            self._seldom.error("settings", "settings are not stored", reason=problem)

    def _log_untold(self, problem: str | None) -> None:
        if problem is not None:
            self._seldom.error(
                "told", "the end of a transaction may be told again after a restart", reason=problem
            )

    def _reason(self, error: Exception) -> str:
        return f"{self._path}: {error}"

    def _read(self, query: str, *parameters: Any) -> list[Any]:
        try:
            with contextlib.closing(open_for_reading(self._path)) as connection:
                return connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            if self._connection is None:
                # Nobody starts a transaction before this can be read: the writer need not wait for a record.
                self._put(lambda _: None, lambda _: None)
            raise StoreError(f"the journal cannot be read: {self._reason(error)}") from None

    # Below here: the writer's thread.

    def _write_all(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, self._sweep_s - time.monotonic()))
            except queue.Empty:
                self._forget_some()
                continue
            if item is None:
                break
            work, done, durable = item
            began_s = time.monotonic()
            problem = work if isinstance(work, str) else self._commit(work, durable=durable)
            self._counts.add(time.monotonic() - began_s, problem)
            self._answer(done, problem)
        self._drop_connection()

    def _forget_some(self) -> None:
        """One step of what the journal forgets; what waits for the disk comes before the next."""
        more = [False]

        def work(connection: sqlite3.Connection) -> None:
            more[0] = self._sweep.step(connection)

        if self._connection is not None:  # one that cannot be opened is tried for each record, not for this
            problem = self._commit(work, durable=False)
            if problem is not None:
                more[0] = False
                self._seldom.error("sweep", "old records of the journal are not removed", reason=problem)
        self._sweep_s = time.monotonic() + (retention.PAUSE_S if more[0] else retention.PERIOD_S)

    def _commit(self, work: _Work, *, durable: bool = True) -> str | None:
        try:
            if self._connection is None:
                self._connection = open_for_writing(self._path)
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            work(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon(error)
            return f"the journal cannot be written: {self._reason(error)}"
        except Exception as error:  # noqa: BLE001 - the thread goes on, whatever happens
            self._drop_connection()
            return f"the journal cannot be written: {self._reason(error)}"
        return None

    def _abandon(self, error: sqlite3.Error) -> None:
        """Takes back what was begun. After a fault of the file it is opened, and so checked, anew."""
        if primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._drop_connection()
        elif self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _insert(connection: sqlite3.Connection, kind: str, evse: str, text: str) -> int:
    """Records it under the next sequence number, which is returned."""
    (sequence,) = connection.execute(
        "INSERT INTO sequence (evse, last) VALUES (?, (SELECT first FROM numbering))"
        " ON CONFLICT (evse) DO UPDATE SET last = last + 1 RETURNING last",
        (evse,),
    ).fetchone()
    connection.execute(
        "INSERT INTO record (evse, sequence, kind, payload) VALUES (?, ?, ?, ?)", (evse, sequence, kind, text)
    )
    return int(sequence)


def _is_news(connection: sqlite3.Connection, kind: str, evse: str, session_id: str, *, void: bool) -> bool:
    """Whether a record of a transaction says something that is not recorded yet."""
    if kind == METER_VALUE or void:
        query = "SELECT 1 FROM open_transaction WHERE evse = ? AND session_id = ?"
        return connection.execute(query, (evse, session_id)).fetchone() is not None
    return connection.execute(OF_SESSION, (evse, kind, session_id)).fetchone() is None


def _follow(
    connection: sqlite3.Connection, kind: str, evse: str, session_id: str, sequence: int, *, void: bool
) -> None:
    """Keeps which transactions are open, and what is not told yet."""
    key = (evse, session_id)
    if kind == METER_VALUE:
        connection.execute(
            "UPDATE open_transaction SET meter_sequence = ? WHERE evse = ? AND session_id = ?",
            (sequence, *key),
        )
    elif kind == TRANSACTION_STARTED:
        connection.execute(
            "INSERT INTO open_transaction (evse, session_id, sequence) VALUES (?, ?, ?)", (*key, sequence)
        )
    else:
        connection.execute("DELETE FROM open_transaction WHERE evse = ? AND session_id = ?", key)
        if not void:
            connection.execute(
                "INSERT INTO untold_end (evse, session_id, sequence) VALUES (?, ?, ?)", (*key, sequence)
            )
