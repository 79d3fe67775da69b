"""What the EVSE asks of the energy tree, and what an enforced limit means for it (EvseManager/energy_grid/energyImpl.cpp)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import guards
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
}

WITH_CAR: frozenset[str] = frozenset(
    {
        "WaitingForAuthentication",
        "PrepareCharging",
        "T_step_EF",
        "SwitchPhases",
        "Charging",
        "ChargingPausedEV",
    }
)
"""States in which energy is asked for also where an idle EVSE asks for none."""

RATINGS = ("/module_config", "/evse_board_support_caps", "/pp_ampacity")
"""How the source of a limit ends that no one asks for: a fuse's, the board's, the cable's."""

SAME_A = 1e-6
"""Limits that differ by less are equal."""


def wants_nothing(state: State) -> bool:
    """Whether an EVSE that asks for no power in idle (option request_zero_power_in_idle) is idle.

    A pause counts while somebody or a fault wants it. One for lack of energy asks for energy, else it would never end,
    as in EVerest; so does a stop that the car has caused.
    """
    if state.charger in WITH_CAR:
        return False
    if state.charger not in ("StoppingCharging", "ChargingPausedEVSE"):
        return True
    session = state.session
    return (
        session.paused_by_user
        or not session.authorized
        or guards.blocked(state)
        or not guards.enabled(state)
        or not state.pilot.plugged
    )


def _root(
    capabilities: HardwareCapabilities, source: str, max_a: float, min_a: float, phases: tuple[int, int]
) -> LimitsReq:
    return LimitsReq(
        ac_max_current_A=NumberWithSource(value=max_a, source=source),
        ac_min_current_A=NumberWithSource(value=min_a, source=source),
        ac_max_phase_count=IntegerWithSource(value=phases[1], source=source),
        ac_min_phase_count=IntegerWithSource(value=phases[0], source=source),
        ac_supports_changing_phases_during_charging=capabilities.supports_changing_phases_during_charging,
        ac_number_of_active_phases=capabilities.max_phase_count_import,
    )


def request(
    module_id: str,
    state: State,
    usage: Powermeter | None,
    utc: str,
    *,
    priority: bool,
    usage_car: Powermeter | None = None,
    zero_in_idle: bool = False,
) -> EnergyFlowRequest | None:
    """The EVSE's energy flow request; None before the board told its capabilities.

    Args:
        module_id: the node's id in the energy tree.
        state: the kernel's state.
        usage: the newest sample of the meter on the grid side.
        utc: now, RFC 3339.
        priority: to be handled at once.
        usage_car: the newest sample of the meter on the car's side.
        zero_in_idle: the option request_zero_power_in_idle.
    """
    capabilities = state.capabilities
    if capabilities is None:
        return None
    source = f"{module_id}/evse_board_support_caps"
    max_a, max_source = capabilities.max_current_A_import, source
    if state.cable_limit_a is not None and state.cable_limit_a < max_a:
        max_a, max_source = state.cable_limit_a, f"{module_id}/pp_ampacity"
    none = NumberWithSource(value=0.0, source=f"{module_id}/no_discharging")
    if zero_in_idle and wants_nothing(state):
        return _idle(module_id, state, usage, usage_car, utc, priority=priority)
    root_a = max_a
    if zero_in_idle and state.charger == "ChargingPausedEV":
        root_a = min(max_a, capabilities.min_current_A_import)
    return EnergyFlowRequest(
        uuid=module_id,
        node_type="Evse",
        children=[],
        priority_request=priority,
        evse_state=EVSE_STATES[state.charger],
        energy_usage_root=usage,
        energy_usage_leaves=usage_car,
        schedule_import=[
            ScheduleReqEntry(
                timestamp=utc,
                limits_to_root=_root(
                    capabilities,
                    max_source,
                    root_a,
                    capabilities.min_current_A_import,
                    (capabilities.min_phase_count_import, capabilities.max_phase_count_import),
                ),
                limits_to_leaves=LimitsReq(ac_max_current_A=NumberWithSource(value=max_a, source=max_source)),
            )
        ],
        schedule_export=[
            ScheduleReqEntry(
                timestamp=utc,
                limits_to_root=_root(
                    capabilities,
                    source,
                    capabilities.max_current_A_export,
                    capabilities.min_current_A_export,
                    (capabilities.min_phase_count_export, capabilities.max_phase_count_export),
                ),
                limits_to_leaves=LimitsReq(ac_max_current_A=none, total_power_W=none),
            )
        ],
        schedule_setpoints=[],
    )


def _idle(
    module_id: str,
    state: State,
    usage: Powermeter | None,
    usage_car: Powermeter | None,
    utc: str,
    *,
    priority: bool,
) -> EnergyFlowRequest:
    nothing = ScheduleReqEntry(
        timestamp=utc,
        limits_to_root=LimitsReq(),
        limits_to_leaves=LimitsReq(ac_max_current_A=NumberWithSource(value=0.0, source="Idle")),
    )
    return EnergyFlowRequest(
        uuid=module_id,
        node_type="Evse",
        children=[],
        priority_request=priority,
        evse_state=EVSE_STATES[state.charger],
        energy_usage_root=usage,
        energy_usage_leaves=usage_car,
        schedule_import=[nothing],
        schedule_export=[nothing],
        schedule_setpoints=[],
    )


def by_rating(enforced: EnforcedLimits, nominal_voltage_v: float, phases: int) -> bool:
    """Whether a rating (a fuse, the board, the cable) sets an enforced limit, alone or with others."""
    limits = enforced.limits_root_side
    found: list[tuple[float, str]] = []
    if limits.ac_max_current_A is not None:
        found.append((limits.ac_max_current_A.value, limits.ac_max_current_A.source))
    if limits.total_power_W is not None:
        current_a = limits.total_power_W.value / nominal_voltage_v / max(phases, 1)
        found.append((current_a, limits.total_power_W.source))
    least_a = min((current_a for current_a, _ in found), default=0.0)
    return any(
        source.strip().endswith(RATINGS)
        for current_a, sources in found
        if current_a <= least_a + SAME_A
        for source in sources.split(",")
    )


def within_cable(enforced: EnforcedLimits, cable_limit_a: float | None) -> EnforcedLimits:
    """An enforced limit as it is published again: with the current that the cable leaves of it (energyImpl.cpp:503)."""
    limits = enforced.limits_root_side
    if cable_limit_a is None or limits.ac_max_current_A is None:
        return enforced
    current = limits.ac_max_current_A
    if current.value <= cable_limit_a:
        return enforced
    current = current.model_copy(update={"value": cable_limit_a})
    return enforced.model_copy(
        update={"limits_root_side": limits.model_copy(update={"ac_max_current_A": current})}
    )


def limit_a(enforced: EnforcedLimits, nominal_voltage_v: float, phases: int) -> float:
    """The current per phase in ampere that an enforced limit allows; 0 where it names none.

    A limit in watt counts too: shared by the phases at the nominal voltage.
    """
    limits = enforced.limits_root_side
    current_a = limits.ac_max_current_A.value if limits.ac_max_current_A is not None else 0.0
    if limits.total_power_W is not None:
        current_a = min(current_a, limits.total_power_W.value / nominal_voltage_v / max(phases, 1))
    return max(0.0, current_a)
