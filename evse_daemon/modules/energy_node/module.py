"""EnergyNode: one fuse of the energy tree (EVerest's module of this name)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import Field

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import (
    Context,
    Module,
    ModuleOptions,
    Provides,
    RequiresMany,
    RequiresOptional,
    read_write,
)
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.energy_price_information import EnergyPriceInformation
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.energy_manager import problems
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.modules.energy_node import external, measured
from evse_daemon.modules.energy_node.children import STALE_S, Children
from evse_daemon.modules.energy_node.prices import with_prices
from evse_daemon.modules.energy_node.request import Fuse, Schedules, flow_request, schedules
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits, ExternalLimits
from evse_daemon.types.energy_price_information import EnergyPriceSchedule
from evse_daemon.types.powermeter import Powermeter

WATCH_S = 1.0
"""How often is looked for who is silent, and passed on what waited for others."""


class EnergyNode(Module):
    class Options(ModuleOptions):
        fuse_limit_A: Annotated[float, Field(ge=0)] = read_write()
        """Per phase; limits from outside apply beside it."""
        phase_count: Annotated[int, Field(ge=0, le=3)] = read_write(3)
        nominal_voltage_V: Annotated[float, Field(ge=1, le=1000)] = read_write(230.0)
        """Between a phase and neutral."""
        enhance_external_schedule: bool = read_write(False)
        """A power limit from outside gives a current limit, too, where there is none."""

    energy_grid = Provides(Energy)
    external_limits = Provides(ExternalEnergyLimits)
    energy_consumer = RequiresMany(Energy, minimum=1)
    powermeter = RequiresOptional(PowermeterInterface)
    price_information = RequiresOptional(EnergyPriceInformation)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._fuse = _fuse(context)
        self._received: external.Received | None = None
        self._silent = external.is_silent(context.limit_source, None, 0.0)
        self._prices = EnergyPriceSchedule(schedule_import=[], schedule_export=[])
        self._schedules: Schedules | None = None
        self._schedules_at = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._meter: Powermeter | None = None
        self._meter_at_s = 0.0
        self._problems: tuple[Problem, ...] = ()

    def init(self) -> None:
        self._children = Children(self.module_id, tuple(client.module_id for client in self.energy_consumer))
        self.energy_grid.handle(Energy.enforce_limits, self._enforce_limits)
        self.external_limits.handle(ExternalEnergyLimits.set_external_limits, self._set_external_limits)
        for index, client in enumerate(self.energy_consumer):
            client.subscribe(Energy.energy_flow_request, partial(self._heard, index))
        if self.powermeter is not None:
            self.powermeter.subscribe(PowermeterInterface.powermeter, self._on_meter)
        if self.price_information is not None:
            self.price_information.subscribe(EnergyPriceInformation.energy_pricing, self._on_prices)

    def ready(self) -> None:
        self.external_limits.publish(ExternalEnergyLimits.capabilities, self._fuse.capabilities)
        self._publish()
        self._tell()
        self.every(WATCH_S, self._watch)

    def reconfigure(self, context: Context) -> None:
        """A lower fuse counts at once; a higher one when the energy manager has made room for it."""
        fuse = _fuse(context)
        super().reconfigure(context)
        if fuse != self._fuse:
            self._fuse = fuse
            self.external_limits.publish(ExternalEnergyLimits.capabilities, fuse.capabilities)
        self._silent = external.is_silent(context.limit_source, self._received, self.clock.now_s())
        self._renew()
        self._tell()

    def _heard(self, index: int, request: EnergyFlowRequest) -> None:
        if self._children.hear(index, request, self.clock.now_s()):
            self._publish_soon()
        self._tell()

    def _on_meter(self, meter: Powermeter) -> None:
        self._meter, self._meter_at_s = meter, self.clock.now_s()
        self._publish_soon()

    def _on_prices(self, prices: EnergyPriceSchedule) -> None:
        self._prices = prices
        self._renew()

    def _set_external_limits(self, value: ExternalLimits) -> None:
        self._received, self._silent = external.Received(value, self.clock.now_s()), False
        self._renew()
        self._tell()

    def _enforce_limits(self, value: EnforcedLimits) -> None:
        """Passes limits on to the branch that their node is in, to all branches where that is not known."""
        if value.uuid != self.module_id:
            for index in self._children.branches(value.uuid):
                self.energy_consumer[index].call(Energy.enforce_limits, value)

    def _watch(self) -> None:
        now_s = self.clock.now_s()
        gone = self._children.forget_silent(now_s)
        if external.is_silent(self.context.limit_source, self._received, now_s) and not self._silent:
            self._silent = True
            self._renew()
        elif gone or self._children.untold:
            self._publish_soon()
        self._tell()

    def _tell(self) -> None:
        found = self._children.problems()
        if self._silent and self.context.limit_source is not None:
            found += (external.problem(self.module_id, self.context.limit_source, self._received),)
        if found == self._problems:
            return
        problems.tell(self._seldom, self._problems, found)
        self._problems = found

    def measures(self) -> Iterator[Measure]:
        request = self.energy_grid.last_values.get(Energy.energy_flow_request.name)
        if request is not None:
            yield from measured.limits(self._fuse, request, self.clock.utc())
        if self.context.limit_source is not None:
            yield names.NODE_SILENT.of(self._silent, self.module_id)
        if self._received is not None:
            age_s = self.clock.now_s() - self._received.at_s
            yield names.NODE_HEARD.of(self.clock.utc().timestamp() - age_s, self.module_id)

    def _renew(self) -> None:
        self._schedules = None
        self._publish_soon()

    def _publish_soon(self) -> None:
        """One publication for all that has come in at the same moment."""
        self.context.inbox.put_latest("publish", self._publish)

    def _publish(self) -> None:
        now_s = self.clock.now_s()
        self._children.forget_silent(now_s)
        if self._meter is not None and now_s - self._meter_at_s >= STALE_S:
            self._meter = None
        request = flow_request(self._fuse, self._schedules_now(), self._children.requests(), self._meter)
        self.energy_grid.publish(Energy.energy_flow_request, request)

    def _schedules_now(self) -> Schedules:
        """The schedules of the present hour; they are made anew when something in them changes."""
        now = self.clock.utc()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._schedules is not None and self._schedules_at == hour:
            return self._schedules
        limits = None if self._received is None else self._received.limits
        if self._silent and self.context.limit_source is not None:
            limits = external.safe_limits(self.module_id, self.context.limit_source, now)
        plain = schedules(self._fuse, limits, now)
        self._schedules_at = hour
        self._schedules = Schedules(
            with_prices(plain.schedule_import, self._prices.schedule_import, now),
            with_prices(plain.schedule_export, self._prices.schedule_export, now),
            plain.schedule_setpoints,
        )
        return self._schedules


def _fuse(context: Context) -> Fuse:
    options = context.options
    assert isinstance(options, EnergyNode.Options)
    return Fuse(
        context.module_id,
        options.fuse_limit_A,
        options.phase_count,
        options.nominal_voltage_V,
        options.enhance_external_schedule,
    )
