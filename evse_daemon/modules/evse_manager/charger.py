"""The charger's states: what is done on entering each, and what leads out of it (EvseManager/Charger.cpp, AC basic).

Every condition is a level of the present state; ``settle`` runs the states until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evse_daemon.modules.evse_manager import control_pilot as cp
from evse_daemon.modules.evse_manager import fault_signal, faults, guards, phase_switch, reservation, session
from evse_daemon.modules.evse_manager.state import ChargerState, PauseReason
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.evse_manager import ChargingPausedEVSEReasons, ChargingStateChangedEvent

MOST_STEPS = 12
"""States that one event can lead through; more would be a circle."""


def settle(work: Work) -> None:
    """Runs the charger's states until none changes."""
    for _ in range(MOST_STEPS):
        before = work.state.charger
        RUN[before](work)
        if work.state.charger == before:
            return
    raise RuntimeError(f"the charger's states do not settle: {work.state.charger}, event {work.event}")


def car_gone(work: Work) -> bool:
    """Whether the session's car was unplugged; another one, or the same again, is not its car any more."""
    return not work.state.pilot.plugged or work.state.session.car_left


def may_not_go_on(work: Work) -> bool:
    """Whether the transaction's preconditions are gone for good."""
    now = work.state.session
    return not now.transaction or not now.authorized or car_gone(work) or not guards.in_service(work.state)


def pause_reasons(work: Work) -> tuple[PauseReason, ...]:
    """Why the EVSE pauses, in the order in which EVerest names the reasons."""
    found: list[PauseReason] = []
    if guards.blocked(work.state):
        found.append("Error")
    if not guards.energy_available(work.state, work.now_s):
        found.append("NoEnergy")
    if work.state.session.paused_by_user:
        found.append("UserPause")
    return tuple(found)


def _charging_state(work: Work) -> dict[str, Any]:
    return {"charging_state_changed_event": ChargingStateChangedEvent(meter_value=work.meter_value())}


def source_details(work: Work) -> dict[str, Any]:
    """Of Enabled and Disabled: who decided; the connector only if the last command named one."""
    details: dict[str, Any] = {"source": work.state.decided_by}
    if work.state.commanded_connector != 0:
        details["connector_id"] = 1
    return details


def enter_disabled(work: Work) -> None:
    work.enter("Disabled")
    cp.signal_f(work)
    cp.enable_board(work, on=False)
    work.announce("Disabled", **source_details(work))
    reservation.cancel(work)


def enter_idle(work: Work, *, car_left: bool) -> None:
    """Errors end that wait for the car to leave, if it has."""
    work.enter("Idle")
    cp.signal_x1(work)
    if car_left:
        faults.clear_own(work)


def enter_waiting_for_authentication(work: Work) -> None:
    work.enter("WaitingForAuthentication")
    if not work.state.session.id:
        session.start_session(work, "EVConnected")
    work.announce("AuthRequired")


def enter_prepare_charging(work: Work) -> None:
    work.enter("PrepareCharging")
    work.state.pwm_since_s = None
    work.state.car_withdrew = False
    work.announce("PrepareCharging")


def enter_charging(work: Work) -> None:
    work.enter("Charging")
    work.state.session.woken_up = False
    work.announce("ChargingStarted", **_charging_state(work))


def enter_stopping_charging(work: Work) -> None:
    work.enter("StoppingCharging")
    work.state.session.woken_up = False
    work.announce("StoppingCharging")
    cp.signal_x1(work)


def enter_paused_ev(work: Work) -> None:
    work.enter("ChargingPausedEV")
    work.announce("ChargingPausedEV", **_charging_state(work))


def enter_paused_evse(work: Work) -> None:
    work.enter("ChargingPausedEVSE")
    work.state.session.pause_reasons = ()
    cp.signal_x1(work)


def enter_finished(work: Work) -> None:
    work.enter("Finished")
    cp.signal_x1(work)
    if work.state.session.transaction:
        if not guards.in_service(work.state) and work.state.session.stop_reason is None:
            work.state.session.stop_reason = "Reboot" if guards.enabled(work.state) else "EVSEDisabled"
        session.end_transaction(work)


def enter_t_step_ef(work: Work) -> None:
    work.enter("T_step_EF")
    work.state.session.woken_up = True
    cp.signal_f(work)


def enter_switch_phases(work: Work) -> None:
    work.enter("SwitchPhases")
    work.announce("SwitchingPhases")
    if work.config.switch_phases_by == "F":
        cp.signal_f(work)
    else:
        cp.signal_x1(work)


def run_starting(work: Work) -> None:
    """Nothing happens before the station is ready."""


def run_disabled(work: Work) -> None:
    if guards.in_service(work.state):
        cp.enable_board(work, on=True)
        work.announce("Enabled", **source_details(work))
        enter_idle(work, car_left=work.state.car_left)


def run_idle(work: Work) -> None:
    state = work.state
    if not guards.in_service(state):
        if state.session.id:
            session.stop_session(work)
        if not guards.closing(state):
            enter_disabled(work)
        return
    if guards.blocked(state):
        if state.session.authorized:
            session.withdraw(work)
        cp.signal_f(work)
        return
    cp.signal_x1(work)
    if state.pilot.plugged and state.pilot.cp in ("B", "C", "D"):
        enter_waiting_for_authentication(work)


