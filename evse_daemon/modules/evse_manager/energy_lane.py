"""What an EVSE asks of the energy management, and what it is told by it."""

from __future__ import annotations

import random
from collections.abc import Callable

from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.modules.evse_manager import energy_request, enforced, events, guards
from evse_daemon.modules.evse_manager.local_limits import Sliders
from evse_daemon.modules.evse_manager.peers import Peers
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.types.energy import EnforcedLimits


class EnergyLane:
    """One leaf of the energy tree.

    Args:
        evse: which EVSE.
        peers: what the meter on the grid's side says.
        sliders: what is allowed at the charger itself.
        enforced: told of each limit that is set for this EVSE.
    """

    def __init__(
        self, evse: EvseShell, peers: Peers, sliders: Sliders, enforced: Callable[[EnforcedLimits], None]
    ) -> None:
        self._evse = evse
        self._peers = peers
        self._sliders = sliders
        self._enforced = enforced

    def register(self) -> None:
        """While the module is initialised."""
        self._evse.energy_grid.handle(Energy.enforce_limits, self._enforce_limits)

    def request(self) -> None:
        """Publishes what is needed; the manager comes to it in its next round."""
        self._request(priority=False)

    def request_now(self) -> None:
        """Publishes what is needed now; the manager does not wait for its next round."""
        self._request(priority=True)

    def _request(self, *, priority: bool) -> None:
        evse = self._evse
        request = energy_request.request(
            evse.module_id,
            evse.state,
            self._peers.grid_meter,
            evse.state.meter if evse.powermeter_car_side is not None else None,
            evse.context.bus.timestamp(),
            priority=priority,
            zero_in_idle=evse.options.request_zero_power_in_idle,
            local=self._sliders.limits,
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
        self._enforced(value)
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
