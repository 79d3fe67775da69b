"""The kernel's whole state and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal

from evse_daemon.modules.evse_manager import bcb, enable_table
from evse_daemon.modules.evse_manager.effects import Commit
from evse_daemon.modules.evse_manager.events import Cause, CpState
from evse_daemon.modules.evse_manager.random_delay import RandomDelay
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import EnableDisableSource, StopTransactionReason
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units_signed import SignedMeterValue

ChargerState = Literal[
    "Starting",
    "Disabled",
    "Idle",
    "WaitingForAuthentication",
    "PrepareCharging",
    "Charging",
    "ChargingPausedEV",
    "ChargingPausedEVSE",
    "StoppingCharging",
    "Finished",
    "T_step_EF",
    "SwitchPhases",
]
"""EVerest's charger states; "Starting" is before the station is ready or an external ready came."""

PauseReason = Literal["Error", "NoEnergy", "UserPause"]

LockState = Literal["unknown", "locking", "locked", "unlocking", "unlocked"]


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """The options that the pure core decides by; times in seconds, currents in ampere."""

    module_id: str = "evse_manager"
    evse_id: str = "DE*PNX*E1234567*1"
    has_ventilation: bool = False
    has_connector_lock: bool = True
    has_billing_meter: bool = True
    lock_connector_in_state_b: bool = True
    unlock_when_deauthorized: bool = False
    fail_on_powermeter_errors: bool = True
    raise_mrec9: bool = False
    simplified_mode_limit_10a: bool = False
    inoperative_error_use_vendor_id: bool = False
    c1_power_off_s: float = 6.0
    """How long the car may stay in C or D without PWM before power is cut (IEC 61851-1 Table A.6, 6 s)."""
    contactor_opens_s: float = 1.0
    """How long the board has to confirm an open contactor before it counts as welded (design rule 5)."""
    contactor_closes_s: float = 5.0
    pwm_update_s: float = 5.0
    """Least time between two changes of the duty cycle (IEC 61851-1 Table A.6)."""
    wake_up_after_s: float = 30.0
    wake_up_f_s: float = 4.0
    wake_up_x1_s: float = 0.75
    paused_by_ev_after_s: float = 10.0
    unlock_in_f_s: float = 5.0
    meter_answers_s: float = 10.0
    commit_s: float = 10.0
    lock_answers_s: float = 10.0
    connector_id: int = 1
    """The EVSE's number."""
    meter_record_s: float = 60.0
    """Least time between two meter values of a transaction in the journal."""
    session_logging_path: str | None = None
    """Where session logs are written; None: none are."""
    logfile_suffix: str = "session_uuid"
    closing_s: float = 8.0
    """How long the end of a transaction may take when the process is told to end."""
    save_s: float = 5.0
    """How long an answer waits for the operator's settings to be stored; less than a command's caller waits."""
    retry_in_idle_s: float = 30.0
    """How long an own error lasts that came up without a car, whose leaving would clear it."""
    switch_phases_delay_s: float = 10.0
    """How long the car is kept without PWM before the phases are switched."""
    switch_phases_by: Literal["X1", "F"] = "X1"
    """What the control pilot shows meanwhile."""
    phases_switched_s: float = 6.0
    """How long the board has to answer that it switched the phases; a little longer than the call's own deadline."""
    phases_apart_s: float = 5.0
    """Least time from the end of one phase switch to the next: a car has 5 s to follow (IEC 61851-1 Table A.6)."""
    most_phase_switches: int = 6
    """Phase switches within phase_switches_within_s; beyond them the phases stay as they are."""
    phase_switches_within_s: float = 900.0
    overcurrent_tolerance: float = 0.1
    """The part of the signalled current by which it may be exceeded."""
    overcurrent_noise_a: float = 0.5
    overcurrent_s: float = 7.0
    """How long a phase may carry more than that."""
    state_f_after_fault_s: float = 0.3
    watch_meter: bool = False
    """A billing meter that falls silent prevents charging."""


@dataclass(slots=True)
class Pilot:
    """The control pilot, the contactor and the lock, as commanded and as fed back."""

    cp: CpState | None = None
    """As the board reports it; None while the board is not enabled."""
    plugged: bool = False
    simplified: bool = False
    """The car went from A to C at once: it signals without a switch for state B (IEC 61851-1 A.2.2)."""
    output: Literal["X1", "F", "PWM"] | None = None
    duty: float = 0.0
    """The duty cycle (0…1) while output is PWM."""
    pwm_changed_s: float = -1e9
    c1_since_s: float | None = None
    """Since when the car is in C or D without PWM."""
    f_since_s: float | None = None
    """Since when the board reports F."""
    unexpected_f: bool = False
    """The board reports F, and nobody asked for it."""
    f_withdrawn_s: float = -1e9
    power_commanded: bool = False
    contactor_closed: bool = False
    """As fed back by the board."""
    opens_by_s: float | None = None
    closes_by_s: float | None = None
    lock: LockState = "unknown"
    lock_request_id: int = 0
    lock_by_s: float | None = None
    lock_error: str | None = None
    force_unlocked: bool = False
    board_enabled: bool = False


