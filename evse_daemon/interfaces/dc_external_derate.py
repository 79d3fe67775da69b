"""EVerest's interface ``dc_external_derate``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.dc_external_derate import ExternalDerating


class DcExternalDerate(Interface, name="dc_external_derate"):
    """Limits of a DC output from outside, such as by temperature."""

    plug_temperature_C: Var[float] = var(Kind.TELEMETRY)

    @command(timeout_s=10)
    def set_external_derating(self, derate: ExternalDerating) -> None:
        """Sets the limits; an absent one does not limit."""
