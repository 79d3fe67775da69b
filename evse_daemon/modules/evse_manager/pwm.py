"""The duty cycle that tells the car its current, IEC 61851-1 Tables A.7 and A.8."""

from __future__ import annotations

MIN_CURRENT_A = 6.0
"""The least current that can be signalled; below it there is no charging."""

TOLERANCE_A = 0.1
"""How far below 6 A or above 80 A a current still counts as the bound (EvseManager/Charger.cpp:1288)."""

MAX_CURRENT_A = 80.0


def enough(current_a: float) -> bool:
    """Whether a current allows charging; false for NaN."""
    return current_a >= MIN_CURRENT_A - TOLERANCE_A


def duty_for(current_a: float) -> float:
    """The duty cycle (0…1) that signals a current; 1.0, no PWM, where it cannot be signalled.

    Table A.8: duty % x 0.6 A between 10 % and 85 %, (duty % - 64) x 2.5 A above, up to 96 %. The two lines do not
    meet: what lies between 51 A and 52.5 A is signalled as 51 A.
    """
    if not enough(current_a) or current_a > MAX_CURRENT_A + TOLERANCE_A:
        return 1.0
    if current_a < 52.5:
        return min(max(current_a, MIN_CURRENT_A), 51.0) / 0.6 / 100
    return (min(current_a, MAX_CURRENT_A) / 2.5 + 64) / 100


def current_for(duty: float) -> float:
    """The current in ampere that a car may draw at a duty cycle (0…1), Table A.8; 0 where it may not draw any."""
    percent = duty * 100
    if not 8.0 <= percent <= 97.0:
        return 0.0
    if percent < 10.0:
        return MIN_CURRENT_A
    if percent <= 85.0:
        return percent * 0.6
    return min((percent - 64) * 2.5, MAX_CURRENT_A)
