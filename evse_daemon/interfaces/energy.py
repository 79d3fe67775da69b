"""EVerest's interface ``energy``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits


class Energy(Interface, name="energy"):
    """A node of the energy tree."""

    energy_flow_request: Var[EnergyFlowRequest] = var(Kind.TELEMETRY)

    @command(timeout_s=10)
    def enforce_limits(self, value: EnforcedLimits) -> None:
        """Limits for a node of this branch, passed on to the children."""
