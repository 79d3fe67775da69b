"""ErrorHistory: every error of the station, also of former runs, in EVerest's own file (EVerest's module of this name).

What is asked for is answered from memory; the file follows. A file that cannot be used costs the history of this run
when the process ends, and nothing else.
"""

from __future__ import annotations

from functools import partial

from pydantic import Field

from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.error_history import ErrorHistory as ErrorHistoryInterface
from evse_daemon.modules.error_history import table
from evse_daemon.modules.error_history.history import Entry, History
from evse_daemon.store.module_database import ModuleDatabase, database_path
from evse_daemon.store.record import StoreError
from evse_daemon.types.error_history import ErrorObject, FilterArguments

MOST_BYTES = 32 * 1024 * 1024
"""Size of the file; the number of entries keeps it far below."""


class HistoryOptions(ModuleOptions):
    database_path: str = Field(min_length=1)
    """The file; a relative path is below the folder for durable state."""


class ErrorHistory(Module):
    """Keeps the errors of all modules in a SQLite file."""

    error_history = Provides(ErrorHistoryInterface, HistoryOptions)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["error_history"]
        assert isinstance(options, HistoryOptions)
        path = database_path(options.database_path, context.state_dir)
        self._database = ModuleDatabase(path, table.SCHEMA, MOST_BYTES)
        self._history = History()
        self._behind = False
        """The file lacks something."""
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        try:
            self._history = History(self._database.now(table.begin))
        except StoreError as problem:
            self._written(problem)
        if self._history.forgotten:
            self._write([], self._history.forgotten)
        self.error_history.handle(ErrorHistoryInterface.get_errors, self._find)
        for implementation in self.context.bus.implementations.values():
            implementation.subscribe_errors(self.context.inbox, self._changed)
            for error in implementation.errors.active:
                self._changed(error)

    def make_safe(self) -> None:
        if self._behind:
            self._write([], [])
        self._database.finish()

    def _find(self, filters: FilterArguments) -> list[ErrorObject]:
        return [entry.as_object() for entry in self._history.find(filters)]

    def _changed(self, error: Error) -> None:
        change = self._history.changed(error, self.context.bus.timestamp())
        if change is not None:
            entry, gone = change
            self._write([entry], gone)

    def _write(self, entries: list[Entry], gone: list[str]) -> None:
        if self._behind:
            entries = list(self._history)
        self._database.later(partial(table.write, entries, gone), self._written)

    def _written(self, outcome: StoreError | None) -> None:
        self._behind = isinstance(outcome, StoreError)
        if self._behind:
            self._seldom.error("file", "the history of errors is not stored", reason=str(outcome))
