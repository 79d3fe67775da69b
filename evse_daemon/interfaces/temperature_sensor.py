"""EVerest's interface ``temperature_sensor``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, var
from evse_daemon.types.temperature import Temperature


class TemperatureSensor(Interface, name="temperature_sensor", errors=("generic",)):
    """One or more temperatures."""

    temperatures: Var[list[Temperature]] = var(Kind.TELEMETRY)
