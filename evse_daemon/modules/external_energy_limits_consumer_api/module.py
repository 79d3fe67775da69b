"""external_energy_limits_consumer_API: a program limits a node of the energy tree (EVerest's module of this name).

A limit stays as its last entry says, also when the program is lost: that is an error, and the limit is what it was.
"""

from __future__ import annotations

from functools import partial

from evse_daemon.everest_api.channels import hears, says
from evse_daemon.everest_api.module import EverestApiModule, LatchingOptions
from evse_daemon.framework.module import Provides, Requires
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.generic_error import GenericError
from evse_daemon.types.energy import CapabilityLimits, ExternalLimits


class external_energy_limits_consumer_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """Sets the limits that a program gives for a node of the energy tree."""

    class Options(LatchingOptions):
        """See LatchingOptions."""

    api_type = "external_energy_limits_consumer"
    channels = (
        hears(
            "set_external_limits",
            ExternalLimits,
            "the limits of the node, in place of those before",
            order=True,
        ),
        says("capabilities", CapabilityLimits, "the ratings of the node", latched=True),
    )

    main = Provides(GenericError)
    energy_node = Requires(ExternalEnergyLimits)

    def init(self) -> None:
        super().init()
        self.energy_node.subscribe(ExternalEnergyLimits.capabilities, partial(self.say, "capabilities"))
        self.hear("set_external_limits", self._set_limits)

    def _set_limits(self, limits: ExternalLimits) -> None:
        self.energy_node.call(ExternalEnergyLimits.set_external_limits, limits).then(
            None, partial(self.not_done, "set_external_limits")
        )
