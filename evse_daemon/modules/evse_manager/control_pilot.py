"""The control pilot: what the car shows, what we signal, the contactor and the lock that follow (IEC 61851-1 Annex A)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import faults, guards, latches, pwm
from evse_daemon.modules.evse_manager.effects import AllowPower, EnableBoard, Lock, SetF, SetPwm, SetX1
from evse_daemon.modules.evse_manager.events import CpState
from evse_daemon.modules.evse_manager.state import KernelConfig, Pilot, State
from evse_daemon.modules.evse_manager.work import Work

F_ECHO_S = 1.0
"""How long after state F was withdrawn the board may still report it."""


def cp_changed(work: Work, cp: CpState | None) -> None:
    """Takes over a control pilot state that the board reports."""
    state, pilot = work.state, work.state.pilot
    if not pilot.board_enabled:
        return
    before = pilot.cp
    if cp == "F" and before != "F":
        pilot.f_since_s = work.now_s
        pilot.unexpected_f = pilot.output != "F" and work.now_s >= pilot.f_withdrawn_s + F_ECHO_S
    elif cp != "F":
        pilot.f_since_s = None
        pilot.unexpected_f = False
    pilot.cp = cp
    if cp == "A":
        if not state.car_left and state.charger == "Idle":
            faults.clear_own(work)
        state.car_left = True
        state.session.car_left = state.session.car_left or pilot.plugged
        pilot.plugged = False
        pilot.simplified = False
        pilot.force_unlocked = False
        pilot.lock_error = None
    elif cp in ("B", "C", "D") and not pilot.plugged:
        pilot.plugged = True
        state.car_left = False
        pilot.simplified = cp != "B"
    if cp not in ("C", "D"):
        pilot.c1_since_s = None
    elif pilot.output != "PWM" and pilot.c1_since_s is None:
        pilot.c1_since_s = work.now_s
    if before == "C" and cp == "B" and state.charger == "PrepareCharging":
        state.car_withdrew = True


def enable_board(work: Work, on: bool) -> None:
    """Switches the board on or off; what it saw before counts no more: it reports anew when it is on."""
    pilot = work.state.pilot
    pilot.board_enabled = on
    work.board.append(EnableBoard(on))
    if not on:
        pilot.cp = None
        pilot.plugged = False
        pilot.simplified = False
        pilot.c1_since_s = None
        pilot.f_since_s = None


def signal_x1(work: Work) -> None:
    """PWM off."""
    pilot = work.state.pilot
    if pilot.output == "X1":
        return
    _leave_f(work)
    pilot.output = "X1"
    _without_pwm(work)
    work.board.append(SetX1())


def signal_f(work: Work) -> None:
    """The EVSE is not available."""
    pilot = work.state.pilot
    if pilot.output == "F":
        return
    pilot.output = "F"
    _without_pwm(work)
    work.board.append(SetF())


def _without_pwm(work: Work) -> None:
    pilot = work.state.pilot
    if pilot.cp in ("C", "D") and pilot.c1_since_s is None:
        pilot.c1_since_s = work.now_s


def duty_wanted(state: State, config: KernelConfig, current_a: float) -> float:
    """The duty cycle (0…1) for a current; a car without a switch for state B may be held to 10 A."""
    if state.pilot.simplified and config.simplified_mode_limit_10a:
        current_a = min(current_a, 10.0)
    return pwm.duty_for(current_a)


def signal_current(work: Work, *, at_once: bool) -> None:
    """PWM for the present budget; a change of a running PWM waits 5 s unless power cannot flow yet (Table A.6).

    Neither does it wait where the cable in a socket carries less than the car is allowed.
    """
    pilot = work.state.pilot
    current_a = guards.budget_a(work.state, work.now_s)
    if not pwm.enough(current_a):
        signal_x1(work)
        return
    duty = duty_wanted(work.state, work.config, current_a)
    if pilot.output == "PWM" and duty == pilot.duty:
        return
    at_once = at_once or guards.above_cable(work.state)
    if not at_once and work.now_s < pilot.pwm_changed_s + work.config.pwm_update_s:
        return
    _leave_f(work)
    pilot.output = "PWM"
    pilot.duty = duty
    pilot.pwm_changed_s = work.now_s
    pilot.c1_since_s = None
    work.board.append(SetPwm(duty))


def _leave_f(work: Work) -> None:
    if work.state.pilot.output == "F":
        work.state.pilot.f_withdrawn_s = work.now_s
        if work.state.pilot.f_since_s is not None:
            work.state.pilot.f_since_s = work.now_s  # the board still reports our own F: the time begins anew


def contactor_changed(work: Work, closed: bool) -> None:
    """Takes over the board's feedback on the contactor."""
    pilot = work.state.pilot
    pilot.contactor_closed = closed
    if closed:
        pilot.closes_by_s = None
        if not pilot.power_commanded:
            pilot.opens_by_s = pilot.opens_by_s or work.now_s + work.config.contactor_opens_s
            work.board.append(AllowPower(on=False))
    else:
        pilot.opens_by_s = None
        if pilot.power_commanded and pilot.closes_by_s is None:
            pilot.closes_by_s = work.now_s + work.config.contactor_closes_s