@dataclass(slots=True)
class Session:
    """The present session; it begins with a car or an authorization and ends with SessionFinished."""

    id: str = ""
    """Empty: no session."""
    authorized: bool = False
    cancelled: bool = False
    """Stopped from outside: nothing authorizes it again."""
    token: ProvidedIdToken | None = None
    validation: ValidationResult | None = None
    starting: Literal["meter", "commit"] | None = None
    """How far the start of the transaction has come."""
    transaction: bool = False
    ending: bool = False
    """The meter has yet to answer the end of the transaction."""
    request_id: int = 0
    request_by_s: float | None = None
    start_signed: SignedMeterValue | None = None
    stop_reason: StopTransactionReason | None = None
    stop_token: ProvidedIdToken | None = None
    paused_by_user: bool = False
    pause_reasons: tuple[PauseReason, ...] = ()
    """As announced last."""
    woken_up: bool = False
    recorded_wh: float | None = None
    """The meter's energy in the journal's newest record of the transaction."""
    record_meter_s: float = 0.0
    """When the next meter value may be recorded."""
    car_left: bool = False
    """The car was unplugged; one that is plugged in since has a session of its own."""
    resumes: Mapping[str, int] = field(default_factory=dict)
    """How often charging went on after an error, by the error's type."""


@dataclass(frozen=True, slots=True)
class Phases:
    """On how many phases the car may charge: as commanded, as the board says, and as it shall be."""

    switched_to: int | None = None
    """As switched last; at first all that the board has. None before the board told its capabilities."""
    said: int | None = None
    """The board's own last word."""
    said_since: bool = False
    """The board's word is newer than the last switch."""
    wanted: int | None = None
    """A switch to this count is under way."""
    request_id: int = 0
    answer_by_s: float | None = None
    """The board was told to switch and has until then to answer."""
    asked_at_s: tuple[float, ...] = ()
    """When switches were begun, oldest first."""
    ended_s: float = -1e9
    """When the last one ended."""


@dataclass(frozen=True, slots=True)
class Overcurrent:
    """The car's current on L1, L2 and L3 against what it may draw."""

    since_s: tuple[float | None, float | None, float | None] = (None, None, None)
    """Since when each phase carries too much."""
    sample: tuple[object, ...] = ()
    """The newest sample: one that comes again tells nothing new."""


@dataclass(slots=True)
class MeterWatch:
    """What is known of the billing meter's samples; each new one makes a new watch."""

    timestamp: str
    at_s: float
    """When the last new sample came."""
    due_s: float
    """When the meter counts as silent."""
    intervals_s: tuple[float, ...] = ()
    counted_wh: float = 0.0
    uncounted_wh: float = 0.0
    """What flowed by the meter's power since the count changed last."""
    unchanged: int = 0
    """New samples since the count changed last."""
    waited: bool = False
    """It was looked at too late once, and given time."""


@dataclass(slots=True)
class State:
    """Everything that the kernel remembers."""

    charger: ChargerState = "Starting"
    since_s: float = 0.0
    car_withdrew: bool = False
    """The car went from C to B in PrepareCharging."""
    pwm_since_s: float | None = None
    """In PrepareCharging: since when a current is offered."""
    pilot: Pilot = field(default_factory=Pilot)
    session: Session = field(default_factory=Session)
    table: enable_table.Table = field(default_factory=dict)
    decided_by: EnableDisableSource = enable_table.NOBODY
    commanded_connector: int = 0
    capabilities: HardwareCapabilities | None = None
    cable_limit_a: float | None = None
    limit_a: float = 0.0
    limit_until_s: float = 0.0
    overcurrent_limit_a: float | None = None
    meter: Powermeter | None = None
    causes: tuple[Cause, ...] = ()
    own_errors: tuple[Cause, ...] = ()
    inoperative: tuple[Cause, ...] = ()
    """The causes of the Inoperative error that is raised; empty: it is not."""
    last_request_id: int = 0
    waiting_for_external_ready: bool = False
    unstored_ends: tuple[Commit, ...] = ()
    """Ends of transactions that the store has not confirmed."""
    retry_store_s: float | None = None
    wait_for_external_ready: bool = False
    """Once the ends of the run before this one are told, somebody outside says when to begin."""
    unfinished: tuple[Mapping[str, Any], ...] = ()
    """Transactions of a run before this one that are yet to be ended."""
    unfinished_request_id: int = 0
    """The billing meter's end of the first of them; 0: not asked yet."""
    unfinished_by_s: float | None = None
    close_by_s: float | None = None
    """The process ends: what goes on should be over by then. None: it does not."""
    externally_ready: bool = False
    """Somebody outside has said that charging may begin; it is not forgotten when the kernel begins anew."""
    delay: RandomDelay = field(default_factory=RandomDelay)
    reserved: bool = False
    reservation_id: int | None = None
    """None while it is reserved for whoever has one of the station's reservations."""
    retry_in_idle_s: float | None = None
    """When the own errors that came up without a car are cleared, so that what failed is tried again."""
    phases: Phases = field(default_factory=Phases)
    limit_shared_a: float | None = None
    """The current that all phases together may have, from a limit in watt; None: there is none."""
    overcurrent: Overcurrent = field(default_factory=Overcurrent)
    active: tuple[Cause, ...] = ()
    """What prevents charging by itself now, as judged last."""
    held: tuple[Cause, ...] = ()
    """Cleared at their source, and they prevent charging until the car has left."""
    car_left: bool = True
    """No car was plugged in since the board told A last. A board that is disabled tells nothing."""
    latched: tuple[Cause, ...] = ()
    """They prevent charging until the service clears them."""
    latch_request_id: int | None = None
    retry_latch_s: float | None = None
    f_until_s: float | None = None
    """State F after a fault is signalled until then."""
    meter_watch: MeterWatch | None = None
    bcb: bcb.Sequence | None = None


def _copied_by_constructor(kind: type[Pilot | Session | State]) -> None:
    """Has copy.copy use the constructor: each step copies the state, and so it takes a third of the time."""
    values = attrgetter(*(each.name for each in fields(kind)))
    kind.__copy__ = lambda self: kind(*values(self))  # type: ignore[union-attr]  # what copy.copy looks for


for _kind in (Pilot, Session, State):
    _copied_by_constructor(_kind)
