"""The control pilot wire: what the board puts on it, what the car makes of it, what the board reads (IEC 61851-1 A)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evse_daemon.types.ev_board_support import EvCpState

CpState = Literal["A", "B", "C", "D", "E", "F"]

TOLERANCE_V = 1.1
"""How far a voltage may be off its nominal value."""

LOW_V = -12.0
"""The negative half wave, and both in state F."""

HIGH_V: dict[EvCpState, float] = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0}
"""The positive half wave by the state that the car chooses (Table A.2); E is a short circuit."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """What the board puts on the wire: +12 V (X1), a PWM signal (X2), or -12 V (F)."""

    mode: Literal["X1", "PWM", "F"]
    duty_percent: float = 100.0

    @property
    def running(self) -> bool:
        return self.mode == "PWM"


X1 = Pilot("X1")
F = Pilot("F")


def pwm(duty_percent: float) -> Pilot:
    """PWM of a duty cycle; what is no PWM (0 % and less, 100 % and more, not a number) is X1."""
    return Pilot("PWM", duty_percent) if 0 < duty_percent < 100 else X1


@dataclass(frozen=True, slots=True)
class Levels:
    """The voltages of the positive and negative half wave; equal where there is no PWM."""

    high_v: float
    low_v: float


def levels(pilot: Pilot, car: EvCpState, *, diode_shorted: bool) -> Levels:
    """What is on the wire; a shorted diode lets the car load the negative half wave too."""
    if pilot.mode == "F":
        return Levels(LOW_V, LOW_V)
    high_v = HIGH_V[car]
    if car == "E" or not pilot.running:
        return Levels(high_v, high_v)
    return Levels(high_v, -high_v if diode_shorted else LOW_V)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the board makes of the voltages."""

    state: CpState | None
    """None until the first voltage that fits a state."""
    diode_shorted: bool


UNREAD = Reading(None, diode_shorted=False)


def read(measured: Levels, pilot: Pilot, before: Reading) -> Reading:
    """The state by the voltages; voltages that fit none leave it as it was.

    A shorted diode shows only while PWM runs and the car is there; it counts until the plug is out (state A).
    """
    high_v, low_v = measured.high_v, measured.low_v
    if pilot.running and not _near(low_v, LOW_V):
        if _near(high_v, 0) and _near(low_v, 0):
            return Reading("E", before.diode_shorted)
        return Reading(before.state, before.diode_shorted or _near(high_v + low_v, 0))
    if _near(high_v, LOW_V):
        return Reading("F", before.diode_shorted)
    for state, nominal_v in HIGH_V.items():
        if _near(high_v, nominal_v):
            return Reading(state, before.diode_shorted and state != "A")
    return before


def _near(voltage_v: float, nominal_v: float) -> bool:
    return abs(voltage_v - nominal_v) <= TOLERANCE_V
