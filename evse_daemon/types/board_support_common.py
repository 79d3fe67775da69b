"""What boards of an EVSE and of an EV have in common."""

from __future__ import annotations

from typing import Literal

from evse_daemon.types.base import EverestType, OpenType

Event = Literal["A", "B", "C", "D", "E", "F", "PowerOn", "PowerOff", "Disconnected"]


class BspEvent(EverestType):
    event: Event


Ampacity = Literal["None", "A_13", "A_20", "A_32", "A_63_3ph_70_1ph"]


class ProximityPilot(EverestType):
    """The rating of the cable by its proximity resistor."""

    ampacity: Ampacity


class BspMeasurement(OpenType):
    proximity_pilot: ProximityPilot
    cp_pwm_duty_cycle: float
    rcd_current_mA: float | None = None
