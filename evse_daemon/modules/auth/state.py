"""What Auth knows, what can happen to it and what it can have done; no decisions.

EVSEs are named by their place in the configuration (``evse``), which never changes; the numbers that tokens and
other modules use for them (``evse_id``) are what EvseManager's get_evse says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evse_daemon.types.authorization import (
    IdToken,
    ProvidedIdToken,
    TokenValidationStatus,
    ValidationResult,
    WithdrawAuthorizationResult,
)
from evse_daemon.types.evse_manager import SessionEventEnum, StopTransactionReason
from evse_daemon.types.text_message import MessageContent

Selection = Literal["FindFirst", "PlugEvents", "PlugEventsLIFO"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the module, as commands may have changed them."""

    connection_timeout_s: float
    selection: Selection = "FindFirst"
    master_pass_group_id: str = ""
    prioritize_authorization: bool = True
    stop_on_reswipe: bool = True
    plug_in_timeout_enabled: bool = False
    validators: int = 1
    validation_timeout_s: float = 90.0
    request_timeout_s: float = 10.0
    """How long an EvseManager may take to answer."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """The token that an EVSE was given to."""

    token: ProvidedIdToken
    parent: IdToken | None = None


@dataclass(frozen=True, slots=True)
class Evse:
    """One EVSE as its session events tell of it."""

    evse_id: int | None = None
    """None until it is known; no token is for this EVSE before."""
    enabled: bool = True
    faulted: bool = False
    lost: bool = False
    """Its module has failed for good."""
    occupied: bool = False
    """From the start of a transaction to the end of its session."""
    transaction_active: bool = False
    plugged_in: bool = False
    plug_in_timed_out: bool = False
    """The driver took too long to present a token; only a replug helps."""
    identifier: Identifier | None = None
    authorization_ends_s: float | None = None
    """When the authorization is taken back unless a transaction starts before."""
    plug_in_ends_s: float | None = None
    """When a token must have been presented."""

    @property
    def referable(self) -> bool:
        """Tokens may mean this EVSE; a transaction can be stopped on one that was disabled meanwhile."""
        return self.evse_id is not None and not self.lost and (self.enabled or self.occupied)

    @property
    def available(self) -> bool:
        """A token may start a session here."""
        return (
            self.referable
            and self.enabled
            and not self.faulted
            and not self.occupied
            and not self.plug_in_timed_out
            and self.identifier is None
        )


@dataclass(frozen=True, slots=True)
class Process:
    """A token that was presented and has no outcome yet."""

    token: ProvidedIdToken
    phase: Literal["validating", "selecting", "authorizing", "stopping"]
    deadline_s: float
    evses: tuple[int, ...]
    """The EVSEs that it may be for."""
    validator: int = 0
    """Which one is asked."""
    result: ValidationResult | None = None
    """The answer that is being acted on, or the last refusal."""
    pending: frozenset[int] = frozenset()
    """The EVSEs that have not answered yet."""
    stopped: tuple[int, ...] = ()
    """The EVSEs that did stop."""


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    evses: tuple[Evse, ...]
    plug_ins: tuple[int, ...] = ()
    """EVSEs with a car and no transaction, the longest first. One whose authorization timed out is among them still
    (not so in EVerest): its driver presents the card again."""
    processes: dict[int, Process] = field(default_factory=dict)
    next_process: int = 1


# Events: what happens.


@dataclass(frozen=True, slots=True)
class TokenProvided:
    token: ProvidedIdToken


@dataclass(frozen=True, slots=True)
class Validated:
    """A validator's answer; None where it failed or did not answer in time."""

    process: int
    validator: int
    result: ValidationResult | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An EvseManager took the authorization or stopped the transaction, or did not."""

    process: int
    evse: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class EvseKnown:
    evse: int
    evse_id: int


@dataclass(frozen=True, slots=True)
class EvseEvent:
    evse: int
    event: SessionEventEnum
    car_connected: bool = False
    """Of SessionStarted: a car is the reason, not a token."""


@dataclass(frozen=True, slots=True)
class FaultChanged:
    evse: int
    faulted: bool


@dataclass(frozen=True, slots=True)
class EvseLost:
    evse: int


@dataclass(frozen=True, slots=True)
class ResultUpdated:
    """A validator's later answer on the token of an EVSE."""

    evse_id: int
    result: ValidationResult


@dataclass(frozen=True, slots=True)
class WithdrawRequested:
    evse_id: int | None = None
    token: IdToken | None = None


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    settings: Settings


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline that ``next_deadline_s`` named was reached."""


Event = (
    TokenProvided
    | Validated
    | Answered
    | EvseKnown
    | EvseEvent
    | FaultChanged
    | EvseLost
    | ResultUpdated
    | WithdrawRequested
    | SettingsChanged
    | TimePassed
)


# Effects: what is to be done.


@dataclass(frozen=True, slots=True)
class Announce:
    """Publish token_validation_status."""

    token: ProvidedIdToken
    status: TokenValidationStatus
    messages: tuple[MessageContent, ...] = ()


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask a validator; the answer is a Validated."""

    process: int
    validator: int
    token: ProvidedIdToken


@dataclass(frozen=True, slots=True)
class Authorize:
    """Hand a token over to an EvseManager; with a process, what comes of it is an Answered."""

    evse: int
    token: ProvidedIdToken
    result: ValidationResult
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Have a transaction stopped; with a process, what comes of it is an Answered."""

    evse: int
    reason: StopTransactionReason
    token: ProvidedIdToken | None = None
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take an authorization back."""

    evse: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What withdraw_authorization answers."""

    result: WithdrawAuthorizationResult


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    text: str
    token: ProvidedIdToken | None = None
    evse_id: int | None = None


Effect = Announce | Validate | Authorize | Stop | Withdraw | Reply | Note