def run_waiting_for_authentication(work: Work) -> None:
    state, now = work.state, work.state.session
    cp.signal_x1(work)
    if now.starting == "commit":
        return  # what was asked of the store must be known before anything else is decided
    if now.transaction:
        enter_prepare_charging(work)
    elif guards.blocked(state) or car_gone(work) or not guards.in_service(state):
        if now.starting == "meter":
            session.abandon_start(work)
        enter_finished(work)
    elif now.authorized and now.starting is None and not guards.cable_lost(state):
        session.begin_transaction(work)


def run_prepare_charging(work: Work) -> None:
    state, now_s = work.state, work.now_s
    if guards.blocked(state) or may_not_go_on(work):
        enter_stopping_charging(work)
        return
    cp.signal_current(work, at_once=True)
    withdrew, state.car_withdrew = state.car_withdrew, False
    if not guards.energy_available(state, now_s):
        state.pwm_since_s = None
        if withdrew:
            enter_paused_evse(work)
        return
    if state.pwm_since_s is None:
        state.pwm_since_s = now_s
    if guards.car_wants_power(state, work.config):
        if guards.locked(state, work.config) and guards.phases_settled(state):
            enter_charging(work)
    elif not state.session.woken_up:
        if now_s > state.pwm_since_s + work.config.wake_up_after_s:
            enter_t_step_ef(work)
    elif now_s >= state.pwm_since_s + work.config.paused_by_ev_after_s:
        enter_paused_ev(work)


def run_charging(work: Work) -> None:
    if (
        guards.blocked(work.state)
        or may_not_go_on(work)
        or work.state.session.paused_by_user
        or not guards.car_wants_power(work.state, work.config)
        or not guards.energy_available(work.state, work.now_s)
    ):
        enter_stopping_charging(work)
        return
    if not guards.phases_settled(work.state):
        enter_switch_phases(work)
        return
    cp.signal_current(work, at_once=False)


def run_stopping_charging(work: Work) -> None:
    cp.switch_power(work)
    if not cp.contactor_open(work):
        return
    if may_not_go_on(work):
        enter_finished(work)
    elif pause_reasons(work):
        enter_paused_evse(work)
    elif guards.car_wants_power(work.state, work.config):
        enter_prepare_charging(work)
    else:
        enter_paused_ev(work)


def run_paused_ev(work: Work) -> None:
    if may_not_go_on(work):
        enter_stopping_charging(work)
    elif not guards.energy_available(work.state, work.now_s) or guards.blocked(work.state):
        enter_paused_evse(work)
    else:
        cp.signal_current(work, at_once=False)
        if guards.car_wants_power(work.state, work.config):
            enter_prepare_charging(work)


def run_paused_evse(work: Work) -> None:
    reasons = pause_reasons(work)
    held = fault_signal.signalling(work, reasons)
    if not held and may_not_go_on(work):
        enter_stopping_charging(work)
        return
    if not held and not reasons:
        enter_prepare_charging(work)
    elif reasons and reasons != work.state.session.pause_reasons:
        work.state.session.pause_reasons = reasons
        work.announce(
            "ChargingPausedEVSE",
            **_charging_state(work),
            charging_paused_evse=ChargingPausedEVSEReasons(reasons=list(reasons)),
        )


def run_finished(work: Work) -> None:
    now = work.state.session
    if now.ending or now.starting is not None:
        return
    car_left = car_gone(work)
    if car_left or not guards.in_service(work.state):
        if now.id:
            session.stop_session(work)
        enter_idle(work, car_left=car_left)


def run_t_step_ef(work: Work) -> None:
    passed_s = work.now_s - work.state.since_s
    if guards.blocked(work.state) or may_not_go_on(work):
        cp.signal_x1(work)
        enter_prepare_charging(work)
    elif passed_s >= work.config.wake_up_f_s + work.config.wake_up_x1_s:
        enter_prepare_charging(work)
    elif passed_s >= work.config.wake_up_f_s:
        cp.signal_x1(work)


def run_switch_phases(work: Work) -> None:
    """The car stays without PWM; power follows by the guards, and the board is told by phase_switch.follow."""
    done = guards.phases_settled(work.state) and phase_switch.may_switch(work)
    if done or guards.blocked(work.state) or may_not_go_on(work):
        enter_prepare_charging(work)
        if done and work.state.session.paused_by_user and not may_not_go_on(work):
            enter_paused_evse(work)


RUN: dict[ChargerState, Callable[[Work], None]] = {
    "Starting": run_starting,
    "Disabled": run_disabled,
    "Idle": run_idle,
    "WaitingForAuthentication": run_waiting_for_authentication,
    "PrepareCharging": run_prepare_charging,
    "Charging": run_charging,
    "ChargingPausedEV": run_paused_ev,
    "ChargingPausedEVSE": run_paused_evse,
    "StoppingCharging": run_stopping_charging,
    "Finished": run_finished,
    "T_step_EF": run_t_step_ef,
    "SwitchPhases": run_switch_phases,
}
