"""What Auth knows; no decisions.

EVSEs are named by their place in the configuration (``evse``), which never changes; the numbers that tokens and
other modules use for them (``evse_id``) are what EvseManager's get_evse says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evse_daemon.modules.auth.effects import Effect
from evse_daemon.modules.auth.reservation_table import Held
from evse_daemon.types.authorization import IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_manager import Connector

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
    mark_timeout_s: float = 5.0
    """How long it may take to be marked as reserved; with the next less than reserve_now may take."""
    store_timeout_s: float = 4.0
    """How long the store may take, before it is said that a reservation is made all the same."""
    keeps_reservations: bool = False
    """A kvs is connected, which has them after a restart."""


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
    connectors: tuple[Connector, ...] = (Connector(id=1),)
    disabled: frozenset[int] = frozenset()
    """Connectors that are out of service."""
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
    marked: int | None = None
    """The reservation that the EVSE was told, -1 for any of the station's; None where it was told that there is none."""
    mark_refused: bool = False
    """It does not take the mark as it is now; after its next event it is asked again."""
    marks_due: int = 0
    """Its answers to marks that are still to come."""
    open_marks: int = 0
    """Marks that it was told and did not refuse, less the ends that it has said: a ReservationEnd or TransactionStarted
    is of the oldest of them, however many crossed it on the way."""

    @property
    def enabled(self) -> bool:
        """One of its connectors is in service."""
        return any(connector.id not in self.disabled for connector in self.connectors)

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

    @property
    def vacant(self) -> bool:
        """Nobody has it or stands before it: whoever comes next may find it free."""
        return self.available and not self.plugged_in

    def offers(self) -> tuple[Connector, ...]:
        """The connectors that are in service."""
        return () if self.faulted else tuple(c for c in self.connectors if c.id not in self.disabled)


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
    answers: tuple[ValidationResult, ...] = ()
    """What the validators have said so far, in their order."""
    result: ValidationResult | None = None
    """The answer that is being acted on."""
    used: Held | None = None
    """The reservation that is used up by it."""
    pending: frozenset[int] = frozenset()
    """The EVSEs that have not answered yet."""
    stopped: tuple[int, ...] = ()
    """The EVSEs that did stop."""


@dataclass(frozen=True, slots=True)
class Untold:
    """What is said when the store has the reservations as they are by then."""

    number: int
    """Of the order to the store."""
    deadline_s: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    evses: tuple[Evse, ...]
    plug_ins: tuple[int, ...] = ()
    """EVSEs with a car and no transaction, the longest first. One whose authorization timed out is among them still
    (not so in EVerest): its driver presents the card again."""
    processes: dict[int, Process] = field(default_factory=dict)
    next_process: int = 1
    reservations: tuple[Held, ...] = ()
    """In the order in which they were made."""
    recheck_s: float | None = None
    """When the time of day is compared with the reservations' ends; it may be set meanwhile."""
    stores: int = 0
    """Orders to the store so far."""
    settled: int = 0
    """Those of them that it has answered."""
    unstored: bool = False
    """The last order to the store failed."""
    untold: tuple[Untold, ...] = ()
