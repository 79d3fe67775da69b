"""Decides what a board is told and what is told of it, whatever its dialect and wire: pure, see state.py.

A board may close its contactor only while it is ``running``: the wire is open, the board was restarted since that
opened or since the board was lost, and its keep-alive comes. The restart is necessary: boards report their state only
when it changes, so whoever has missed something knows nothing (drivers.md §3.4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from drivers.board import doubts, faults, lock
from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work

REFRESH_S = 1.0
"""How often the wanted set and the host's keep-alive are sent: nobody acknowledges them (design rule 5)."""

OFF_REPEAT_S = 0.1
"""How often power-off is sent until the board confirms it."""

WELDED_S = 1.0
"""A contactor that is not reported open so long after power-off counts as welded."""

ANSWER_S = 1.0
"""How long a board that is there takes to restart, at most."""

RETRY_S = 3.0
"""How long a board gets that does not answer, before it is restarted again."""

START_S = 3.0
"""How long a board may take from its restart to its first report."""

HOLD_S = 1.0
"""How long a lost board is held in reset, where the host has a line for that: its contactor opens."""

CALL_S = 0.1
"""As REFRESH_S, to a board that has to be configured, until it is: it may have missed the first calls."""

RESYNC = 3
"""Keep-alives after a restart: they bring the board's decoder into step (evSerial.cpp:350-393)."""


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
            work.change(wire=True, heard_s=now_s, silent=False, refresh_s=now_s + REFRESH_S)
            work.change(resets=0, unstarted=0)
            _restart(work)
        case s.LinkLost(reason):
            _lose(work, faults.lost_wire(reason))
            work.change(wire=False, phase="away", phase_until_s=None, silent=False)
            _hold(work)
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
            _follow_power(work)
        case s.SwitchPhases(three):
            work.want(three_phases=three)
            if work.state.phase == "running":
                work.send(m.SetPhases(three))
        case s.MoveLock(request_id, locked):
            lock.move(work, request_id, locked)
        case s.Restarts():
            if work.state.phase == "running":
                _lose(work, faults.RESTARTED_FOR_ANOTHER)
            work.change(resets=0)
            _restart(work)
        case s.Tick():
            pass
        case _:
            assert_never(event)
    _let_go(work)
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
    return "the contactor is closed: phases are never switched under load" if state.relay_closed else ""


def why_not_unlock(state: s.State) -> str:
    """Why the lock must not open now; empty where it may."""
    return "the contactor is closed: the connector stays locked" if state.relay_closed else ""


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
            _was_reset(work)
        case m.ConfigurationRequest():
            _asks(work)
        case m.PilotState(pilot):
            if listens:
                _pilot(work, pilot)
        case m.RelayState(closed):
            if listens:
                _relay(work, closed)
        case m.ErrorFlags():
            work.change(flags=message)
            _latch(work)
        case m.ProximityState(cable):
            if cable != work.state.cable:
                work.change(cable=cable)
                work.do(s.TellCable(cable))
        case m.LockState(position):
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
        _lose(work, faults.RESTARTED)
        work.change(phase="resetting", phase_until_s=work.now_s + ANSWER_S, resets=0)
        return
    if not alive.configured and (state.configured or state.phase == "resetting"):
        _was_reset(work)  # its report of that was lost
    elif alive.configured and not state.configured and state.phase == "starting":
        work.change(configured=True)
        _prepare(work)
    if state.silent and work.state.phase == "resetting" and state.phase_until_s is not None:
        # It is back, and may have what it was sent meanwhile still before it.
        work.change(resets=0, phase_until_s=min(state.phase_until_s, work.now_s + ANSWER_S))
    if work.state.phase == "starting" and work.state.configured and work.state.pilot is not None:
        _run(work)


def _identity(alive: m.BoardAlive) -> m.BoardAlive:
    return replace(alive, timestamp_ms=0, configured=True)


def _asks(work: Work) -> None:
    """A board that asks for its configuration has just started, also where its report of that was lost."""
    if work.state.phase != "starting" or work.state.configured:
        _was_reset(work)
    if work.settings.configuration is not None:
        work.send(work.settings.configuration)


