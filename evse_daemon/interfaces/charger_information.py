"""EVerest's interface ``charger_information``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types import charger_information as charger_information_types


class ChargerInformation(Interface, name="charger_information"):
    """Make and model of the charger."""

    @command(timeout_s=10)
    def get_charger_information(self) -> charger_information_types.ChargerInformation:
        """Make, model and numbers of the charger."""
