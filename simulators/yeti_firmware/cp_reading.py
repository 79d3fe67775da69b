"""What the firmware makes of the control pilot's voltages (drivers.md §4; ControlPilot.cpp of the firmware)."""

from __future__ import annotations

from enum import StrEnum

from simulators.yeti_firmware.messages import CpState
from simulators.yeti_simulator.control_pilot import Levels

WINDOW_V = 1.1
"""A voltage must be nearer than this to its nominal value."""

LOW_V = -12.0


class CpRead(StrEnum):
    """The states of the firmware's own state machine."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    DF = "DF"
    """Diode fault"""

    @property
    def told(self) -> CpState:
        """As the host hears of it: a diode fault is an F, beside its error flag."""
        return CpState.F if self is CpRead.DF else CpState[self.value]


_BY_HIGH_V = ((12.0, CpRead.A), (9.0, CpRead.B), (6.0, CpRead.C), (3.0, CpRead.D), (LOW_V, CpRead.F))


def read(measured: Levels, *, pwm_running: bool) -> CpRead | None:
    """The state by the voltages; None where the signal is invalid: nothing is decided in this pass.

    A short to earth is looked for first, then the negative half wave, if there is one; a voltage between the windows
    is no state.

    Args:
        measured: both half waves.
        pwm_running: whether the board puts out PWM.
    """
    high_v, low_v = measured.high_v, measured.low_v
    if _near(high_v, 0.0):
        return CpRead.E
    if pwm_running and not _near(low_v, LOW_V):
        return CpRead.DF if _near(high_v + low_v, 0.0) else None
    return next((state for nominal_v, state in _BY_HIGH_V if _near(high_v, nominal_v)), None)


def _near(voltage_v: float, nominal_v: float) -> bool:
    return nominal_v - WINDOW_V < voltage_v < nominal_v + WINDOW_V