def _was_reset(work: Work) -> None:
    if work.state.phase == "running":
        _lose(work, faults.RESTARTED)
    work.change(
        phase="starting",
        phase_until_s=work.now_s + START_S,
        resets=0,
        configured=work.settings.configuration is None,
        pilot=None,
        relay_closed=None,
        flags=m.ErrorFlags(),
        lock="undefined",
    )
    work.send(*[m.HostAlive()] * RESYNC)
    _prepare(work)


def _prepare(work: Work) -> None:
    """What a board that has started is told first; one that waits for its configuration hears only the last of it."""
    work.send(m.SetPilot(work.state.duty))
    if work.state.wanted.locked:
        work.send(m.SetLock(True))
    work.send(m.AllowPower(False))


def _run(work: Work) -> None:
    """The board is in step: what it has reported since its restart is the truth."""
    state = work.state
    assert state.pilot is not None
    work.change(phase="running", phase_until_s=None, lost=None, told_pilot=state.pilot, unstarted=0)
    work.do(s.TellEvent(state.pilot))
    # It reports its contactor when that changes, and begins with an open one.
    _relay(work, bool(state.relay_closed))
    if not work.state.relay_closed and state.wanted.three_phases is not None:
        work.send(m.SetPhases(state.wanted.three_phases))
    lock.board_runs(work, why_not_unlock(work.state))
    work.send(m.AllowPower(work.state.power))


def _pilot(work: Work, pilot: m.Pilot) -> None:
    work.change(pilot=pilot)
    _latch(work)
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
        _doubt(work, doubt)


def _doubt(work: Work, what: str) -> None:
    """The board is asked anew by restarting it: there is no other question that it answers."""
    _lose(work, faults.contradiction(what))
    work.change(resets=0)
    _restart(work)


def _latch(work: Work) -> None:
    """Some flags count until the car has left, even if they fall before.

    Left has a car when state A was seen once: a charger that is out of order signals F then, and the board reports A
    no more.
    """
    state = work.state
    car_left = state.pilot == "A" if state.pilot in ("A", "B", "C", "D") else state.car_left
    up = {name for name in work.settings.latched if getattr(state.flags, name)}
    work.change(car_left=car_left, latched=frozenset() if car_left else state.latched | up)


def _relay(work: Work, closed: bool) -> None:
    work.change(relay_closed=closed, closed_unasked=closed and not work.state.power)
    if not closed:
        work.change(off_until_s=None, welded=False)
    if work.state.phase == "running" and closed != work.state.told_power:
        work.change(told_power=closed)
        work.do(s.TellEvent("PowerOn" if closed else "PowerOff"))
    # A board that answers each power-off with where its contactor is would be told and answer without end.
    if closed and not work.state.power and not work.state.welded and work.state.off_until_s is None:
        _cut(work)


def _enable(work: Work, on: bool) -> None:
    before = work.state
    work.want(enabled=on)
    if before.duty != work.state.duty:
        work.send(m.SetPilot(work.state.duty))
    if before.power != work.state.power:
        _follow_power(work)
    if on and work.state.phase == "running" and work.state.pilot is not None:
        work.do(s.TellEvent(work.state.pilot))


def _follow_power(work: Work) -> None:
    if work.state.power:
        work.change(off_until_s=None)
        work.send(m.AllowPower(True))
    else:
        _cut(work)


def _cut(work: Work) -> None:
    """Power-off, until the board confirms it."""
    work.send(m.AllowPower(False))
    if work.state.relay_closed is not False and work.state.off_until_s is None and not work.state.welded:
        work.change(off_until_s=work.now_s + WELDED_S, off_next_s=work.now_s + OFF_REPEAT_S)


def _lose(work: Work, fault: s.Fault) -> None:
    """Nothing that is known of the board counts any more; whoever wants power has to say so again."""
    lock.board_lost(work, fault.message)
    work.want(power=False)
    work.change(lost=fault, pilot=None, relay_closed=None, welded=False, off_until_s=None)
    work.change(doubt_s=None, unclosed=0)
    _cut(work)


