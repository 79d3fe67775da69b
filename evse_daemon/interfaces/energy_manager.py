"""EVerest's interface ``energy_manager``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface


class EnergyManager(Interface, name="energy_manager"):
    """The root of the energy tree."""
