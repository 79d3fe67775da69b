"""What Auth can have done. EVSEs are named by their place in the configuration (``evse``)."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.types.authorization import (
    ProvidedIdToken,
    TokenValidationStatus,
    ValidationResult,
    WithdrawAuthorizationResult,
)
from evse_daemon.types.base import JsonValue
from evse_daemon.types.evse_manager import StopTransactionReason
from evse_daemon.types.reservation import (
    ReservationCheckStatus,
    ReservationResult,
    ReservationUpdateStatus,
)
from evse_daemon.types.text_message import MessageContent


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
class Mark:
    """Have an EVSE shown as reserved; what comes of it is a MarkAnswered. The id -1 is for any of the station's."""

    evse: int
    reservation_id: int


@dataclass(frozen=True, slots=True)
class Unmark:
    """Have an EVSE shown as not reserved."""

    evse: int


@dataclass(frozen=True, slots=True)
class Update:
    """Publish reservation_update."""

    update: ReservationUpdateStatus


@dataclass(frozen=True, slots=True)
class Store:
    """Have the reservations stored; what comes of it is a Stored."""

    number: int
    entries: JsonValue


@dataclass(frozen=True, slots=True)
class Reply:
    """What withdraw_authorization or exists_reservation answers, at once."""

    result: WithdrawAuthorizationResult | ReservationCheckStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """What reserve_now or cancel_reservation answers."""

    ticket: int
    result: ReservationResult | bool


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    text: str
    token: ProvidedIdToken | None = None
    evse_id: int | None = None


Effect = (
    Announce | Validate | Authorize | Stop | Withdraw | Mark | Unmark | Update | Store | Reply | Answer | Note
)
