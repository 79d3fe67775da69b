"""What an EVSE keeps over a restart beside its transactions, each under a key of its own (design rule 8).

The journal holds one document for each EVSE; here its parts are read once and written together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from evse_daemon.framework.module import Module
from evse_daemon.store import StoreError
from evse_daemon.types.evse_manager import EnableDisableSource

RETRY_S = 10.0

ENABLE_TABLE = "enable_table"


class StoredSettings:
    """The stored settings of one EVSE. What cannot be written is tried again until it is.

    Args:
        module: the EVSE's module; its journal, inbox and clock are used.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._values: dict[str, Any] = {}
        self._retrying = False

    def read(self) -> None:
        """Takes over what a run before this one has stored; nothing, where the store cannot be read."""
        try:
            self._values = self._module.context.journal.settings(self._module.module_id)
        except StoreError as error:
            self._module.log.error(  # noqa: TRY400 - the reason says it
                "the operator's settings cannot be read: the EVSE begins without them", reason=str(error)
            )

    def get(self, key: str) -> Any:
        """A part; None where there is none."""
        return self._values.get(key)

    def put(self, key: str, value: Any, done: Callable[[], None]) -> None:
        """Replaces a part; ``done`` is called once it is durable, or has failed for the first time."""
        self._values = {**self._values, key: value}
        self._write(done)

    def _write(self, done: Callable[[], None]) -> None:
        module = self._module

        def answered(problem: str | None) -> None:
            module.context.inbox.put(self._written, problem, done)

        module.context.journal.save_settings(module.module_id, self._values, answered)

    def _written(self, problem: str | None, done: Callable[[], None]) -> None:
        done()
        if problem is None or self._retrying:
            return
        self._module.log.error("the operator's settings could not be stored; trying again", reason=problem)
        self._retrying = True
        self._module.after(RETRY_S, self._retry)

    def _retry(self) -> None:
        """Writes what holds now, which may be newer than what could not be written."""
        self._retrying = False
        self._write(lambda: None)

    def put_table(self, entries: Sequence[EnableDisableSource], done: Callable[[], None]) -> None:
        """Keeps the operator's entries of the table that enables and disables."""
        self.put(ENABLE_TABLE, [entry.model_dump(mode="json") for entry in entries], done)

    def table(self) -> list[EnableDisableSource]:
        """The entries that were kept; without those that a later version wrote and this one cannot read."""
        stored = self.get(ENABLE_TABLE)
        found = []
        for item in stored if isinstance(stored, list) else []:
            try:
                found.append(EnableDisableSource.model_validate(item))
            except ValidationError:
                self._module.log.error(  # noqa: TRY400 - the entry says it
                    "a stored entry to enable or disable is not understood", entry=item
                )
        return found
