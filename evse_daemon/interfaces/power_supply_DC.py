# ruff: noqa: N999 -- EVerest's name
"""EVerest's interface ``power_supply_DC``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.power_supply_DC import Capabilities, ChargingPhase, Mode, VoltageCurrent


class PowerSupplyDC(Interface, name="power_supply_DC", errors=("power_supply_DC",), hardware=True):
    """A DC power supply."""

    voltage_current: Var[VoltageCurrent] = var(Kind.TELEMETRY)
    mode: Var[Mode] = var(Kind.STATE)
    capabilities: Var[Capabilities] = var(Kind.STATE)

    @command(timeout_s=5)
    def setMode(self, mode: Mode, phase: ChargingPhase) -> None:
        """Switches the output, and says in which phase of charging."""

    @command(timeout_s=5)
    def setExportVoltageCurrent(self, voltage: float, current: float) -> None:
        """Target voltage and current limit of the output."""

    @command(timeout_s=5)
    def setImportVoltageCurrent(self, voltage: float, current: float) -> None:
        """Lowest voltage and current limit when drawing from the car."""
