"""What can happen to Auth. EVSEs are named by their place in the configuration (``evse``)."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.modules.auth.state import Settings
from evse_daemon.types.authorization import IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.base import JsonValue
from evse_daemon.types.evse_manager import Connector, SessionEventEnum
from evse_daemon.types.reservation import Reservation, ReservationCheck


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
    connectors: tuple[Connector, ...] = (Connector(id=1),)


@dataclass(frozen=True, slots=True)
class EvseEvent:
    evse: int
    event: SessionEventEnum
    car_connected: bool = False
    """Of SessionStarted: a car is the reason, not a token."""
    connector_id: int | None = None
    """Of Enabled and Disabled: absent means all of the EVSE's."""


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
class ReserveRequested:
    """The command reserve_now; answered by an Answer with this ticket."""

    request: Reservation
    ticket: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The command cancel_reservation; answered by an Answer with this ticket."""

    reservation_id: int
    ticket: int


@dataclass(frozen=True, slots=True)
class ExistsRequested:
    """The command exists_reservation; answered by a Reply."""

    check: ReservationCheck


@dataclass(frozen=True, slots=True)
class MarkAnswered:
    """An EvseManager took the mark of a reservation, or did not."""

    evse: int
    reservation_id: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The store has carried out an order, or failed to."""

    number: int
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the store had from before a restart."""

    entries: JsonValue


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
    | ReserveRequested
    | CancelRequested
    | ExistsRequested
    | MarkAnswered
    | Stored
    | Loaded
    | SettingsChanged
    | TimePassed
)
