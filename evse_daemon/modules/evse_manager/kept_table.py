"""Keeps the operator's entries of the table that enables and disables, over a restart (design rule 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from evse_daemon.framework.module import Module
from evse_daemon.modules.evse_manager.settings import ENABLE_TABLE, Settings
from evse_daemon.store import StoreError
from evse_daemon.types.evse_manager import EnableDisableSource

RETRY_S = 10.0


class KeptTable:
    """Reads the entries once and writes them when they change; a write that fails is tried again until it is done.

    Args:
        module: the EVSE's module; its inbox and clock are used.
        settings: where they are kept.
    """

    def __init__(self, module: Module, settings: Settings) -> None:
        self._module = module
        self._settings = settings
        self._entries: Sequence[EnableDisableSource] = ()
        self._retrying = False
        self.unread = False
        """What a run before this one has kept could not be read yet, and is not overwritten."""

    def read(self) -> list[EnableDisableSource]:
        """The entries of the run before this one, without those that this version does not understand."""
        try:
            stored = self._settings.get(ENABLE_TABLE)
        except StoreError as error:
            self._module.log.error(  # noqa: TRY400 - the reason says it
                "who has enabled or disabled the EVSE cannot be read: it begins enabled", reason=str(error)
            )
            self.unread = True
            return []
        self.unread = False
        found = []
        for item in stored if isinstance(stored, list) else []:
            try:
                found.append(EnableDisableSource.model_validate(item))
            except ValidationError:
                self._module.log.error(  # noqa: TRY400 - the entry says it
                    "a stored entry to enable or disable is not understood", entry=item
                )
        return found

    def write(self, entries: Sequence[EnableDisableSource], done: Callable[[], None]) -> None:
        """Keeps these entries; ``done`` is called once they are durable, or could not be stored at first."""
        self._entries = entries
        self._write(done)

    def _write(self, done: Callable[[], None]) -> None:
        def answered(problem: str | None) -> None:
            self._module.context.inbox.put(self._written, problem, done)

        if self.unread:
            answered("what was kept before could not be read yet")
            return
        value = [entry.model_dump(mode="json") for entry in self._entries]
        self._settings.put(ENABLE_TABLE, value, answered)

    def _written(self, problem: str | None, done: Callable[[], None]) -> None:
        done()
        if problem is None or self._retrying:
            return
        self._module.log.error(
            "who has enabled or disabled the EVSE could not be stored; trying again", reason=problem
        )
        self._retrying = True
        self._module.after(RETRY_S, self._retry)

    def _retry(self) -> None:
        """Writes what holds now, which may be newer than what could not be written."""
        self._retrying = False
        self._write(lambda: None)
