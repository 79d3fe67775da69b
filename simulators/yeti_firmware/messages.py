"""What host and board say to each other, by meaning (yeti.proto; drivers.md §3.2, §3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

# --- from the host -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostAlive:
    """``keep_alive``"""


@dataclass(frozen=True, slots=True)
class SetPwm:
    """``pwm_duty_cycle`` in 0.01 %: 0 is state F, 10000 and more is X1."""

    hundredths_percent: int


@dataclass(frozen=True, slots=True)
class AllowPowerOn:
    """``allow_power_on``"""

    allowed: bool


@dataclass(frozen=True, slots=True)
class SetLock:
    """``connector_lock``"""

    locked: bool


@dataclass(frozen=True, slots=True)
class SetThreePhases:
    """``set_number_of_phases``"""

    three_phases: bool


@dataclass(frozen=True, slots=True)
class ResetBoard:
    """``reset``; its value has no meaning."""


@dataclass(frozen=True, slots=True)
class EnterBootloader:
    """``firmware_update`` with ``invoke_rom_bootloader``"""


FromHost = HostAlive | SetPwm | AllowPowerOn | SetLock | SetThreePhases | ResetBoard | EnterBootloader


# --- from the board ------------------------------------------------------------------------------------------------


class ResetReason(IntEnum):
    """Why the board has started."""

    USER = 0
    WATCHDOG = 1


class CpState(IntEnum):
    """The control pilot as the board tells it; a diode fault is told as F."""

    A = 0
    B = 1
    C = 2
    D = 3
    E = 4
    F = 5


class PpState(IntEnum):
    """The cable's rating in A by its proximity resistor."""

    NC = 0
    A13 = 1
    A20 = 2
    A32 = 3
    A70 = 4
    FAULT = 5


class LockState(IntEnum):
    """Where the bolt of the connector's lock is."""

    UNDEFINED = 0
    UNLOCKED = 1
    LOCKED = 2


@dataclass(frozen=True, slots=True)
class Version:
    """What a board says of itself."""

    protocol_major: int = 0
    protocol_minor: int = 1
    software: str = "2.2"


@dataclass(frozen=True, slots=True)
class BoardAlive:
    """``keep_alive`` with what the hardware can do."""

    tick_ms: int
    version: Version
    max_current_a: float = 32.0
    min_current_a: float = 6.0
    max_phases: int = 3
    min_phases: int = 1
    changes_phases_while_charging: bool = True


@dataclass(frozen=True, slots=True)
class HasReset:
    """``reset``: the board is there again."""

    reason: ResetReason


@dataclass(frozen=True, slots=True)
class CpIs:
    """``cp_state``"""

    state: CpState


@dataclass(frozen=True, slots=True)
class RelayIs:
    """``relais_state``"""

    on: bool


@dataclass(frozen=True, slots=True)
class PpIs:
    """``pp_state``"""

    state: PpState


@dataclass(frozen=True, slots=True)
class LockIs:
    """``lock_state``"""

    state: LockState


@dataclass(frozen=True, slots=True)
class ErrorFlags:
    """``error_flags``; the names are the protocol's."""

    diode_fault: bool = False
    rcd_selftest_failed: bool = False
    rcd_triggered: bool = False
    ventilation_not_available: bool = False
    connector_lock_failed: bool = False
    cp_signal_fault: bool = False
    over_current: bool = False


@dataclass(frozen=True, slots=True)
class CpVoltages:
    """``telemetry`` in whole V; the firmware's unsigned numbers make 0 of what is negative."""

    high_v: int
    low_v: int


@dataclass(frozen=True, slots=True)
class MeterDue:
    """A ``power_meter`` is due: what the metering chip measures now."""


Phases = tuple[float, float, float]
"""A value for L1, L2 and L3."""


@dataclass(frozen=True, slots=True)
class Metered:
    """``power_meter``; positive power flows to the car. The published firmware sends no time and no export."""

    voltage_v: Phases
    current_a: Phases
    neutral_a: float
    energy_wh: Phases
    total_wh: float
    temperature_c: Phases
    neutral_temperature_c: float
    power_w: Phases
    frequency_hz: Phases
    phase_sequence_wrong: bool = False
    timestamp: int = 0


ToHost = BoardAlive | HasReset | CpIs | RelayIs | PpIs | LockIs | ErrorFlags | CpVoltages | Metered
