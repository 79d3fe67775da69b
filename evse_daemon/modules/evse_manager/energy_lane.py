"""What an EVSE asks of the energy management, and what it is told by it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.modules.evse_manager import energy_request, enforced, events, guards
from evse_daemon.types.energy import EnforcedLimits

if TYPE_CHECKING:
    from evse_daemon.modules.evse_manager.module import EvseManager


class EnergyLane:
    """One leaf of the energy tree.

    Args:
        evse: the module.
    """

    def __init__(self, evse: EvseManager) -> None:
        self._evse = evse

    def register(self) -> None:
        """While the module is initialised."""
        self._evse.energy_grid.handle(Energy.enforce_limits, self._enforce_limits)

    def request(self, *, priority: bool) -> None:
        """Publishes what is needed now; with priority, it does not wait for the manager's next round."""
        evse = self._evse
        request = energy_request.request(
            evse.module_id,
            evse.state,
            evse.peers.grid_meter,
            evse.state.meter if evse.powermeter_car_side is not None else None,
            evse.context.bus.timestamp(),
            priority=priority,
            zero_in_idle=evse.options.request_zero_power_in_idle,
            local=evse.nodered.local,
        )
        if request is not None:
            evse.energy_grid.publish(Energy.energy_flow_request, request)

    def _enforce_limits(self, value: EnforcedLimits) -> None:
        evse = self._evse
        if value.uuid != evse.module_id:
            return
        evse.evse.publish(
            EvseManagerInterface.enforced_limits, energy_request.within_cable(value, evse.state.cable_limit_a)
        )
        power = value.limits_root_side.total_power_W
        evse.explained.enforced(value)
        if power is not None:
            evse.nodered.max_watt(power.value)
        phases = value.limits_root_side.ac_max_phase_count
        max_phases = phases.value if phases is not None else None
        shared_a = energy_request.shared_a(value, evse.options.ac_nominal_voltage)
        evse.feed(
            events.LimitChanged(
                energy_request.limit_a(value),
                evse.clock.now_s() + max(0, value.valid_for),
                max_phases,
                shared_a,
                at_once=enforced.by_rating(value, shared_a, max_phases or guards.phases(evse.state) or 3),
                chance=random.random(),
            )
        )
