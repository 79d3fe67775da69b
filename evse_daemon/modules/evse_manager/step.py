"""The pure core: ``step(config, state, event, …) -> (state, effects)`` and the next deadline.

No clock, no I/O, no logging. An event that does not fit changes nothing. The state given is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.evse_manager import (
    bcb,
    charger,
    closing,
    control_pilot,
    delayed_limit,
    enable_table,
    events,
    faults,
    guards,
    latches,
    meter_watch,
    over_current,
    phase_switch,
    records,
    reservation,
    session,
    unfinished,
)
from evse_daemon.modules.evse_manager.effects import (
    AllowPower,
    BoardEffect,
    JournalEffect,
    Note,
    SaveTable,
    SetOvercurrentLimit,
    StopMeter,
)
from evse_daemon.modules.evse_manager.random_delay import Limit
from evse_daemon.modules.evse_manager.state import KernelConfig, Session, State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.evse_manager import Limits

RETRY_STORE_S = 10.0
"""How long after a failed commit of a transaction's end it is tried again."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be done, in two lanes, and the result of a command."""

    board: tuple[BoardEffect, ...]
    journal: tuple[JournalEffect, ...]
    reply: bool | None


def step(
    config: KernelConfig, state: State, event: events.Event, now_s: float, utc: str, fresh_id: str
) -> tuple[State, Effects]:
    """The state after an event, and the effects.

    Args:
        config: the kernel's settings.
        state: the state before.
        event: what happened.
        now_s: monotonic seconds.
        utc: the time of day in RFC 3339, to stamp what is announced.
        fresh_id: the id of a session that starts in this step.
    """
    work = Work(config, state, event, now_s, utc, fresh_id)
    _take_over(work, event)
    faults.judge(work)
    _deadlines(work)
    while True:
        before = (work.state.charger, work.state.pilot.power_commanded, work.state.inoperative)
        reservation.end_if_out_of_order(work)
        charger.settle(work)
        faults.judge(work)
        phase_switch.follow(work)
        control_pilot.switch_power(work)
        if before == (work.state.charger, work.state.pilot.power_commanded, work.state.inoperative):
            break
    control_pilot.follow_lock(work)
    board = sorted(work.board, key=lambda effect: not (isinstance(effect, AllowPower) and not effect.on))
    return work.state, Effects(tuple(board), tuple(work.journal), work.reply)


def next_deadline_s(config: KernelConfig, state: State) -> float | None:
    """When the state wants a Tick at the latest; None where nothing is pending."""
    return min(_named_deadlines(config, state), default=None)


def _take_over(work: Work, event: events.Event) -> None:
    state = work.state
    match event:
        case events.MeterSample():
            over_current.measured(work, event.value)
            _meter_sample(work, event)
        case events.Tick():
            pass
        case events.LimitChanged():
            _apply_limit(work, delayed_limit.take(work, event), event.valid_until_s)
        case events.CpChanged(cp):
            was = state.pilot.cp
            control_pilot.cp_changed(work, cp)
            _bcb(work, was)
        case events.ContactorChanged(closed):
            control_pilot.contactor_changed(work, closed)
        case events.CausesChanged(causes):
            state.causes = causes
        case events.Authorize():
            session.authorize(work, event)
        case events.Withdraw():
            if state.session.authorized:
                reservation.cancel(work)
            session.withdraw(work)
        case events.Stop():
            work.reply = session.cancel(work, event)
        case events.Pause() | events.Resume():
            work.reply = state.session.transaction
            if state.session.transaction:
                state.session.paused_by_user = isinstance(event, events.Pause)
        case events.EnableDisable(connector_id, source):
            before = enable_table.lasting(state.table)
            state.table = enable_table.update(state.table, source)
            if enable_table.lasting(state.table) != before:
                work.journal.append(SaveTable(enable_table.lasting(state.table)))
            state.decided_by = enable_table.decide(state.table)
            state.commanded_connector = connector_id
            work.reply = enable_table.enables(state.decided_by)
        case events.ForceUnlock():
            _force_unlock(work)
        case events.CapabilitiesChanged(capabilities):
            state.capabilities = capabilities
            phase_switch.capabilities_changed(state, capabilities)
            work.publish(EvseManager.hw_capabilities, capabilities)
            if state.charger != "Starting":
                _tell_limits(work)
        case events.ProximityChanged(cable_limit_a):
            state.cable_limit_a = cable_limit_a
            _tell_limits(work)
        case events.PhasesAvailable(count):
            phase_switch.available(state, count)
            _tell_limits(work)
        case events.PhasesSwitched(request_id, error):
            phase_switch.answered(work, request_id, error)
            _tell_limits(work)
        case events.LockDone(request_id, error):
            control_pilot.lock_done(work, request_id, error)
        case events.MeterStarted(request_id, response):
            if state.session.starting == "meter" and request_id == state.session.request_id:
                session.meter_started(work, response)
        case events.MeterStopped(request_id, stopped):
            if state.session.ending and request_id == state.session.request_id:
                session.meter_stopped(work, stopped)
            elif state.unfinished_request_id and request_id == state.unfinished_request_id:
                unfinished.meter_stopped(work, stopped)
                _go_on_booting(work)
        case events.Committed(request_id, error):
            _committed(work, request_id, error)
        case events.BoardFailed(message):
            faults.raise_own(work, "evse_manager/Internal", message, sub_type="Board")
        case events.Boot():
            _boot(work, event)
        case events.StationEnds():
            closing.begin(work)
        case events.LatchesRestored(latched):
            faults.restore(work, latched)
        case events.ClearLatched(name):
            latches.clear(work, name)
        case events.MeterMissing():
            meter_watch.missing(work)
        case events.ExternalReady():
            state.externally_ready = True
            work.reply = True
            if state.waiting_for_external_ready:
                _begin(work)
        case events.CommandDelay():
            if delayed_limit.command(work, event):
                _apply_limit(work, state.delay.wanted, state.limit_until_s)
        case events.SetDelayDuration(max_duration_s):
            state.delay = replace(state.delay, max_duration_s=max_duration_s)
        case events.Reserve(reservation_id):
            work.reply = reservation.reserve(work, reservation_id)
        case events.CancelReservation():
            reservation.cancel(work)


