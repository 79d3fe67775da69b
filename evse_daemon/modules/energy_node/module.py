"""EnergyNode: one fuse of the energy tree (EVerest's module of this name)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from evse_daemon.framework.bus import Client
from evse_daemon.framework.module import (
    Context,
    Module,
    ModuleOptions,
    Provides,
    RequiresMany,
    RequiresOptional,
)
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.energy_price_information import EnergyPriceInformation
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.energy_node.request import Fuse, contains, flow_request, schedules, without_priority
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits, ExternalLimits
from evse_daemon.types.powermeter import Powermeter

T = TypeVar("T")

STALE_S = 10.0
"""A child or meter that was silent for this long is left out; an EvseManager asks every second."""


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    value: T
    at_s: float


class EnergyNode(Module):
    class Options(ModuleOptions):
        fuse_limit_A: Annotated[float, Field(ge=0)]
        """Per phase; limits from outside apply beside it."""
        phase_count: Annotated[int, Field(ge=0, le=3)] = 3
        nominal_voltage_V: Annotated[float, Field(ge=1, le=1000)] = 230.0
        """Between a phase and neutral."""
        enhance_external_schedule: bool = False
        """A power limit from outside gives a current limit, too, where there is none."""

    energy_grid = Provides(Energy)
    external_limits = Provides(ExternalEnergyLimits)
    energy_consumer = RequiresMany(Energy, minimum=1)
    powermeter = RequiresOptional(PowermeterInterface)
    price_information = RequiresOptional(EnergyPriceInformation)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        assert isinstance(options, EnergyNode.Options)
        self._fuse = Fuse(
            context.module_id,
            options.fuse_limit_A,
            options.phase_count,
            options.nominal_voltage_V,
            options.enhance_external_schedule,
        )
        self._external: ExternalLimits | None = None
        self._children: dict[int, Heard[EnergyFlowRequest]] = {}
        self._meter: Heard[Powermeter] | None = None

    def init(self) -> None:
        self.energy_grid.handle(Energy.enforce_limits, self._enforce_limits)
        self.external_limits.handle(ExternalEnergyLimits.set_external_limits, self._set_external_limits)
        for index, client in enumerate(self.energy_consumer):
            self._follow(index, client)
        if self.powermeter is not None:
            self.powermeter.subscribe(PowermeterInterface.powermeter, self._on_meter)

    def _follow(self, index: int, client: Client[Energy]) -> None:
        def heard(request: EnergyFlowRequest) -> None:
            self._children[index] = Heard(request, self.clock.now_s())
            self._publish_soon()

        client.subscribe(Energy.energy_flow_request, heard)

    def ready(self) -> None:
        self.external_limits.publish(ExternalEnergyLimits.capabilities, self._fuse.capabilities)
        self._publish()

    def _on_meter(self, meter: Powermeter) -> None:
        self._meter = Heard(meter, self.clock.now_s())
        self._publish_soon()

    def _set_external_limits(self, value: ExternalLimits) -> None:
        self._external = value
        self._publish_soon()

    def _enforce_limits(self, value: EnforcedLimits) -> None:
        """Passes limits on to the branch that their node is in, to all branches where that is not known."""
        if value.uuid == self.module_id:
            return
        branch = [index for index, child in self._children.items() if contains(child.value, value.uuid)]
        for index in branch or range(len(self.energy_consumer)):
            self.energy_consumer[index].call(Energy.enforce_limits, value)

    def _publish_soon(self) -> None:
        """One publication for all that has come in at the same moment."""
        self.context.inbox.put_latest("publish", self._publish)

    def _publish(self) -> None:
        oldest_s = self.clock.now_s() - STALE_S
        self._children = {index: child for index, child in self._children.items() if child.at_s > oldest_s}
        if self._meter is not None and self._meter.at_s <= oldest_s:
            self._meter = None
        request = flow_request(
            self._fuse,
            schedules(self._fuse, self._external, self.clock.utc()),
            [child.value for _, child in sorted(self._children.items())],
            self._meter.value if self._meter else None,
        )
        self.energy_grid.publish(Energy.energy_flow_request, request)
        self._children = {
            index: Heard(without_priority(child.value), child.at_s) for index, child in self._children.items()
        }
