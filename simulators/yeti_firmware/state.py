"""The board and what is attached to it, as the firmware's decisions find it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from simulators.yeti_firmware.cp_reading import CpRead
from simulators.yeti_firmware.messages import ErrorFlags, LockState, PpState, ResetReason, Version
from simulators.yeti_simulator import control_pilot
from simulators.yeti_simulator.car import Car
from simulators.yeti_simulator.control_pilot import Levels, Pilot

RELAY_S = 0.1
"""How long the firmware gives the contactor to move."""


NO_FLAGS = ErrorFlags()


@dataclass(frozen=True, slots=True)
class Settings:
    """Which board it is."""

    version: Version = field(default_factory=Version)
    max_current_a: float = 32.0
    min_current_a: float = 6.0
    host_watchdog: bool = False
    """Without keep-alives of the host it signals F and opens. The published firmware does not: there it is
    commented out, and the board keeps charging when its host dies."""
    tells_lock: bool = False
    """It sends lock_state; the published firmware never does."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is broken on the board."""

    welded: bool = False
    """Contacts that are closed stay closed."""
    relay_s: float = RELAY_S
    """How long the contactor takes."""
    lock_stuck: bool = False
    flags: ErrorFlags = field(default_factory=ErrorFlags)
    """Error flags that are set, whatever the firmware thinks of them."""
    pp: PpState = PpState.NC
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Firmware:
    """The board and what is attached to it."""

    settings: Settings = field(default_factory=Settings)
    faults: Faults = field(default_factory=Faults)
    car: Car = field(default_factory=Car)
    mode: Literal["booting", "running", "hung", "bootloader"] = "booting"
    reset_reason: ResetReason = ResetReason.USER
    next_at_s: float | None = 0.0
    """When ``Due`` is due; None where nothing happens by itself."""
    booted_at_s: float = 0.0
    host_seen_at_s: float = 0.0
    passes: int = 0

    state: CpRead = CpRead.A
    measured: Levels = field(default_factory=lambda: Levels(0.0, 0.0))
    pilot: Pilot = control_pilot.X1
    pwm_before: bool = False
    allowed: bool = False
    allowed_before: bool = False
    c1_until_s: float | None = None

    relay_on: bool = False
    """As the firmware has it."""
    switching: bool = False
    """The control pilot's task waits for the contactor."""
    contacts: int = 0
    """How many phases are closed: 0, 1 or 3."""
    three_phases: bool = True
    emergency_off: bool = False
    """The residual current monitor has opened the contactor; it stays open until state A."""
    rcd_fired: bool = False

    locked: bool = False
    lock_wanted: bool = False
    lock_until_s: float | None = None

    flags: ErrorFlags = field(default_factory=ErrorFlags)
    told_state: CpRead | None = None
    told_pp: PpState = PpState.NC
    told_relay: bool = False
    told_flags: ErrorFlags = field(default_factory=ErrorFlags)
    told_lock: LockState = LockState.UNDEFINED

    @property
    def wire(self) -> Levels:
        """The voltages on the control pilot, without noise."""
        return control_pilot.levels(self.pilot, self.car.on_wire, diode_shorted=self.car.diode_shorted)

    @property
    def current_a(self) -> float:
        """What the car draws on each of its phases."""
        return self.car.draws_a(self.pilot) if self.contacts else 0.0

    @property
    def phases(self) -> int:
        """On how many phases the car charges."""
        return 3 if self.contacts == 3 and self.car.three_phases else 1

    @property
    def shown_relay(self) -> bool:
        """The contactor as it is told: contacts that are welded are seen by their mirrors."""
        return self.relay_on or (self.faults.welded and self.contacts > 0)

    @property
    def shown_flags(self) -> ErrorFlags:
        """The error flags as they are told."""
        if self.faults.flags == NO_FLAGS:
            return self.flags
        return ErrorFlags(
            **{
                name.name: getattr(self.flags, name.name) or getattr(self.faults.flags, name.name)
                for name in dataclasses.fields(ErrorFlags)
            }
        )
