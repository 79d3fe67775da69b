"""What of one EVSE survives a restart, each part under its own key of the journal's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evse_daemon.framework.module import Journal
from evse_daemon.store import StoreError

ENABLE_TABLE = "enable_table"
LATCHED_ERRORS = "latched_errors"


class Settings:
    """Reads once and writes the whole, so that a write which is still under way is never undone by the next one.

    Args:
        journal: where they are kept.
        evse: the module id of the EVSE.
    """

    def __init__(self, journal: Journal, evse: str) -> None:
        self._journal = journal
        self._evse = evse
        self._values: dict[str, Any] | None = None

    def get(self, key: str) -> Any:
        """What was saved last under a key; None where there is nothing.

        Raises:
            StoreError: it cannot be read.
        """
        return self._read().get(key)

    def put(self, key: str, value: Any, done: Callable[[str | None], None]) -> None:
        """Saves a value (JSON) under a key; ``done`` gets None once it is durable, else what went wrong."""
        try:
            values = self._read()
        except StoreError as error:
            done(str(error))  # what the other keys hold is not known, and may not be overwritten
            return
        values[key] = value
        self._journal.save_settings(self._evse, dict(values), done)

    def _read(self) -> dict[str, Any]:
        if self._values is None:
            self._values = self._journal.settings(self._evse)
        return self._values
