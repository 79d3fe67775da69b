"""The connector lock: commands are answered by what the board reports, or, where it reports nothing, by the time.

A board that cannot be heard is no stuck lock, and none that has moved.
"""

from __future__ import annotations

from dataclasses import replace

from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work

LOCK_SLACK_S = 1.0
"""How much later than its motor stops a lock may report where it is."""

HEARD_S = 0.5
"""A lock is judged only if its board was heard so lately; boards send at 5 Hz."""

MOTOR_FAILED = "the board reports a failure of the lock's motor"


def move(work: Work, request_id: int, locked: bool) -> None:
    """While the board has yet to start, the command waits for it."""
    if work.state.lock_request is not None:
        _done(work, "a newer command has taken its place")
    work.want(locked=locked)
    work.change(lock_request=s.LockRequest(request_id, locked), lock_failed=False)
    if work.state.lost is not None:
        _done(work, "the board is not there: the lock moves when it is back")
    elif work.state.phase == "running":
        _begins(work)


def board_runs(work: Work, why_not_unlock: str) -> None:
    """The board has started: its lock goes where it is wanted, and has from now on the time for that.

    Args:
        work: the step.
        why_not_unlock: see driver.py.
    """
    state = work.state
    if state.lock_request is None:
        if state.wanted.locked is None:
            return
        work.change(lock_request=s.LockRequest(None, state.wanted.locked))
    if not state.wanted.locked and why_not_unlock:
        _done(work, why_not_unlock)
    else:
        _begins(work)


def before_power(work: Work) -> None:
    """Nobody knows whether a lock without feedback has heard its command: it hears it again before power is allowed."""
    state = work.state
    if state.power and not state.relay_closed and state.wanted.locked and not state.reports_lock:
        work.send(m.SetLock(True))


def board_lost(work: Work, reason: str) -> None:
    if work.state.lock_request is not None:
        _done(work, reason)


def reported(work: Work, lock: m.Lock) -> None:
    work.change(lock=lock, reports_lock=work.state.reports_lock or lock != "undefined")
    request = work.state.lock_request
    if request is not None and lock == ("locked" if request.locked else "unlocked"):
        _done(work)


def due(work: Work) -> None:
    state, request = work.state, work.state.lock_request
    if request is None or request.by_s is None or work.now_s < request.by_s:
        return
    if work.now_s > state.heard_s + HEARD_S:
        work.change(lock_request=replace(request, by_s=work.now_s + HEARD_S))
    elif not state.reports_lock:
        _done(work, MOTOR_FAILED if state.flags.connector_lock_failed else "")
    else:
        work.change(lock_failed=True)
        _done(work, f"the lock did not move in time: it reports {state.lock!r}")


def _begins(work: Work) -> None:
    state, request = work.state, work.state.lock_request
    assert request is not None
    # Twice: a board without feedback may lose one, and a later one would have its motor run longer.
    work.send(m.SetLock(request.locked), m.SetLock(request.locked))
    if state.lock == ("locked" if request.locked else "unlocked"):
        _done(work)
        return
    by_s = work.now_s + work.settings.lock_time_s + (LOCK_SLACK_S if state.reports_lock else 0.0)
    work.change(lock_request=replace(request, by_s=by_s))


def _done(work: Work, error: str = "") -> None:
    request = work.state.lock_request
    assert request is not None
    work.change(lock_request=None)
    if request.request_id is not None:
        work.answer(request.request_id, error)