def switch_power(work: Work) -> None:
    """Commands the contactor by the guards; called after every event (design rule 5)."""
    state, pilot, config = work.state, work.state.pilot, work.config
    if pilot.power_commanded and guards.must_switch_off(state, config, work.now_s):
        pilot.power_commanded = False
        pilot.closes_by_s = None
        if pilot.contactor_closed:
            pilot.opens_by_s = work.now_s + config.contactor_opens_s
        work.board.append(AllowPower(on=False))
    elif not pilot.power_commanded and guards.may_switch_on(state, config, work.now_s):
        pilot.power_commanded = True
        pilot.closes_by_s = None if pilot.contactor_closed else work.now_s + config.contactor_closes_s
        work.board.append(AllowPower(on=True))


def contactor_deadlines(work: Work) -> None:
    """A contactor that does not follow its command in time is an error; one that does not open counts as welded."""
    pilot = work.state.pilot
    if guards.board_lost(work.state):
        # A board that cannot be heard proves nothing; when it is back, the time begins anew.
        pilot.opens_by_s = pilot.closes_by_s = None
        return
    if pilot.contactor_closed and not pilot.power_commanded and pilot.opens_by_s is None and not welded(work):
        pilot.opens_by_s = work.now_s + work.config.contactor_opens_s
        work.board.append(AllowPower(on=False))
    if pilot.opens_by_s is not None and work.now_s >= pilot.opens_by_s:
        pilot.opens_by_s = None
        weld = latches.WELDED
        faults.raise_own(work, weld.type, weld.description, sub_type=weld.sub_type)
    if pilot.closes_by_s is not None and work.now_s >= pilot.closes_by_s:
        pilot.closes_by_s = None
        faults.raise_own(
            work,
            "evse_manager/Internal",
            "the contactor was commanded to close and the board did not confirm it; unplug the car to try again",
            sub_type="ContactorNotClosed",
        )


def contactor_open(work: Work) -> bool:
    """Whether the contactor is open as fed back, or nobody waits for that any more: it is welded or its board is lost."""
    pilot = work.state.pilot
    given_up = welded(work) or guards.board_lost(work.state)
    return not pilot.power_commanded and (not pilot.contactor_closed or given_up)


def welded(work: Work) -> bool:
    """Whether the contactor has not confirmed that it is open."""
    return any(latches.key(cause) == latches.key(latches.WELDED) for cause in work.state.own_errors)


def energised(pilot: Pilot) -> bool:
    """Whether there is, or may be, voltage at the connector."""
    return pilot.contactor_closed or pilot.power_commanded or pilot.opens_by_s is not None


def follow_lock(work: Work) -> None:
    """Locks and unlocks the connector; it stays locked while the contactor is or may be closed (IECStateMachine.cpp:489)."""
    pilot, config = work.state.pilot, work.config
    if guards.board_lost(work.state):
        # It may be another one's lock, or have restarted with its board: it is asked anew when the board is back.
        pilot.lock, pilot.lock_by_s = "unknown", None
        return
    if not config.has_connector_lock or pilot.lock in ("locking", "unlocking"):
        return
    if energised(pilot) or work.state.latched:
        want: bool | None = True
    elif pilot.cp in ("B", "C", "D"):
        allowed = work.state.session.authorized or not config.unlock_when_deauthorized
        wanted = pilot.cp != "B" or config.lock_connector_in_state_b
        want = wanted and allowed and not pilot.force_unlocked
    elif pilot.cp in ("A", "E") or work.state.charger == "Disabled":
        want = False  # a cable in a socket that is out of service is its owner's
    elif pilot.cp == "F" and pilot.f_since_s is not None:
        late = work.now_s >= pilot.f_since_s + config.unlock_in_f_s and work.state.charger != "SwitchPhases"
        want = False if late or not pilot.plugged else None
    else:
        want = None
    if want is True and pilot.lock != "locked" and pilot.lock_error is None:
        _request_lock(work, locked=True)
    elif want is False and pilot.lock != "unlocked" and pilot.lock_error is None:
        _request_lock(work, locked=False)


def unlock_now(work: Work) -> None:
    """Unlocks whatever the pilot shows, also what is unlocked already: somebody stands there and pulls."""
    pilot = work.state.pilot
    if not energised(pilot) and not work.state.latched and pilot.lock not in ("locking", "unlocking"):
        _request_lock(work, locked=False)


def _request_lock(work: Work, *, locked: bool) -> None:
    pilot = work.state.pilot
    pilot.lock = "locking" if locked else "unlocking"
    pilot.lock_request_id = work.next_request_id()
    pilot.lock_by_s = work.now_s + work.config.lock_answers_s
    work.board.append(Lock(pilot.lock_request_id, locked))


def lock_done(work: Work, request_id: int, error: str | None) -> None:
    """Takes over the lock's answer; a late one changes nothing."""
    pilot = work.state.pilot
    if request_id != pilot.lock_request_id or pilot.lock not in ("locking", "unlocking"):
        return
    pilot.lock_by_s = None
    if error is None:
        pilot.lock = "locked" if pilot.lock == "locking" else "unlocked"
        pilot.lock_error = None
        return
    what = "lock" if pilot.lock == "locking" else "unlock"
    pilot.lock = "unknown"
    pilot.lock_error = error
    faults.raise_own(
        work,
        "evse_manager/Internal",
        f"the connector did not {what} ({error}); unplug the car to try again",
        sub_type="ConnectorLock",
    )


def lock_deadline(work: Work) -> None:
    pilot = work.state.pilot
    if guards.board_lost(work.state):
        return  # what it does not answer proves nothing
    if pilot.lock_by_s is not None and work.now_s >= pilot.lock_by_s:
        lock_done(work, pilot.lock_request_id, "the lock did not answer")
