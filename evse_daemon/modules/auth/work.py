"""The state of Auth while one step changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.modules.auth.effects import Announce, Effect, Store
from evse_daemon.modules.auth.reservation_table import Held
from evse_daemon.modules.auth.state import Process, State, Untold
from evse_daemon.types.authorization import ProvidedIdToken, TokenValidationStatus
from evse_daemon.types.base import JsonValue


class Work:
    """Collects the changes and effects of one step; the state that it was given stays as it is."""

    def __init__(self, state: State, now_s: float, utc_s: float) -> None:
        self.now_s = now_s
        self.utc_s = utc_s
        self.settings = state.settings
        self.evses = list(state.evses)
        self.plug_ins = state.plug_ins
        self.processes = dict(state.processes)
        self.reservations = state.reservations
        self.recheck_s = state.recheck_s
        self.settled = state.settled
        self.unstored = state.unstored
        self.untold = state.untold
        self.stores = state.stores
        self._before = state
        self._next_process = state.next_process
        self._effects: list[Effect] = []
        self._when_stored: list[Effect] = []
        self._store_anyway = False

    def result(self) -> tuple[State, list[Effect]]:
        """The state after the step, and what is to be done."""
        self._store()
        state = State(
            self.settings,
            tuple(self.evses),
            self.plug_ins,
            self.processes,
            self._next_process,
            self.reservations,
            self.recheck_s,
            self.stores,
            self.settled,
            self.unstored,
            self.untold,
        )
        return state, self._effects

    def do(self, *effects: Effect) -> None:
        self._effects += effects

    def do_when_stored(self, *effects: Effect) -> None:
        """Says of the reservations what must still be true after a restart: first it is stored, where there is a store."""
        self._when_stored += effects

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

    def with_number(self, evse_id: int | None) -> int | None:
        """Which EVSE has this number; None where none does."""
        return next(
            (index for index, evse in enumerate(self.evses) if evse_id == evse.evse_id is not None), None
        )

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

    def store_again(self) -> None:
        """The last order to the store failed: it is given again."""
        self._store_anyway = True

    def _store(self) -> None:
        """Orders the reservations to be stored if they have changed."""
        before = self._before.reservations
        kept = _entries(self.reservations)
        changed = self.reservations is not before and kept != _entries(before)
        if self.settings.keeps_reservations and (changed or self._store_anyway):
            self.stores += 1
            self.unstored = False
            self.do(Store(self.stores, kept))
        if self.settled >= self.stores:
            self.do(*self._when_stored)
        elif self._when_stored:
            due_s = self.now_s + self.settings.store_timeout_s
            self.untold = (*self.untold, Untold(self.stores, due_s, tuple(self._when_stored)))


def _entries(reservations: tuple[Held, ...]) -> JsonValue:
    """The reservations that are made, as EVerest stores them (ReservationHandler.cpp, ``store_reservations``)."""
    return [_entry(held) for held in reservations if held.ticket is None]


def _entry(held: Held) -> JsonValue:
    request: JsonValue = held.request.model_dump(mode="json", exclude_none=True)
    if held.evse_id is None:
        return {"reservation": request}
    return {"evse_id": held.evse_id, "reservation": request}
