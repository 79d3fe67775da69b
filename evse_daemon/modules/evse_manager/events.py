"""What the kernel is told: everything that can change its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.framework.errors import Severity
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import EnableDisableSource, StopTransactionReason
from evse_daemon.types.powermeter import Powermeter, TransactionStartResponse, TransactionStopResponse

CpState = Literal["A", "B", "C", "D", "E", "F"]


@dataclass(frozen=True, slots=True)
class Boot:
    """The station is ready: command the outputs safe; begin at once, or wait to be told."""

    wait_for_external_ready: bool = False
    unfinished: tuple[Mapping[str, Any], ...] = ()
    """Records of transactions that a run before this one began and did not end."""
    untold: tuple[Mapping[str, Any], ...] = ()
    """Records of ends of transactions that a run before this one stored and perhaps did not announce."""


@dataclass(frozen=True, slots=True)
class ExternalReady:
    """Somebody outside says that charging may begin."""


@dataclass(frozen=True, slots=True)
class CpChanged:
    """The board sees this control pilot state; it repeats it when it is enabled. None: it cannot tell."""

    state: CpState | None


@dataclass(frozen=True, slots=True)
class ContactorChanged:
    """The board's feedback on the contactor."""

    closed: bool


@dataclass(frozen=True, slots=True)
class CapabilitiesChanged:
    capabilities: HardwareCapabilities


@dataclass(frozen=True, slots=True)
class ProximityChanged:
    """What the cable is rated for by its proximity pilot resistor; None where there is no cable or a fault."""

    cable_limit_a: float | None


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """The energy management allows this current per phase, until then (monotonic)."""

    limit_a: float
    valid_until_s: float
    max_phases: int | None = None
    """How many phases the car may use; None: nobody says."""
    shared_a: float | None = None
    """A limit in watt as the current that all phases together may have."""
    at_once: bool = False
    """A rating sets it (a fuse, the board, the cable): where it is lower it may not wait for a random delay."""
    chance: float = 0.0
    """A random number in [0, 1), for the length of a random delay."""


@dataclass(frozen=True, slots=True)
class PhasesAvailable:
    """On how many phases the car can charge now, as the board says."""

    count: int


@dataclass(frozen=True, slots=True)
class PhasesSwitched:
    """The board answered the command to switch phases; None means done, else what went wrong."""

    request_id: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MeterSample:
    """The billing meter's newest values."""

    value: Powermeter


@dataclass(frozen=True, slots=True)
class Cause:
    """An active error that may prevent charging."""

    source: str
    """Which connection of the EvseManager reports it: bsp, connector_lock, ac_rcd, powermeter …"""
    type: str
    sub_type: str
    severity: Severity
    description: str = ""
    vendor_id: str = ""


@dataclass(frozen=True, slots=True)
class CausesChanged:
    """The errors that are active now at the connected implementations."""

    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class BoardFailed:
    """The board refused a command, or its module has failed."""

    message: str


@dataclass(frozen=True, slots=True)
class Authorize:
    token: ProvidedIdToken
    validation: ValidationResult


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The authorization is withdrawn, or did not come in time."""


@dataclass(frozen=True, slots=True)
class EnableDisable:
    connector_id: int
    source: EnableDisableSource


@dataclass(frozen=True, slots=True)
class Pause:
    """The user pauses charging."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The user ends the pause."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The transaction shall end."""

    reason: StopTransactionReason
    id_tag: ProvidedIdToken | None = None


@dataclass(frozen=True, slots=True)
class ForceUnlock:
    """The connector shall be unlocked whatever goes on; a transaction ends."""


@dataclass(frozen=True, slots=True)
class LockDone:
    """The connector lock answered a request; None means done, else what went wrong."""

    request_id: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MeterStarted:
    """The billing meter answered start_transaction; None: it did not answer."""

    request_id: int
    response: TransactionStartResponse | None


@dataclass(frozen=True, slots=True)
class MeterStopped:
    """The billing meter answered stop_transaction; None: it did not answer."""

    request_id: int
    response: TransactionStopResponse | None


@dataclass(frozen=True, slots=True)
class Committed:
    """The store answered; None means that the record is durable, else what went wrong."""

    request_id: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StationEnds:
    """The process is told to end: what goes on is brought to its end, nothing new begins."""


@dataclass(frozen=True, slots=True)
class LatchesRestored:
    """Errors that a run before this one has latched and the service has not cleared."""

    latched: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class ClearLatched:
    """The service has repaired a latched error; named by its type and, after a slash, its sub type."""

    name: str


@dataclass(frozen=True, slots=True)
class MeterMissing:
    """The billing meter did not send a value in the time that it has to begin."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline that the state named has come."""


@dataclass(frozen=True, slots=True)
class CommandDelay:
    """The random delay is switched on or off, or the one that runs is ended."""

    order: Literal["enable", "disable", "cancel"]


@dataclass(frozen=True, slots=True)
class SetDelayDuration:
    """The longest random delay from now on; 0 is none."""

    max_duration_s: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """The EVSE is reserved; a negative id stands for whoever has one of the station's reservations."""

    reservation_id: int


@dataclass(frozen=True, slots=True)
class CancelReservation:
    """The EVSE is not reserved any more."""


Event = (
    Boot
    | ExternalReady
    | CpChanged
    | ContactorChanged
    | CapabilitiesChanged
    | ProximityChanged
    | LimitChanged
    | MeterSample
    | CausesChanged
    | BoardFailed
    | Authorize
    | Withdraw
    | EnableDisable
    | Pause
    | Resume
    | Stop
    | ForceUnlock
    | LockDone
    | MeterStarted
    | MeterStopped
    | Committed
    | StationEnds
    | LatchesRestored
    | ClearLatched
    | MeterMissing
    | Tick
    | PhasesAvailable
    | PhasesSwitched
    | CommandDelay
    | SetDelayDuration
    | Reserve
    | CancelReservation
)
