"""Everything that crossed a bus, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call, CallError, Target
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that crossed the bus."""

    at_s: float
    kind: Literal["var", "call", "result", "error"]
    module_id: str
    implementation_id: str
    name: str
    """Of the variable or command; the type of an error."""
    value: Any
    """The variable's value, the call's arguments by name, its result or CallError, or the Error."""
    caller: str = ""


class Recorder:
    """A tap that keeps what it sees, and fails on a published value that breaks EVerest's types."""

    def __init__(self, clock: VirtualClock) -> None:
        self.entries: list[Entry] = []
        self._clock = clock

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        var.adapter.validate_json(var.adapter.dump_json(value, exclude_none=True, warnings="error"))
        self._add("var", source, var.name, value)

    def call_made(self, call: Call[Any]) -> None:
        self._add("call", call.target, call.command.name, dict(call.arguments), call.origin)

    def call_finished(self, call: Call[Any]) -> None:
        outcome = call.outcome
        result = outcome if isinstance(outcome, CallError) or outcome is None else outcome[0]
        self._add("result", call.target, call.command.name, result, call.origin)

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        self._add("error", source, error.type, error)

    def _add(
        self,
        kind: Literal["var", "call", "result", "error"],
        source: Implementation[Any] | Target,
        name: str,
        value: Any,
        caller: str = "",
    ) -> None:
        self.entries.append(
            Entry(self._clock.now_s(), kind, source.module_id, source.implementation_id, name, value, caller)
        )

    def clear(self) -> None:
        """Forgets what was seen."""
        self.entries.clear()

    def select(
        self,
        kind: Literal["var", "call", "result", "error"] | None = None,
        module_id: str | None = None,
        implementation_id: str | None = None,
        name: str | None = None,
    ) -> list[Entry]:
        """The entries that fit, oldest first; what is None fits all."""
        return [
            entry
            for entry in self.entries
            if kind in (None, entry.kind)
            and module_id in (None, entry.module_id)
            and implementation_id in (None, entry.implementation_id)
            and name in (None, entry.name)
        ]
