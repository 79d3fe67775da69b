"""What one step works on: a copy of the state, the time, and the effects collected so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

from evse_daemon.framework.interface import Var
from evse_daemon.modules.evse_manager.effects import (
    Announce,
    BoardEffect,
    Commit,
    JournalEffect,
    Publish,
    StartMeter,
    StateEntered,
    StopMeter,
)
from evse_daemon.modules.evse_manager.events import Event
from evse_daemon.modules.evse_manager.state import ChargerState, KernelConfig, Pilot, Session, State
from evse_daemon.types.evse_manager import SessionEvent, SessionEventEnum
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy

__all__ = ["Work"]

T = TypeVar("T")


def _copier(cls: type[T]) -> Callable[[T], T]:
    """A shallow copy of a dataclass; copy.copy goes by pickle's protocol, and takes four times as long."""
    values = attrgetter(*(field.name for field in dataclasses.fields(cls)))  # type: ignore[arg-type]
    return lambda original: cls(*values(original))


_copy_state, _copy_pilot, _copy_session = _copier(State), _copier(Pilot), _copier(Session)


class Work:
    """One step in the making.

    Args:
        config: the kernel's settings.
        state: the state before; it is copied.
        event: what happened.
        now_s: monotonic time.
        utc: the time of day, RFC 3339, for what is announced.
        fresh_id: the id that a session gets if one starts in this step.
    """

    def __init__(
        self, config: KernelConfig, state: State, event: Event, now_s: float, utc: str, fresh_id: str
    ) -> None:
        self.config = config
        self.event = event
        self.now_s = now_s
        self.utc = utc
        self.fresh_id = fresh_id
        self.state = _copy_state(state)
        self.state.pilot = _copy_pilot(state.pilot)
        self.state.session = _copy_session(state.session)
        self.board: list[BoardEffect] = []
        self.journal: list[JournalEffect] = []
        self.reply: bool | None = None

    def next_request_id(self) -> int:
        self.state.last_request_id += 1
        return self.state.last_request_id

    def enter(self, charger: ChargerState) -> None:
        """Goes to a charger state; its entry action is the caller's."""
        self.state.charger = charger
        self.state.since_s = self.now_s
        self.journal.append(StateEntered(charger))

    def meter_value(self) -> Powermeter:
        """The billing meter's latest sample as it came; zero where there was none yet."""
        return self.state.meter or Powermeter(timestamp=self.utc, energy_Wh_import=Energy(total=0.0))

    def announce(self, event: SessionEventEnum, **details: Any) -> None:
        """A session event with the present session's id."""
        self.journal.append(
            Announce(SessionEvent(uuid=self.state.session.id, timestamp=self.utc, event=event, **details))
        )

    def publish(self, var: Var[Any], value: Any) -> None:
        self.journal.append(Publish(var, value))

    def request(self, effect: Commit | StartMeter | StopMeter, answer_s: float) -> None:
        """Sends a request of the session's and arms its deadline."""
        self.state.session.request_id = effect.request_id
        self.state.session.request_by_s = self.now_s + answer_s
        self.journal.append(effect)