def _boot(work: Work, event: events.Boot) -> None:
    """No power is allowed, whatever was before (design rule 6)."""
    if work.state.charger != "Starting":
        return
    work.board.append(AllowPower(on=False))
    if work.state.pilot.contactor_closed:
        work.state.pilot.opens_by_s = work.now_s + work.config.contactor_opens_s
    work.publish(EvseManager.evse_id, work.config.evse_id)
    _tell_limits(work)
    _end_told_session(work, event)
    unfinished.tell_again(work, event.untold)
    work.state.unfinished = event.unfinished
    work.state.wait_for_external_ready = event.wait_for_external_ready
    _go_on_booting(work)


def _end_told_session(work: Work, event: events.Boot) -> None:
    """A session that was begun by a kernel that failed is over; the journal ends it where it had a transaction."""
    session_id = work.state.session.id
    if not session_id:
        return
    if any(record["session_id"] == session_id for record in (*event.unfinished, *event.untold)):
        work.state.session = Session()
    else:
        session.stop_session(work)


def _go_on_booting(work: Work) -> None:
    """Ends what a run before this one began, then begins."""
    state = work.state
    if unfinished.end_next(work) or guards.closing(state):
        return
    # Whatever the meter believes to go on is over (EvseManager.cpp:1485).
    work.journal.append(StopMeter(work.next_request_id(), ""))
    state.waiting_for_external_ready = state.wait_for_external_ready and not state.externally_ready
    work.publish(EvseManager.waiting_for_external_ready, state.waiting_for_external_ready)
    if not state.waiting_for_external_ready:
        _begin(work)


def _begin(work: Work) -> None:
    state = work.state
    state.waiting_for_external_ready = False
    state.delay = replace(state.delay, ready_s=work.now_s)
    if state.delay.enabled:
        delayed_limit.tell(work)
    if guards.enabled(state):
        control_pilot.enable_board(work, on=True)
        work.announce("Enabled", **charger.source_details(work))
        charger.enter_idle(work, car_left=state.car_left)
    else:
        charger.enter_disabled(work)
    work.publish(EvseManager.ready, True)
    state.table = enable_table.begun(state.table)
    state.decided_by = enable_table.decide(state.table)


def _meter_sample(work: Work, event: events.MeterSample) -> None:
    """The newest sample; one that runs backwards in a transaction is not believed: energy never falls."""
    last, state = work.state.meter, work.state
    if (
        last is not None
        and state.session.transaction
        and event.value.energy_Wh_import.total < last.energy_Wh_import.total
    ):
        return
    meter_watch.take(work, event.value)
    state.meter = event.value
    records.sample(work)


def _apply_limit(work: Work, limit: Limit, until_s: float) -> None:
    work.state.limit_shared_a = limit.shared_a
    phase_switch.ask(work, limit.phases)
    _limit(work, limit.current_a, until_s)


def _bcb(work: Work, before: events.CpState | None) -> None:
    """Watches for a car that toggles between B and C while there is no PWM."""
    pilot = work.state.pilot
    quiet = pilot.output == "X1" and pilot.plugged
    work.state.bcb = bcb.follow(work.state.bcb, before, pilot.cp, work.now_s) if quiet else None


def _limit(work: Work, limit_a: float, until_s: float) -> None:
    work.state.limit_a = max(0.0, limit_a)
    work.state.limit_until_s = until_s
    _tell_limits(work)


