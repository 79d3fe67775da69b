"""Currents, voltages and energy of the simulated power path."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

Phases = tuple[float, float, float]
"""A value for L1, L2 and L3."""

IDLE: Phases = (0.0, 0.0, 0.0)

NEUTRAL_A = 0.2
"""What flows back in the neutral of a car that charges on three phases."""

SOURCE_OHM = 0.5
"""The resistance of the supply: the voltage falls by this times the current."""

SPREAD = 0.01
"""Currents, voltages, the control pilot and the residual current are off by one percent at most."""

FREQUENCY_SPREAD = 0.0025


class Noise:
    """Deterministic noise: the same seed gives the same run."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def __call__(self, value: float, spread: float = SPREAD) -> float:
        """The value, off by at most this part of itself."""
        return value * (1 + self._random.uniform(-spread, spread))


def current_by_duty_a(duty_percent: float) -> float:
    """The current that a duty cycle offers (IEC 61851-1 Table A.8); 0 where it offers none."""
    if not 8 <= duty_percent < 97:
        return 0.0
    if duty_percent < 85:
        return duty_percent * 0.6
    if duty_percent < 96:
        return (duty_percent - 64) * 2.5
    return 80.0


def drawn_current_a(duty_percent: float, limit_a: float | None) -> float:
    """What the car draws per phase: what is offered, at most its own limit; negative where it feeds back.

    Between 3 and 7 % digital communication would negotiate the current: the car draws its limit.
    """
    if limit_a is None:
        return current_by_duty_a(duty_percent)
    if 3 <= duty_percent <= 7:
        return limit_a
    return math.copysign(min(current_by_duty_a(duty_percent), abs(limit_a)), limit_a)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the meter measures at one moment."""

    voltage_v: Phases
    current_a: Phases = IDLE
    neutral_a: float = 0.0
    frequency_hz: float = 50.0

    @property
    def power_w(self) -> Phases:
        """Per phase; positive towards the car. The meter resolves 1 W."""
        u, i = self.voltage_v, self.current_a
        return (float(round(u[0] * i[0])), float(round(u[1] * i[1])), float(round(u[2] * i[2])))

    @property
    def temperature_c(self) -> float:
        """The board warms up with the power that passes it."""
        return 25.0 + 0.003 * abs(sum(self.power_w))


def measure(
    current_a: float, phases: int, voltage_v: float, frequency_hz: float, noise: Noise
) -> Measurement:
    """What the meter shows while a car draws a current on one or three phases."""
    i = noise(current_a)
    u = noise(voltage_v)
    loaded_v = u - SOURCE_OHM * i
    return Measurement(
        voltage_v=(loaded_v, loaded_v, loaded_v) if phases == 3 else (loaded_v, u, u),
        current_a=(i, i, i) if phases == 3 else (i, 0.0, 0.0),
        neutral_a=(noise(NEUTRAL_A) if i else 0.0) if phases == 3 else abs(i),
        frequency_hz=noise(frequency_hz, FREQUENCY_SPREAD),
    )


@dataclass(slots=True)
class EnergyCounter:
    """Energy by direction and phase in Wh; it falls only when it is reset."""

    import_wh: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    export_wh: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def add(self, power_w: Phases, seconds: float) -> None:
        """Counts power that flowed for a time; what is no such thing is not counted."""
        if not 0 < seconds < math.inf:
            return
        for phase, power in enumerate(power_w):
            counter = self.import_wh if power > 0 else self.export_wh
            counter[phase] += abs(power) * seconds / 3600

    def reset(self) -> None:
        self.import_wh = [0.0, 0.0, 0.0]
        self.export_wh = [0.0, 0.0, 0.0]
