"""EnergyManager: shares the current of the energy tree among its EVSEs (EVerest's module of this name)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.framework.clock import Timer
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, Requires, unsupported
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.energy_manager import EnergyManager as EnergyManagerInterface
from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.plan import Horizon, Lease, plan
from evse_daemon.modules.energy_manager.tree import is_urgent
from evse_daemon.types.energy import EnergyFlowRequest

STALE_S = 10.0
"""A tree that was silent for this long is served no more: the limits of its EVSEs expire."""

VALID_INTERVALS = 10
"""Limits are valid for this many update intervals (EVerest)."""


class EnergyManager(Module):
    """Enforces limits once in each interval, and at once when an EVSE asks for that."""

    class Options(ModuleOptions):
        nominal_ac_voltage: Annotated[float, Field(gt=0)] = 230.0
        update_interval: Annotated[int, Field(ge=1)] = 1
        """Seconds"""
        schedule_interval_duration: Annotated[int, Field(ge=1)] = 60
        """Minutes"""
        schedule_total_duration: Annotated[int, Field(ge=1)] = 1
        """Hours"""
        slice_ampere: Annotated[float, Field(gt=0)] = 0.5
        slice_watt: float = unsupported(500)
        debug: bool = unsupported(False)
        switch_3ph1ph_while_charging_mode: Literal["Never", "Oneway", "Both"] = unsupported("Never")
        switch_3ph1ph_max_nr_of_switches_per_session: int = unsupported(0)
        switch_3ph1ph_switch_limit_stickyness: Literal["SinglePhase", "ThreePhase", "DontChange"] = (
            unsupported("DontChange")
        )
        switch_3ph1ph_power_hysteresis_W: int = unsupported(200)
        switch_3ph1ph_time_hysteresis_s: int = unsupported(600)

    main = Provides(EnergyManagerInterface)
    energy_trunk = Requires(Energy)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        assert isinstance(options, EnergyManager.Options)
        self._interval_s = options.update_interval
        self._terms = Terms(options.slice_ampere, options.nominal_ac_voltage)
        self._horizon = Horizon(
            dt.timedelta(minutes=options.schedule_interval_duration),
            dt.timedelta(hours=options.schedule_total_duration),
            VALID_INTERVALS * options.update_interval,
        )
        self._tree: EnergyFlowRequest | None = None
        self._tree_at_s = 0.0
        self._leases: dict[str, Lease] = {}
        self._timer: Timer | None = None

    def init(self) -> None:
        self.energy_trunk.subscribe(Energy.energy_flow_request, self._on_request)

    def ready(self) -> None:
        self._round()

    def _on_request(self, request: EnergyFlowRequest) -> None:
        first = self._tree is None
        self._tree = request
        self._tree_at_s = self.clock.now_s()
        if first or is_urgent(request):
            self._round()

    def _round(self) -> None:
        """Enforces limits, and again after an interval."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.after(self._interval_s, self._round)
        now_s = self.clock.now_s()
        if self._tree is None or now_s - self._tree_at_s > STALE_S:
            return
        result = plan(self._tree, self._leases, self.clock.utc(), now_s, self._terms, self._horizon)
        self._leases = result.leases
        for limits in result.enforced:
            self.energy_trunk.call(Energy.enforce_limits, limits)
