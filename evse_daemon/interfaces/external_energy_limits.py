"""EVerest's interface ``external_energy_limits``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.energy import CapabilityLimits, ExternalLimits


class ExternalEnergyLimits(Interface, name="external_energy_limits"):
    """Limits set on a node from outside the energy tree, such as by OCPP."""

    capabilities: Var[CapabilityLimits] = var(Kind.STATE)
    """At start at least."""

    @command(timeout_s=10)
    def set_external_limits(self, value: ExternalLimits) -> None:
        """Replaces the limits from outside at this node."""
