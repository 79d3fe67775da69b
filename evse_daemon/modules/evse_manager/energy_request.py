"""What the EVSE asks of the energy tree, and what an enforced limit means for it (EvseManager/energy_grid/energyImpl.cpp)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from evse_daemon.modules.evse_manager import energy_idle, guards
from evse_daemon.modules.evse_manager.local_limits import UNLIMITED, LocalLimits, within
from evse_daemon.modules.evse_manager.state import ChargerState, State
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    EnforcedLimits,
    EvseState,
    IntegerWithSource,
    LimitsReq,
    NumberWithSource,
    ScheduleReqEntry,
)
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.powermeter import Powermeter

EVSE_STATES: dict[ChargerState, EvseState] = {
    "Starting": "Disabled",
    "Disabled": "Disabled",
    "Idle": "Unplugged",
    "WaitingForAuthentication": "WaitForAuth",
    "PrepareCharging": "PrepareCharging",
    "T_step_EF": "PrepareCharging",
    "Charging": "Charging",
    "ChargingPausedEV": "PausedEV",
    "ChargingPausedEVSE": "PausedEVSE",
    "StoppingCharging": "Finished",
    "Finished": "Finished",
    "SwitchPhases": "Charging",
}


def _root(
    capabilities: HardwareCapabilities,
    source: str,
    max_a: float,
    min_a: float,
    phases: tuple[int, int],
    active_phases: int | None,
) -> LimitsReq:
    return LimitsReq(
        ac_max_current_A=NumberWithSource(value=max_a, source=source),
        ac_min_current_A=NumberWithSource(value=min_a, source=source),
        ac_max_phase_count=IntegerWithSource(value=phases[1], source=source),
        ac_min_phase_count=IntegerWithSource(value=phases[0], source=source),
        ac_supports_changing_phases_during_charging=capabilities.supports_changing_phases_during_charging,
        ac_number_of_active_phases=active_phases,
    )


def request(
    module_id: str,
    state: State,
    usage_root: Powermeter | None,
    usage_leaves: Powermeter | None,
    utc: str,
    *,
    priority: bool,
    zero_in_idle: bool = False,
    local: LocalLimits = UNLIMITED,
) -> EnergyFlowRequest | None:
    """The EVSE's energy flow request; None before the board told its capabilities.

    Args:
        module_id: the node's id in the energy tree.
        state: the kernel's state.
        usage_root: the newest sample of the meter on the grid side.
        usage_leaves: the newest sample of the meter on the car's side.
        utc: now, RFC 3339.
        priority: to be handled at once.
        zero_in_idle: the option request_zero_power_in_idle.
        local: what is set at the EVSE itself.
    """
    if state.capabilities is None:
        return None
    limits = _limits(module_id, state.capabilities, state.cable_limit_a, guards.phases(state), local)
    if zero_in_idle and energy_idle.wants_nothing(state):
        limits = _IDLE
    elif zero_in_idle and state.charger == "ChargingPausedEV":
        limits = _least(limits)
    return EnergyFlowRequest(
        uuid=module_id,
        node_type="Evse",
        children=[],
        priority_request=priority,
        evse_state=EVSE_STATES[state.charger],
        energy_usage_root=usage_root,
        energy_usage_leaves=usage_leaves,
        schedule_import=[
            ScheduleReqEntry(
                timestamp=utc, limits_to_root=limits.import_root, limits_to_leaves=limits.import_leaves
            )
        ],
        schedule_export=[
            ScheduleReqEntry(
                timestamp=utc, limits_to_root=limits.export_root, limits_to_leaves=limits.export_leaves
            )
        ],
        schedule_setpoints=[],
    )


class _Limits(NamedTuple):
    """Of both directions and both sides; they seldom change, and a request is made every second."""

    import_root: LimitsReq
    import_leaves: LimitsReq
    export_root: LimitsReq
    export_leaves: LimitsReq


_NOTHING = LimitsReq(ac_max_current_A=NumberWithSource(value=0.0, source="Idle"))

_IDLE = _Limits(LimitsReq(), _NOTHING, LimitsReq(), _NOTHING)


def _least(limits: _Limits) -> _Limits:
    """A paused car holds no more than the least from others."""
    root = limits.import_root
    return limits._replace(import_root=root.model_copy(update={"ac_max_current_A": root.ac_min_current_A}))


@lru_cache(maxsize=1024)
def _limits(
    module_id: str,
    capabilities: HardwareCapabilities,
    cable_limit_a: float | None,
    active_phases: int | None,
    local: LocalLimits,
) -> _Limits:
    source = f"{module_id}/evse_board_support_caps"
    max_a, max_source = capabilities.max_current_A_import, source
    if cable_limit_a is not None and cable_limit_a < max_a:
        max_a, max_source = cable_limit_a, f"{module_id}/pp_ampacity"
    none = NumberWithSource(value=0.0, source=f"{module_id}/no_discharging")
    import_root = _root(
        capabilities,
        max_source,
        max_a,
        capabilities.min_current_A_import,
        (capabilities.min_phase_count_import, capabilities.max_phase_count_import),
        active_phases,
    )
    return _Limits(
        within(import_root, local, module_id),
        LimitsReq(ac_max_current_A=NumberWithSource(value=max_a, source=max_source)),
        _root(
            capabilities,
            source,
            capabilities.max_current_A_export,
            capabilities.min_current_A_export,
            (capabilities.min_phase_count_export, capabilities.max_phase_count_export),
            active_phases,
        ),
        LimitsReq(ac_max_current_A=none, total_power_W=none),
    )


def limit_a(enforced: EnforcedLimits) -> float:
    """The current per phase in ampere that an enforced limit allows; 0 where it names none."""
    current = enforced.limits_root_side.ac_max_current_A
    return max(0.0, current.value) if current is not None else 0.0


def shared_a(enforced: EnforcedLimits, nominal_voltage_v: float) -> float | None:
    """What a limit in watt allows, as the sum of the currents in ampere of all phases; None where there is none."""
    power = enforced.limits_root_side.total_power_W
    return max(0.0, power.value / nominal_voltage_v) if power is not None else None


def within_cable(enforced: EnforcedLimits, cable_limit_a: float | None) -> EnforcedLimits:
    """The enforced limit as it is told to others: not above what the cable carries (energyImpl.cpp:503)."""
    current = enforced.limits_root_side.ac_max_current_A
    if current is None or cable_limit_a is None or current.value <= cable_limit_a:
        return enforced
    capped = current.model_copy(update={"value": cable_limit_a})
    limits = enforced.limits_root_side.model_copy(update={"ac_max_current_A": capped})
    return enforced.model_copy(update={"limits_root_side": limits})
