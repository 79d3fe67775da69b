"""EVerest's interface ``energy_price_information``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, var
from evse_daemon.types.energy_price_information import EnergyPriceSchedule


class EnergyPriceInformation(Interface, name="energy_price_information"):
    """A forecast of prices."""

    energy_pricing: Var[EnergyPriceSchedule] = var(Kind.STATE)
