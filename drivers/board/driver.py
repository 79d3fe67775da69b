"""Decides what a board is told and what is told of it, whatever its dialect and wire: pure, see state.py.

A board may close its contactor only while it is ``running``: the wire is open, the board was restarted since that
opened or since the board was lost, and its keep-alive comes. The restart is necessary: boards report their state only
when it changes, so whoever has missed something knows nothing (drivers.md §3.4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from drivers.board import contactor, doubts, faults, lock, restart
from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work


def step(
    state: s.State, event: s.Event, now_s: float, settings: s.Settings
) -> tuple[s.State, tuple[s.Effect, ...]]:
    """What follows from an event at a time.

    Args:
        state: the state before.
        event: what has happened.
        now_s: monotonic seconds.
        settings: of this driver.
    """
    work = Work(state, now_s, settings)
    if not isinstance(event, s.Received | s.Damaged | s.LinkUp):
        # A command meets what time has made of the board. What the board says may have waited for us: were we held up,
        # its keep-alive comes behind other messages, and it was never silent.
        _due(work, spare=isinstance(event, s.Tick) and event.spare)
    match event:
        case s.LinkUp():
            work.change(wire=True, heard_s=now_s, silent=False, refresh_s=now_s + restart.REFRESH_S)
            work.change(resets=0, unstarted=0)
            restart.restart(work)
        case s.LinkLost(reason):
            restart.lose(work, faults.lost_wire(reason))
            work.change(wire=False, phase="away", phase_until_s=None, silent=False)
            restart.hold(work)
        case s.Received(message):
            _received(work, message)
        case s.Damaged():
            work.change(damaged_s=now_s)
        case s.Enable(on):
            _enable(work, on)
        case s.SetDuty(duty):
            work.want(duty=duty)
            work.send(m.SetPilot(work.state.duty))
        case s.SetPower(on):
            work.want(power=on)
            contactor.follow(work)
        case s.SwitchPhases(three):
            work.want(three_phases=three)
            if work.state.phase == "running":
                work.send(m.SetPhases(three))
        case s.MoveLock(request_id, locked):
            lock.move(work, request_id, locked)
        case s.Restarts():
            if work.state.phase == "running":
                restart.lose(work, faults.RESTARTED_FOR_ANOTHER)
            work.change(resets=0)
            restart.restart(work)
        case s.Tick(spare):
            if not spare and (doubt := doubts.of_flags(work.state, now_s)):
                restart.doubt(work, doubt)
        case _:
            assert_never(event)
    restart.let_go(work)
    if work.state is not state:
        _tell_faults(work)
    return work.state, (*work.effects, *work.answers)


def next_deadline(state: s.State, settings: s.Settings) -> float | None:
    """When a Tick is due; None where nothing is waited for."""
    times = [state.phase_until_s, state.line_until_s, state.off_until_s]
    if state.off_until_s is not None:
        times.append(state.off_next_s)
    if state.lock_request is not None:
        times.append(state.lock_request.by_s)  # None while the board has yet to start
    if state.wire:
        times.append(state.refresh_s)
        if not state.silent:
            times.append(state.heard_s + settings.link_timeout_s)
    return min((time for time in times if time is not None), default=None)


def why_not_phases(state: s.State) -> str:
    """Why the phases cannot be switched now; empty where they can."""
    return f"{reason}: phases are never switched under load" if (reason := _why_under_load(state)) else ""


def why_not_unlock(state: s.State) -> str:
    """Why the lock must not open now; empty where it may."""
    return f"{reason}: the connector stays locked" if (reason := _why_under_load(state)) else ""


def _why_under_load(state: s.State) -> str:
    if state.relay_closed:
        return "the contactor is closed"
    return "the contactor may be closing" if state.power else ""


def safe_messages(state: s.State) -> tuple[m.ToBoard, ...]:
    """What a process that ends tells the board: power off, no PWM, and F stays where it was."""
    duty = m.PILOT_F if state.wanted.duty == m.PILOT_F else m.PILOT_X1
    return m.AllowPower(False), m.SetPilot(duty), m.AllowPower(False)


def _received(work: Work, message: m.FromBoard) -> None:
    if work.state.line_held or not work.state.wire:
        return  # it was on its way when the board was reset, or the wire lost
    listens = work.state.phase in ("starting", "running")
    match message:
        case m.BoardAlive():
            _alive(work, message)
        case m.WasReset():
            restart.was_reset(work)
        case m.ConfigurationRequest():
            restart.asks(work)
        case m.PilotState(pilot):
            if listens:
                _pilot(work, pilot)
        case m.RelayState(closed):
            if listens:
                contactor.reported(work, closed)
        case m.ErrorFlags():
            work.change(flags=message, flags_s=work.now_s)
            _latch(work)
        case m.ProximityState(cable):
            work.change(cable=cable, reports_cable=True, cable_s=work.now_s)
            _tell_cable(work, cable)
        case m.LockState(position):
            if listens:
                lock.reported(work, position)
        case m.MeterReading():
            work.do(s.TellMeter(message))
        case m.PilotVoltages(high_V):
            _voltage(work, high_V)
        case m.FanState():
            pass
        case _:
            assert_never(message)


def _alive(work: Work, alive: m.BoardAlive) -> None:
    state = work.state
    known = state.board is not None and _identity(state.board) == _identity(alive)
    work.change(board=alive, heard_s=work.now_s, silent=False)
    if not known:
        work.do(s.TellBoard(alive))
    if doubts.clock_went_back(state, alive):
        # Its report of that follows its first keep-alives (RemoteControlRX.cpp:31-46), or is lost.
        restart.lose(work, faults.RESTARTED)
        work.change(phase="resetting", phase_until_s=work.now_s + restart.ANSWER_S, resets=0)
        return
    if not alive.configured and (state.configured or state.phase == "resetting"):
        restart.was_reset(work)  # its report of that was lost
    elif alive.configured and not state.configured and state.phase == "starting":
        work.change(configured=True)
        restart.prepare(work)
    if state.silent and work.state.phase == "resetting" and state.phase_until_s is not None:
        # It is back, and may have what it was sent meanwhile still before it.
        work.change(resets=0, phase_until_s=min(state.phase_until_s, work.now_s + restart.ANSWER_S))
    if work.state.phase == "starting" and work.state.configured and work.state.pilot is not None:
        _run(work)


def _identity(alive: m.BoardAlive) -> m.BoardAlive:
    return replace(alive, timestamp_ms=0, configured=True)


def _run(work: Work) -> None:
    """The board is in step: what it has reported since its restart is the truth."""
    state = work.state
    assert state.pilot is not None
    work.change(phase="running", phase_until_s=None, lost=None, told_pilot=state.pilot, unstarted=0)
    work.do(s.TellEvent(state.pilot))
    # It reports its contactor when that changes, and begins with an open one.
    contactor.reported(work, bool(state.relay_closed))
    if state.reports_cable:  # as its contactor
        _tell_cable(work, state.cable or "none")
    if not work.state.relay_closed and state.wanted.three_phases is not None:
        work.send(m.SetPhases(state.wanted.three_phases))
    lock.board_runs(work, why_not_unlock(work.state))
    work.send(m.AllowPower(work.state.power))


def _tell_cable(work: Work, cable: m.Cable) -> None:
    if cable != work.state.told_cable:
        work.change(told_cable=cable)
        work.do(s.TellCable(cable))


def _pilot(work: Work, pilot: m.Pilot) -> None:
    before = work.state.pilot
    work.change(pilot=pilot)
    _latch(work)
    if doubt := doubts.of_cable(before, work.state, work.now_s):
        restart.doubt(work, doubt)
    if work.state.phase == "running" and pilot != work.state.told_pilot:
        work.change(told_pilot=pilot)
        work.do(s.TellEvent(pilot))


def _voltage(work: Work, high_V: float) -> None:
    """A change of state is reported once; if that is lost, the voltage tells."""
    if not doubts.contradicts(work.state, high_V):
        work.change(doubt_s=None)
        return
    if work.state.doubt_s is None:
        work.change(doubt_s=work.now_s)
    if doubt := doubts.of_voltage(work.state, high_V, work.now_s):
        restart.doubt(work, doubt)


def _latch(work: Work) -> None:
    """Some flags count until the car has left, even if they fall before.

    Left has a car when state A was seen once: a charger that is out of order signals F then, and the board reports A
    no more.
    """
    state = work.state
    car_left = state.pilot == "A" if state.pilot in ("A", "B", "C", "D") else state.car_left
    up = {name for name in work.settings.latched if getattr(state.flags, name)}
    work.change(car_left=car_left, latched=frozenset() if car_left else state.latched | up)


def _enable(work: Work, on: bool) -> None:
    before = work.state
    work.want(enabled=on)
    if before.duty != work.state.duty:
        work.send(m.SetPilot(work.state.duty))
    if before.power != work.state.power:
        contactor.follow(work)
    if on and work.state.phase == "running" and work.state.pilot is not None:
        work.do(s.TellEvent(work.state.pilot))


def _due(work: Work, *, spare: bool) -> None:
    """What time has brought."""
    now_s, state = work.now_s, work.state
    if state.wire and not state.silent and now_s >= state.heard_s + work.settings.link_timeout_s:
        restart.silent(work)
    elif state.phase_until_s is not None and now_s >= state.phase_until_s:
        restart.late(work, spare=spare)
    if doubt := contactor.due(work):
        restart.doubt(work, doubt)
    lock.due(work)
    if work.state.wire and now_s >= work.state.refresh_s:
        # The next second of the same beat, or a new beat after a pause.
        next_s = work.state.refresh_s + restart.beat_s(work)
        work.change(refresh_s=next_s if next_s > now_s else now_s + restart.beat_s(work))
        work.send(m.HostAlive())
        _refresh(work)
        _count_unclosed(work)


def _refresh(work: Work) -> None:
    """The wanted set without the phases, and without a lock that has answered: its motor runs at each command."""
    work.send(m.SetPilot(work.state.duty))
    request = work.state.lock_request
    if request is not None and work.state.reports_lock and (request.locked or not why_not_unlock(work.state)):
        work.send(m.SetLock(request.locked))
    lock.before_power(work)
    work.send(m.AllowPower(work.state.power))


def _count_unclosed(work: Work) -> None:
    state = work.state
    closes = state.power and state.pilot in ("C", "D") and 0 < state.duty < m.PILOT_X1
    work.change(unclosed=state.unclosed + 1 if closes and not state.relay_closed else 0)
    if doubt := doubts.of_open_contactor(work.state, work.now_s):
        restart.doubt(work, doubt)


def _tell_faults(work: Work) -> None:
    before = work.state.raised
    now = frozenset(dict.fromkeys(faults.faults(work.state, work.settings)))
    # Raised first: between the two, nobody is to believe that all is well.
    for fault in sorted(now - before, key=_order):
        work.do(s.Raise(fault))
    for fault in sorted(before - now, key=_order):
        work.do(s.Clear(fault))
    if now != before:
        work.change(raised=now)


def _order(fault: s.Fault) -> tuple[str, str]:
    return fault.type, fault.sub_type
