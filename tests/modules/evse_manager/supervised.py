"""An EvseWorld whose kernel can fail: exceptions are handed to the module, as the station does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import module
from evse_daemon.modules.evse_manager.step import step
from evse_daemon.store.memory import MemoryJournal
from tests.modules.evse_manager.evse_world import EVSE, EvseWorld


class Supervised(EvseWorld):
    """Counts what fails, and has the module recover.

    Args:
        stored: the journal of a station before this one.
        options: of the EvseManager.
    """

    def __init__(self, stored: MemoryJournal | None = None, **options: Any) -> None:
        self.failures: Counter[str] = Counter()
        self.recovered: list[bool] = []
        super().__init__(stored, failed=self._failed, **options)

    def _failed(self, module_id: str, error: Exception) -> None:
        assert module_id == "evse", error
        self.failures[module_id] += 1
        self.recovered.append(self.evse.recover(error, self.failures[module_id]))

    def crash(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The core fails once."""

        def broken(*_: Any) -> None:
            patch.undo()
            raise ZeroDivisionError("a fault in the core")

        with monkeypatch.context() as patch:
            patch.setattr(module, "step", broken)
            self.world.recorder.clear()
            self.cp("E")

    def fails_at(self, monkeypatch: pytest.MonkeyPatch, event: type[ev.Event]) -> None:
        """The core will fail at the next event of this kind, once."""
        failed: list[ev.Event] = []

        def broken(config: Any, state: Any, told: ev.Event, *more: Any) -> Any:
            if isinstance(told, event) and not failed:
                failed.append(told)
                raise ZeroDivisionError("a fault in the core")
            return step(config, state, told, *more)

        monkeypatch.setattr(module, "step", broken)

    def charge_again(self, limit_a: float = 16.0) -> None:
        """A car is plugged in, authorized, and charges; what led here may have been a failure."""
        self.enforce(limit_a)
        self.cp("A")
        self.cp("B")
        self.authorize()
        self.cp("C")
        assert self.contactor_closed, self.names

    @property
    def sub_types(self) -> set[str]:
        """The sub types of the EVSE's active errors; that of Inoperative is empty."""
        return {error.sub_type for error in self.world.active_errors(EVSE)}
