"""Predicates over the present state: whether power may flow, and what forbids it (design: the invariants).

Levels, not edges: each is evaluated anew after every event. All comparisons are false for NaN.
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager import enable_table, pwm
from evse_daemon.modules.evse_manager.state import KernelConfig, State


def has_socket(state: State) -> bool:
    """Whether a loose cable is plugged into the EVSE, so that its rating and the proximity contact count."""
    return state.capabilities is not None and state.capabilities.connector_type == "IEC62196Type2Socket"


def budget_a(state: State, now_s: float) -> float:
    """The current per phase in ampere that the car may have now; 0 without a limit that is still valid.

    Never more than the board is built for at present, whoever allows it, nor than the cable in a socket.
    """
    if not now_s < state.limit_until_s:
        return 0.0
    current_a = state.limit_a
    if state.limit_shared_a is not None:
        # Of few phases none gets more than its own limit (EVerest#1038); of an unknown number each gets the least.
        current_a = min(current_a, state.limit_shared_a / (phases(state) or 3))
    if state.capabilities is not None:
        current_a = min(current_a, max(0.0, state.capabilities.max_current_A_import))
    if has_socket(state):
        current_a = min(current_a, max(0.0, state.cable_limit_a or 0.0))  # in this order NaN is 0
    return current_a


def phases(state: State) -> int | None:
    """On how many phases the car charges, or will when a switch is done; None before the board told."""
    now = state.phases
    if now.wanted is not None:
        return now.wanted
    return now.said if now.said_since else now.switched_to


def phases_settled(state: State) -> bool:
    """Whether no switch of phases is under way."""
    return state.phases.wanted is None


def cable_lost(state: State) -> bool:
    """Whether a socket has no cable by its proximity contact, or one that cannot be told."""
    return has_socket(state) and state.cable_limit_a is None


def above_cable(state: State) -> bool:
    """Whether the car is allowed more than the cable in a socket carries."""
    pilot = state.pilot
    if not has_socket(state) or state.cable_limit_a is None or pilot.output != "PWM":
        return False
    return pilot.duty > pwm.duty_for(state.cable_limit_a)


def energy_available(state: State, now_s: float) -> bool:
    return pwm.enough(budget_a(state, now_s))


def enabled(state: State) -> bool:
    return enable_table.enables(state.decided_by)


def closing(state: State) -> bool:
    """Whether the process is about to end."""
    return state.close_by_s is not None


def in_service(state: State) -> bool:
    """Whether a session may begin or go on."""
    return enabled(state) and not closing(state)


def blocked(state: State) -> bool:
    """Whether an error prevents charging."""
    return bool(state.inoperative)


def board_lost(state: State) -> bool:
    """Whether the link to the board is down: what it reported last may be wrong."""
    return bool(state.causes) and any(
        cause.source == "bsp" and cause.type == "evse_board_support/CommunicationFault"
        for cause in state.causes
    )


def car_wants_power(state: State, config: KernelConfig) -> bool:
    """Control pilot in C, or in D where there is ventilation."""
    cp = state.pilot.cp
    return cp == "C" or (cp == "D" and config.has_ventilation)


def locked(state: State, config: KernelConfig) -> bool:
    """Whether the connector is locked, or has no lock."""
    return not config.has_connector_lock or (state.pilot.lock == "locked" and state.pilot.lock_error is None)


def may_switch_on(state: State, config: KernelConfig, now_s: float) -> bool:
    """Whether the contactor may be closed now."""
    return (
        state.charger == "Charging"
        and in_service(state)
        and state.session.authorized
        and state.session.transaction
        and car_wants_power(state, config)
        and state.pilot.output == "PWM"
        and not blocked(state)
        and energy_available(state, now_s)
        and locked(state, config)
        and state.pilot.opens_by_s is None
        and phases_settled(state)
    )


def must_switch_off(state: State, config: KernelConfig, now_s: float) -> bool:
    """Whether a closed contactor must open in this step: a fault, a car that left C/D, or 6 s without PWM in C/D."""
    pilot = state.pilot
    return (
        blocked(state)
        or not car_wants_power(state, config)
        or not pilot.board_enabled
        or (pilot.c1_since_s is not None and now_s >= pilot.c1_since_s + config.c1_power_off_s)
        or cable_lost(state)
        or state.charger not in ("Charging", "StoppingCharging", "SwitchPhases")
    )
