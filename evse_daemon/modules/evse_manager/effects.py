"""What the kernel wants done. Board effects run at once, power-off first; journal effects in order (design rule 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.framework.errors import Severity
from evse_daemon.framework.interface import Var
from evse_daemon.modules.evse_manager.events import Cause
from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent

# Board lane


@dataclass(frozen=True, slots=True)
class AllowPower:
    """The contactor may close, or must open."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetPwm:
    """PWM with this duty cycle (0…1)."""

    duty: float


@dataclass(frozen=True, slots=True)
class SetX1:
    """PWM off: +12 V unmodulated."""


@dataclass(frozen=True, slots=True)
class SetF:
    """Control pilot state F: the EVSE is not available."""


@dataclass(frozen=True, slots=True)
class EnableBoard:
    on: bool


@dataclass(frozen=True, slots=True)
class SetOvercurrentLimit:
    limit_a: float


@dataclass(frozen=True, slots=True)
class Lock:
    """A request to the connector lock; answered by LockDone."""

    request_id: int
    locked: bool


@dataclass(frozen=True, slots=True)
class SwitchPhases:
    """A request to the board, only with the contactor open; answered by PhasesSwitched."""

    request_id: int
    three_phases: bool


BoardEffect = AllowPower | SetPwm | SetX1 | SetF | EnableBoard | SetOvercurrentLimit | Lock | SwitchPhases

# Journal lane


@dataclass(frozen=True, slots=True)
class StartMeter:
    """A request to the billing meter; answered by MeterStarted."""

    request_id: int
    session_id: str
    token: ProvidedIdToken


@dataclass(frozen=True, slots=True)
class StopMeter:
    """A request to the billing meter; answered by MeterStopped."""

    request_id: int
    session_id: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A record for the store; answered by Committed. What follows in the lane waits for it."""

    request_id: int
    kind: Literal["transaction_started", "transaction_finished"]
    payload: dict[str, Any]
    retried: bool = False
    """What it records is announced already."""


@dataclass(frozen=True, slots=True)
class Announce:
    """A session event for everybody."""

    event: SessionEvent


@dataclass(frozen=True, slots=True)
class Publish:
    """Another variable of the interface evse_manager."""

    var: Var[Any]
    value: Any


@dataclass(frozen=True, slots=True)
class RaiseError:
    type: str
    message: str
    severity: Severity
    sub_type: str = ""
    description: str | None = None
    vendor_id: str = "EVerest"


@dataclass(frozen=True, slots=True)
class ClearError:
    type: str
    sub_type: str = ""


@dataclass(frozen=True, slots=True)
class StateEntered:
    """The charger is in a new state."""

    state: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record for the store for which nothing waits."""

    kind: Literal["meter_value"]
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """The end of this session's transaction, stored late, was announced before."""

    session_id: str


@dataclass(frozen=True, slots=True)
class StoreSession:
    """The id of the session that has a transaction, for the connected kvs; empty: none has (EvseManager.cpp:1485)."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SaveTable:
    """The operator's entries of the table of sources, for the store. What follows in the lane waits for it."""

    entries: tuple[EnableDisableSource, ...]


@dataclass(frozen=True, slots=True)
class SaveLatched:
    """The errors that only the service clears, for the store; answered by Committed. What follows waits for it."""

    request_id: int
    latched: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    message: str


JournalEffect = (
    StartMeter
    | StopMeter
    | Commit
    | Announce
    | Publish
    | RaiseError
    | ClearError
    | StateEntered
    | Record
    | Told
    | StoreSession
    | SaveTable
    | SaveLatched
    | Note
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of the command that this step carried out."""

    value: bool


Effect = BoardEffect | JournalEffect | Reply
