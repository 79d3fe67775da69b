"""The contactor of a connector: power is commanded off until the board confirms it; pure, see driver.py."""

from __future__ import annotations

from drivers.board import doubts, lock
from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work

OFF_REPEAT_S = 0.1
"""How often power-off is sent until the board confirms it."""

WELDED_S = 1.0
"""A contactor that is not reported open so long after power-off counts as welded."""


def follow(work: Work) -> None:
    """What is wanted of it, or whether it may be so, has changed."""
    if work.state.power:
        work.change(off_until_s=None)
        lock.before_power(work)
        work.send(m.AllowPower(True))
    else:
        cut(work)


def cut(work: Work) -> None:
    """Power-off, until the board confirms it."""
    work.send(m.AllowPower(False))
    if work.state.relay_closed is not False and work.state.off_until_s is None and not work.state.welded:
        work.change(off_until_s=work.now_s + WELDED_S, off_next_s=work.now_s + OFF_REPEAT_S)


def reported(work: Work, closed: bool) -> None:
    """The board says where it is."""
    work.change(relay_closed=closed, closed_unasked=closed and not work.state.power)
    if not closed:
        work.change(off_until_s=None, welded=False)
    if work.state.phase == "running" and closed != work.state.told_power:
        work.change(told_power=closed)
        work.do(s.TellEvent("PowerOn" if closed else "PowerOff"))
    # A board that answers each power-off with where its contactor is would be told and answer without end.
    if closed and not work.state.power and not work.state.welded and work.state.off_until_s is None:
        cut(work)


def due(work: Work) -> str:
    """What time has brought; gives what of the board's reports cannot be, if anything."""
    state = work.state
    if state.off_until_s is None:
        return ""
    if work.now_s >= state.off_until_s:
        welded = state.phase in ("starting", "running") and state.relay_closed is True
        work.change(off_until_s=None, welded=welded)
    elif doubt := doubts.of_closed_contactor(state, work.now_s - state.off_until_s + WELDED_S, work.now_s):
        return doubt
    elif work.now_s >= state.off_next_s:
        work.change(off_next_s=work.now_s + OFF_REPEAT_S)
        work.send(m.AllowPower(False))
    return ""
