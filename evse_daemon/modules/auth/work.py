"""The state of Auth while one step changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.modules.auth.state import Announce, Effect, Process, State
from evse_daemon.types.authorization import ProvidedIdToken, TokenValidationStatus


class Work:
    """Collects the changes and effects of one step; the state that it was given stays as it is."""

    def __init__(self, state: State, now_s: float) -> None:
        self.now_s = now_s
        self.settings = state.settings
        self.evses = list(state.evses)
        self.plug_ins = state.plug_ins
        self.processes = dict(state.processes)
        self._next_process = state.next_process
        self._effects: list[Effect] = []

    def result(self) -> tuple[State, list[Effect]]:
        state = State(self.settings, tuple(self.evses), self.plug_ins, self.processes, self._next_process)
        return state, self._effects

    def do(self, *effects: Effect) -> None:
        self._effects += effects

    def change(self, index: int, **changes: Any) -> None:
        self.evses[index] = replace(self.evses[index], **changes)

    def forget_plug_in(self, index: int) -> None:
        self.plug_ins = tuple(other for other in self.plug_ins if other != index)

    def available(self, evses: tuple[int, ...]) -> list[int]:
        """Those of the EVSEs where a session can be authorized, in their order."""
        return [index for index in evses if self.evses[index].available]

    def evse_id(self, index: int) -> int:
        """The number of an EVSE that tokens can mean: it is known."""
        number = self.evses[index].evse_id
        assert number is not None
        return number

    def new_process(self, token: ProvidedIdToken, evses: tuple[int, ...]) -> int:
        process_id = self._next_process
        self._next_process += 1
        deadline_s = self.now_s + self.settings.validation_timeout_s
        self.processes[process_id] = Process(token, "validating", deadline_s, evses)
        return process_id

    def finish(self, process_id: int, status: TokenValidationStatus) -> None:
        """Ends the way of a token and says how."""
        process = self.processes.pop(process_id)
        self.do(Announce(process.token, status))