def _hold(work: Work) -> None:
    if work.settings.reset_line:
        work.change(line_held=True, line_until_s=None)
        work.do(s.ResetLine(held=True))


def _restart(work: Work) -> None:
    """Has the board restart, by its reset line or a message; it answers with WasReset."""
    wait_s = RETRY_S if work.state.resets else ANSWER_S
    work.change(phase="resetting", phase_until_s=work.now_s + wait_s, resets=work.state.resets + 1)
    work.change(configured=work.settings.configuration is None)
    work.change(refresh_s=min(work.state.refresh_s, work.now_s + _beat_s(work)))
    # The first message may run into garbage that the board holds still.
    work.send(m.HostAlive(), m.AllowPower(False))
    if not work.settings.reset_line:
        work.send(m.Reset())
    elif work.state.line_held:
        work.change(line_until_s=work.now_s)
    else:
        _hold(work)
        work.change(line_until_s=work.now_s + work.settings.reset_pulse_s)


def _due(work: Work, *, spare: bool) -> None:
    """What time has brought."""
    now_s, state = work.now_s, work.state
    if state.wire and not state.silent and now_s >= state.heard_s + work.settings.link_timeout_s:
        _silent(work)
    elif state.phase_until_s is not None and now_s >= state.phase_until_s:
        _late(work, spare=spare)
    _due_off(work)
    lock.due(work)
    if work.state.wire and now_s >= work.state.refresh_s:
        # The next second of the same beat, or a new beat after a pause.
        next_s = work.state.refresh_s + _beat_s(work)
        work.change(refresh_s=next_s if next_s > now_s else now_s + _beat_s(work))
        work.send(m.HostAlive())
        _refresh(work)
        _count_unclosed(work)


def _beat_s(work: Work) -> float:
    return REFRESH_S if work.state.configured else CALL_S


def _late(work: Work, *, spare: bool) -> None:
    """The phase has lasted too long."""
    if work.state.phase != "starting":
        _restart(work)
        return
    work.change(unstarted=work.state.unstarted + 1)
    if spare:
        work.change(phase_until_s=work.now_s + START_S)
    else:
        _restart(work)


def _let_go(work: Work) -> None:
    until_s = work.state.line_until_s
    if until_s is not None and work.now_s >= until_s:
        work.change(line_held=False, line_until_s=None)
        work.do(s.ResetLine(held=False))


def _silent(work: Work) -> None:
    _lose(work, faults.lost_board(work.settings.link_timeout_s))
    work.change(silent=True)
    if work.state.board is None and not work.state.told_missing:
        work.change(told_missing=True)
        work.do(s.TellBoard(None))
    if work.settings.reset_line:
        _hold(work)
        work.change(phase="away", phase_until_s=work.now_s + HOLD_S, resets=0)
    else:
        work.change(resets=1)
        _restart(work)


def _due_off(work: Work) -> None:
    state = work.state
    if state.off_until_s is None:
        return
    if work.now_s >= state.off_until_s:
        welded = state.phase in ("starting", "running") and state.relay_closed is True
        work.change(off_until_s=None, welded=welded)
    elif doubt := doubts.of_closed_contactor(state, work.now_s - state.off_until_s + WELDED_S, work.now_s):
        _doubt(work, doubt)
    elif work.now_s >= state.off_next_s:
        work.change(off_next_s=work.now_s + OFF_REPEAT_S)
        work.send(m.AllowPower(False))


def _refresh(work: Work) -> None:
    """The wanted set without the phases, and without a lock that has answered: its motor runs at each command."""
    work.send(m.SetPilot(work.state.duty))
    request = work.state.lock_request
    if request is not None and work.state.reports_lock and (request.locked or not work.state.relay_closed):
        work.send(m.SetLock(request.locked))
    work.send(m.AllowPower(work.state.power))


def _count_unclosed(work: Work) -> None:
    state = work.state
    closes = state.power and state.pilot in ("C", "D") and 0 < state.duty < m.PILOT_X1
    work.change(unclosed=state.unclosed + 1 if closes and not state.relay_closed else 0)
    if doubt := doubts.of_open_contactor(work.state, work.now_s):
        _doubt(work, doubt)


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