def _tell_limits(work: Work) -> None:
    """The current in force, to the board's own over-current guard and to everybody."""
    state = work.state
    current_a = guards.budget_a(state, work.now_s)
    if current_a != state.overcurrent_limit_a:
        state.overcurrent_limit_a = current_a
        work.board.append(SetOvercurrentLimit(current_a))
    phases = guards.phases(state) or 1
    work.publish(
        EvseManager.limits,
        Limits(uuid=work.config.module_id, max_current=current_a, nr_of_phases_available=phases),
    )


def _force_unlock(work: Work) -> None:
    work.reply = work.config.has_connector_lock
    if not work.config.has_connector_lock:
        return
    session.cancel(work, events.Stop("UnlockCommand"))
    pilot = work.state.pilot
    pilot.force_unlocked = pilot.plugged
    pilot.lock_error = None
    control_pilot.unlock_now(work)


def _committed(work: Work, request_id: int, error: str | None) -> None:
    if latches.saved(work, request_id, error, RETRY_STORE_S):
        return
    now = work.state.session
    if now.starting == "commit" and request_id == now.request_id:
        session.start_committed(work, error)
        return
    session.end_committed(work, request_id, error, RETRY_STORE_S)


def _deadlines(work: Work) -> None:
    """What is due by now."""
    state, now_s = work.state, work.now_s
    if delayed_limit.counts(state) and now_s >= state.limit_until_s:
        state.limit_a = 0.0
        delayed_limit.lapse(work)
        _tell_limits(work)
    if delayed_limit.ended(work):
        _apply_limit(work, state.delay.wanted, state.limit_until_s)
    control_pilot.contactor_deadlines(work)
    control_pilot.lock_deadline(work)
    phase_switch.deadline(work)
    over_current.deadline(work)
    now = state.session
    if now.request_by_s is not None and now_s >= now.request_by_s:
        if now.starting == "meter":
            session.meter_started(work, None)
        elif now.starting == "commit":
            session.start_committed(work, "the store did not answer")
        elif now.ending:
            session.meter_stopped(work, None)
    session.retry_ends(work)
    if state.unfinished_by_s is not None and now_s >= state.unfinished_by_s:
        unfinished.meter_stopped(work, None)
        _go_on_booting(work)
    _retry_in_idle(work)
    latches.retry(work)
    meter_watch.judge(work)
    if state.bcb is not None and bcb.ended(state.bcb, now_s):
        if bcb.recognised(state.bcb):
            work.journal.append(
                Note(f"the car toggled the control pilot {state.bcb.pulses} times to wake us up")
            )
        state.bcb = None


def _retry_in_idle(work: Work) -> None:
    state = work.state
    if state.charger != "Idle" or not state.car_left or not faults.passing(state):
        state.retry_in_idle_s = None
    elif state.retry_in_idle_s is None:
        state.retry_in_idle_s = work.now_s + work.config.retry_in_idle_s
    elif work.now_s >= state.retry_in_idle_s:
        state.retry_in_idle_s = None
        state.pilot.lock_error = None
        faults.clear_own(work)


def _named_deadlines(config: KernelConfig, state: State) -> Iterator[float]:
    pilot, now = state.pilot, state.session
    stays_locked = control_pilot.energised(pilot) or bool(state.latched) or state.charger == "SwitchPhases"
    if delayed_limit.counts(state):
        yield state.limit_until_s
    if pilot.power_commanded and pilot.c1_since_s is not None:
        yield pilot.c1_since_s + config.c1_power_off_s
    yield from phase_switch.named_deadlines(config, state)
    yield from over_current.named_deadlines(config, state)
    if pilot.f_since_s is not None and pilot.lock == "locked" and not stays_locked:
        yield pilot.f_since_s + config.unlock_in_f_s
    if state.meter_watch is not None and not meter_watch.is_silent(state):
        yield state.meter_watch.due_s
    if state.bcb is not None:
        yield state.bcb.due_s
    for named_s in (
        pilot.opens_by_s,
        pilot.closes_by_s,
        pilot.lock_by_s,
        now.request_by_s,
        state.retry_store_s,
        state.unfinished_by_s,
        state.delay.ends_s,
        state.retry_in_idle_s,
        state.retry_latch_s,
        state.f_until_s,
    ):
        if named_s is not None:
            yield named_s
    if state.charger in ("Charging", "ChargingPausedEV"):
        wanted = guards.budget_a(state, state.since_s)
        if control_pilot.duty_wanted(state, config, wanted) != pilot.duty or pilot.output != "PWM":
            yield pilot.pwm_changed_s + config.pwm_update_s
    elif (
        state.charger == "PrepareCharging"
        and state.pwm_since_s is not None
        and not guards.car_wants_power(state, config)
    ):
        yield state.pwm_since_s + (config.paused_by_ev_after_s if now.woken_up else config.wake_up_after_s)
    elif state.charger == "T_step_EF":
        yield state.since_s + config.wake_up_f_s + (config.wake_up_x1_s if pilot.output == "X1" else 0.0)
