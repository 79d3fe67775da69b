"""PersistentStore: values by key that survive a restart, in EVerest's own file (EVerest's module of this name).

A value is on the disk before the command that stores it is answered; a file that cannot be used fails the command and
nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import Field

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.modules.persistent_store.rows import SCHEMA, from_row, to_row
from evse_daemon.store.module_database import ModuleDatabase, database_path
from evse_daemon.store.record import StoreError

T = TypeVar("T")

MOST_BYTES = 16 * 1024 * 1024
"""Size of the file; more is refused."""


class PersistentStore(Module):
    """Keeps values by key in a SQLite file."""

    class Options(ModuleOptions):
        sqlite_db_file_path: str = Field("everest_persistent_store.db", min_length=1)
        """A relative path is below the folder for durable state."""

    main = Provides(Kvs)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, PersistentStore.Options)
        path = database_path(context.options.sqlite_db_file_path, context.state_dir)
        self._database = ModuleDatabase(path, SCHEMA, MOST_BYTES)
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self.main.handle(Kvs.store, lambda key, value: self._do(partial(_store, key, *to_row(value))))
        self.main.handle(Kvs.load, lambda key: self._do(partial(_load, key)))
        self.main.handle(Kvs.delete, lambda key: self._do(partial(_delete, key)))
        self.main.handle(Kvs.exists, lambda key: self._do(partial(_exists, key)))
        try:
            self._database.now(lambda _: None)
        except StoreError as error:
            self.log.error("no value can be stored or read", reason=str(error))  # noqa: TRY400 - its text says all

    def make_safe(self) -> None:
        self._database.finish()

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        answer: Deferred[T] = Deferred()

        def done(outcome: T | StoreError) -> None:
            if isinstance(outcome, StoreError):
                self._seldom.error("store", "a value could not be stored or read", reason=str(outcome))
                answer.fail(CallError("HandlerException", str(outcome)))
            else:
                answer.resolve(outcome)

        self._database.later(work, done)
        return answer


def _store(key: str, text: str, type_: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO KVS (KEY, VALUE, TYPE) VALUES (?, ?, ?)", (key, text, type_))


def _load(key: str, connection: sqlite3.Connection) -> Any:
    row = connection.execute("SELECT VALUE, TYPE FROM KVS WHERE KEY = ?", (key,)).fetchone()
    try:
        return None if row is None else from_row(*row)
    except (ValueError, TypeError) as error:
        raise StoreError(f"the value of {key} cannot be read: {error}") from None


def _delete(key: str, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM KVS WHERE KEY = ?", (key,))


def _exists(key: str, connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM KVS WHERE KEY = ?", (key,)).fetchone() is not None
