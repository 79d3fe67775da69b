"""What a host tells a charger's board and what a board tells its host, in no board's own encoding.

The vocabulary is that of the Yeti family (Yeti, TIDA-010939, PhyVerso); each dialect has a codec for its part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Phases = tuple[float, float, float]
"""A value for L1, L2 and L3."""

PILOT_F = 0
"""SetPilot.duty for state F: no PWM, -12 V."""

PILOT_X1 = 10_001
"""SetPilot.duty for X1: no PWM, +12 V. Boards take everything from 10000 up so."""


# What a host tells a board.


@dataclass(frozen=True, slots=True)
class HostAlive:
    """The host's keep-alive; the published firmware restarts a timer with it, and evaluates nothing in it."""

    timestamp: int = 0
    hardware_type: int = 0
    hardware_revision: int = 0
    version: str = "n/a"


@dataclass(frozen=True, slots=True)
class SetPilot:
    """The control pilot: the duty cycle in 0.01 %, or PILOT_F or PILOT_X1."""

    duty: int


@dataclass(frozen=True, slots=True)
class AllowPower:
    """May the contactor close while the car is in C or D; False opens it at once."""

    allowed: bool


@dataclass(frozen=True, slots=True)
class SetPhases:
    three: bool


@dataclass(frozen=True, slots=True)
class SetLock:
    """Drives the lock's motor."""

    locked: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """Restarts the board's controller; it answers with WasReset once it is up. The value means nothing."""

    value: bool = False


@dataclass(frozen=True, slots=True)
class EnterBootloader:
    """The board leaves its program for the boot loader in ROM: charging ends."""

    rom: bool = True


@dataclass(frozen=True, slots=True)
class RcdCommand:
    """Tests or resets the residual current monitor."""

    test: bool = False
    reset: bool = False


PortType = Literal["disabled", "AC", "DC"]
Pull = Literal["none", "up", "down"]
MotorLock = Literal["unknown", "hella", "valeo", "none"]
HardwareRevision = Literal["unknown", "A", "B"]


@dataclass(frozen=True, slots=True)
class PortSetup:
    """What is wired to one connector of a board that does not know it by itself."""

    type: PortType = "disabled"
    feedback_active_low: bool = True
    """The contactor's mirror contact pulls its input down."""
    feedback_pull: Pull = "down"
    lock: MotorLock = "none"
    has_socket: bool = False


@dataclass(frozen=True, slots=True)
class Configure:
    """The answer to ConfigurationRequest."""

    ports: tuple[PortSetup, ...]
    hardware_revision: HardwareRevision = "B"


ToBoard = (
    HostAlive | SetPilot | AllowPower | SetPhases | SetLock | Reset | EnterBootloader | RcdCommand | Configure
)


# What a board tells its host.


@dataclass(frozen=True, slots=True)
class BoardAlive:
    """The board's keep-alive: who it is, and what its hardware can carry."""

    version: str
    timestamp_ms: int = 0
    hardware_type: int = 0
    hardware_revision: int = 0
    protocol: tuple[int, int] = (0, 0)
    """Major and minor version."""
    max_current_A: float = 0.0
    min_current_A: float = 0.0
    max_phases: int = 0
    min_phases: int = 0
    changes_phases_while_charging: bool = False
    configured: bool = True
    """It has what it asks for by ConfigurationRequest, or needs nothing."""


ResetReason = Literal["user", "watchdog"]


@dataclass(frozen=True, slots=True)
class WasReset:
    """The board's controller has started."""

    reason: ResetReason


@dataclass(frozen=True, slots=True)
class ConfigurationRequest:
    """The board's controller has started, and does nothing before it gets Configure."""


Pilot = Literal["A", "B", "C", "D", "E", "F"]


@dataclass(frozen=True, slots=True)
class PilotState:
    state: Pilot


@dataclass(frozen=True, slots=True)
class RelayState:
    """The contactor, as its mirror contacts say."""

    closed: bool


@dataclass(frozen=True, slots=True)
class ErrorFlags:
    """All flags at once; each is a level. A dialect that lacks one leaves it False."""

    diode_fault: bool = False
    rcd_selftest_failed: bool = False
    rcd_triggered: bool = False
    ventilation_not_available: bool = False
    connector_lock_failed: bool = False
    cp_signal_fault: bool = False
    over_current: bool = False
    heartbeat_timeout: bool = False
    """The board misses the host's keep-alive."""
    coil_feedback_diverges: bool = False
    pp_signal_fault: bool = False


@dataclass(frozen=True, slots=True)
class PilotVoltages:
    """The board's telemetry: levels of the control pilot in V; Yeti's are whole and never negative."""

    high_V: float
    low_V: float
    temperatures_C: tuple[float, ...] = ()


Cable = Literal["none", "13A", "20A", "32A", "70A", "fault"]


@dataclass(frozen=True, slots=True)
class ProximityState:
    """The rating of the cable in the socket, by its resistor."""

    cable: Cable


Lock = Literal["undefined", "unlocked", "locked", "locking", "unlocking"]


@dataclass(frozen=True, slots=True)
class LockState:
    state: Lock


ZERO: Phases = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class MeterReading:
    """The board's own meter; power is positive towards the car."""

    timestamp: int = 0
    voltage_V: Phases = ZERO
    current_A: Phases = ZERO
    neutral_A: float = 0.0
    energy_Wh: Phases = ZERO
    total_energy_Wh: float = 0.0
    temperature_C: Phases = ZERO
    neutral_temperature_C: float = 0.0
    power_W: Phases = ZERO
    frequency_Hz: Phases = ZERO
    wrong_phase_sequence: bool = False


@dataclass(frozen=True, slots=True)
class FanState:
    """A fan in the board's cabinet."""

    number: int
    on: bool
    duty_percent: float
    speed_rpm: int


FromBoard = (
    BoardAlive
    | WasReset
    | ConfigurationRequest
    | PilotState
    | RelayState
    | ErrorFlags
    | PilotVoltages
    | ProximityState
    | LockState
    | MeterReading
    | FanState
)


class BadMessageError(ValueError):
    """A message that is not of the dialect: malformed, unknown, or with a value outside its range; says which."""


class UnsupportedMessageError(ValueError):
    """The dialect has no word for this."""


class Codec(Protocol):
    """One dialect. Both ends of a wire can be built on it: a driver, or a simulated board.

    Decoders take fields in any order, skip unknown fields, and of several messages in one take the last (proto3).
    """

    def encode_to_board(self, message: ToBoard) -> bytes:
        """The host's words to the board; raises UnsupportedMessageError."""

    def decode_from_board(self, data: bytes) -> FromBoard:
        """The board's words, as the host reads them; raises BadMessageError."""

    def encode_from_board(self, message: FromBoard) -> bytes:
        """The board's words to the host; raises UnsupportedMessageError."""

    def decode_to_board(self, data: bytes) -> ToBoard:
        """The host's words, as the board reads them; raises BadMessageError."""
