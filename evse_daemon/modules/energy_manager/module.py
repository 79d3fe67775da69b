"""EnergyManager: shares the current of the energy tree among its EVSEs (EVerest's module of this name)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from evse_daemon.framework.clock import Timer
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, Requires, read_write
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.energy_manager import EnergyManager as EnergyManagerInterface
from evse_daemon.modules.energy_manager import problems
from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.needs import same_needs
from evse_daemon.modules.energy_manager.phases import Mode, Policy, Stickiness
from evse_daemon.modules.energy_manager.plan import Horizon, Plan, plan, renewed
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.modules.energy_manager.tree import is_urgent
from evse_daemon.types.energy import EnergyFlowRequest

STALE_S = 10.0
"""A tree that was silent for this long is served no more: the limits of its EVSEs expire."""

VALID_INTERVALS = 10
"""Limits are valid for this many update intervals (EVerest)."""

APART_S = 0.1
"""Rounds that somebody asks for are at least this far apart: two hundred EVSEs that change at once cost a few rounds."""


class EnergyManager(Module):
    """Enforces limits once in each interval, and at once when the tree asks for that or has changed."""

    class Options(ModuleOptions):
        nominal_ac_voltage: Annotated[float, Field(gt=0)] = read_write(230.0)
        """Between a phase and neutral, in V; by it watt and ampere are converted."""
        update_interval: Annotated[int, Field(ge=1)] = 1
        """Seconds; limits are valid for ten of it."""
        schedule_interval_duration: Annotated[int, Field(ge=1, le=10_080)] = read_write(60)
        """Minutes"""
        schedule_total_duration: Annotated[int, Field(ge=1, le=8_784)] = read_write(1)
        """Hours"""
        slice_ampere: Annotated[float, Field(gt=0)] = read_write(0.5)
        """Without effect: shares are exactly even, as with the smallest slice."""
        slice_watt: Annotated[float, Field(gt=0)] = read_write(500)
        """Without effect, as slice_ampere."""
        debug: bool = read_write(False)
        """Tell the limits of each round in the log."""
        switch_3ph1ph_while_charging_mode: Mode = read_write("Never")
        """Whether power limits switch phases: Never, from three to one (Oneway), or Both ways."""
        switch_3ph1ph_max_nr_of_switches_per_session: Annotated[int, Field(ge=0)] = read_write(0)
        """0 is no limit."""
        switch_3ph1ph_switch_limit_stickyness: Stickiness = read_write("DontChange")
        """On how many phases it stays when the limit of switches is reached."""
        switch_3ph1ph_power_hysteresis_W: Annotated[int, Field(ge=0)] = read_write(200)
        """So much more than three phases need at least has to be there before they are used again."""
        switch_3ph1ph_time_hysteresis_s: Annotated[int, Field(ge=0)] = read_write(600)
        """For so long it has to be there; to one phase it goes at once."""

    main = Provides(EnergyManagerInterface)
    energy_trunk = Requires(Energy)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._take(context)
        self._tree: EnergyFlowRequest | None = None
        self._tree_at_s = 0.0
        self._served: EnergyFlowRequest | None = None
        """The tree of the last round."""
        self._plan = Plan()
        self._problems: tuple[Problem, ...] = ()
        self._timer: Timer | None = None
        self._round_at_s = -APART_S

    def _take(self, context: Context) -> None:
        options = context.options
        assert isinstance(options, EnergyManager.Options)
        self._debug = options.debug
        self._interval_s = options.update_interval
        self._terms = Terms(
            options.nominal_ac_voltage,
            Policy(
                options.switch_3ph1ph_while_charging_mode,
                options.switch_3ph1ph_max_nr_of_switches_per_session,
                options.switch_3ph1ph_switch_limit_stickyness,
                options.switch_3ph1ph_power_hysteresis_W,
                options.switch_3ph1ph_time_hysteresis_s,
            ),
        )
        self._horizon = Horizon(
            dt.timedelta(minutes=options.schedule_interval_duration),
            dt.timedelta(hours=options.schedule_total_duration),
            VALID_INTERVALS * options.update_interval,
        )

    def reconfigure(self, context: Context) -> None:
        """The next round goes by the new options, and is now."""
        super().reconfigure(context)
        self._take(context)
        self._served = None
        self._round()

    def init(self) -> None:
        self.energy_trunk.subscribe(Energy.energy_flow_request, self._on_request)

    def ready(self) -> None:
        self._round()
        self.every(self._interval_s, self._round)

    def _on_request(self, request: EnergyFlowRequest) -> None:
        self._tree = request
        self._tree_at_s = self.clock.now_s()
        if self._served is None or is_urgent(request) or not same_needs(self._served, request):
            wait_s = self._round_at_s + APART_S - self._tree_at_s
            if wait_s <= 0:
                self._round()
            elif self._timer is None:
                self._timer = self.after(wait_s, self._round)

    def _round(self) -> None:
        """Enforces limits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, now_s = self.clock.utc(), self.clock.now_s()
        if self._tree is None:
            return
        self._round_at_s = now_s
        silent_s = now_s - self._tree_at_s
        if silent_s > STALE_S:
            what = f"nothing was heard of the energy tree for {STALE_S:g} s; its EVSEs' limits expire"
            self._tell((Problem("TreeSilent", self.energy_trunk.module_id, what),))
            return
        if self._served is not None and self._plan.holds(now, now_s) and same_needs(self._served, self._tree):
            self._plan = renewed(self._plan, now, now_s, self._horizon)
        else:
            self._plan = plan(self._tree, self._plan.books, now, now_s, self._terms, self._horizon)
        self._served = self._tree
        self._tell(self._plan.problems)
        for limits in self._plan.enforced:
            self.energy_trunk.call(Energy.enforce_limits, limits)
        if self._debug:
            self._explain()

    def _tell(self, found: tuple[Problem, ...]) -> None:
        problems.tell(self._seldom, self._problems, found)
        self._problems = found

    def _explain(self) -> None:
        for limits in self._plan.enforced:
            root = limits.limits_root_side
            current, power, phases = root.ac_max_current_A, root.total_power_W, root.ac_max_phase_count
            self.log.info(
                "limits",
                evse=limits.uuid,
                current_A=None if current is None else round(current.value, 3),
                power_W=None if power is None else round(power.value, 1),
                phases=None if phases is None else phases.value,
                source=", ".join(
                    dict.fromkeys(limit.source for limit in (current, power) if limit is not None)
                ),
            )
