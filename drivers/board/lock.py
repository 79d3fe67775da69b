"""The connector lock: commands are answered by what the board reports, or, where it reports nothing, by the time."""

from __future__ import annotations

from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work

LOCK_SLACK_S = 1.0
"""How much later than its motor stops a lock may report where it is."""


def move(work: Work, request_id: int, locked: bool) -> None:
    state = work.state
    if state.lock_request is not None:
        work.do(s.LockDone(state.lock_request.request_id, "a newer command has taken its place"))
    work.want(locked=locked)
    work.change(lock_request=None, lock_failed=False)
    if state.phase != "running":
        work.do(s.LockDone(request_id, "the board is not there: the lock moves when it is back"))
        return
    # Twice: a board without feedback may lose one, and a later one would have its motor run longer.
    work.send(m.SetLock(locked), m.SetLock(locked))
    if state.lock == ("locked" if locked else "unlocked"):
        work.do(s.LockDone(request_id))
        return
    by_s = work.now_s + work.settings.lock_time_s + (LOCK_SLACK_S if state.reports_lock else 0.0)
    work.change(lock_request=s.LockRequest(request_id, locked, by_s))


def reported(work: Work, lock: m.Lock) -> None:
    work.change(lock=lock, reports_lock=work.state.reports_lock or lock != "undefined")
    request = work.state.lock_request
    if request is not None and lock == ("locked" if request.locked else "unlocked"):
        work.change(lock_request=None)
        work.do(s.LockDone(request.request_id))


def due(work: Work) -> None:
    request = work.state.lock_request
    if request is None or work.now_s < request.by_s:
        return
    work.change(lock_request=None)
    if not work.state.reports_lock:
        work.do(s.LockDone(request.request_id))
        return
    work.change(lock_failed=True)
    work.do(s.LockDone(request.request_id, f"the lock did not move in time: it reports {work.state.lock!r}"))
