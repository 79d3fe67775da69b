"""A SQLite file of one module: a thread does all work on it, in order; the event loop never waits (design rule 8)."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog

from evse_daemon.store.database import BUSY_TIMEOUT_S, check, is_damage, move_aside, primary_code
from evse_daemon.store.record import StoreError

T = TypeVar("T")

MOST_WAITING = 1000
"""Work that may wait for a disk that hangs; more is refused."""

EXIT_TIMEOUT_S = 2.0
"""How long the end of the process waits for what is not written yet."""

PAGE_SIZE = 4096

Work = Callable[[sqlite3.Connection], T]

log = structlog.get_logger(__name__)


class ModuleDatabase:
    """One file, opened when it is first needed and, after a fault, again with the next work.

    A damaged file is kept aside and a new one begun. Where there is no event loop (virtual time), work is done at once.

    Args:
        path: of the file; its folder is made where it is missing.
        schema: SQL that makes what is not there.
        most_bytes: the file grows to about this size; more work then fails.
    """

    def __init__(self, path: Path, schema: str, most_bytes: int) -> None:
        self._path = path
        self._schema = schema
        self._most_pages = most_bytes // PAGE_SIZE
        self._connection: sqlite3.Connection | None = None
        self._queue: queue.SimpleQueue[tuple[Work[Any], Callable[[Any], None]] | None] = queue.SimpleQueue()
        self._finished = False
        self._thread: threading.Thread | None = None
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def now(self, work: Work[T]) -> T:
        """Does work at once, while the station is built and nobody waits.

        Raises:
            StoreError: it could not be done.
            RuntimeError: the thread is at work already.
        """
        if self._thread is not None:
            raise RuntimeError(f"{self._path} belongs to its thread")
        return self._done(work)

    def later(self, work: Work[T], done: Callable[[T | StoreError], None]) -> None:
        """Does work after all that was given before; ``done`` gets its result, or what went wrong, in the event loop."""
        if self._loop is None:
            done(self._outcome(work))
        elif self._finished:
            self._loop.call_soon(done, StoreError(f"{self._path} is closed"))
        elif self._queue.qsize() >= MOST_WAITING:
            self._loop.call_soon(done, StoreError(f"{self._path}: the disk does not answer"))
        else:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._path.name, daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._queue.put((work, done))

    def finish(self) -> None:
        """Takes no more work; what was given is done yet. Waits for nothing."""
        if not self._finished:
            self._finished = True
            self._queue.put(None)
            if self._thread is None:
                self._drop_connection()

    def close(self, timeout_s: float = EXIT_TIMEOUT_S) -> None:
        """As finish, and waits for the thread."""
        self.finish()
        if self._thread is not None:
            self._thread.join(timeout_s)
        atexit.unregister(self.close)

    # Below here: the thread, or whoever has none.

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            work, done = item
            outcome = self._outcome(work)
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                self._loop.call_soon_threadsafe(done, outcome)
        self._drop_connection()

    def _outcome(self, work: Work[T]) -> T | StoreError:
        try:
            return self._done(work)
        except StoreError as error:
            return error

    def _done(self, work: Work[T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._open()
            self._connection.execute("BEGIN IMMEDIATE")
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except StoreError:
            self._take_back()
            raise
        except sqlite3.Error as error:
            self._take_back()
            if primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                self._drop_connection()  # it is opened, and so checked, anew
            raise StoreError(f"{self._path}: {error}") from None
        except OSError as error:
            raise StoreError(str(error)) from None
        return result

    def _take_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._drop_connection()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._opened()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            reason = str(error)
        aside = move_aside(self._path)
        log.error(
            "a file is damaged: it is kept aside and a new one begun",
            file=str(self._path),
            kept_as=str(aside),
            reason=reason,
        )
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA max_page_count = {self._most_pages:d}")
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def database_path(given: str, state_dir: Path | None) -> Path:
    """The file that an option names; a relative path is below the folder for durable state."""
    return (state_dir or Path()) / given
