"""How a board is restarted, and what that makes of all that was known of it; pure, see driver.py."""

from __future__ import annotations

from drivers.board import contactor, faults, lock
from drivers.board import messages as m
from drivers.board import state as s
from drivers.board.work import Work

REFRESH_S = 1.0
"""How often the wanted set and the host's keep-alive are sent: nobody acknowledges them (design rule 5)."""

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


def lose(work: Work, fault: s.Fault) -> None:
    """Nothing that is known of the board counts any more; whoever wants power has to say so again."""
    lock.board_lost(work, fault.message)
    work.want(power=False)
    work.change(lost=fault, pilot=None, relay_closed=None, welded=False, off_until_s=None)
    work.change(doubt_s=None, unclosed=0)
    contactor.cut(work)


def doubt(work: Work, what: str) -> None:
    """The board is asked anew by restarting it: there is no other question that it answers."""
    lose(work, faults.contradiction(what))
    work.change(resets=0)
    restart(work)


def silent(work: Work) -> None:
    """Its keep-alive stays away: it is held in reset, or restarted where no line can do that."""
    lose(work, faults.lost_board(work.settings.link_timeout_s))
    work.change(silent=True)
    if work.state.board is None and not work.state.told_missing:
        work.change(told_missing=True)
        work.do(s.TellBoard(None))
    if work.settings.reset_line:
        hold(work)
        work.change(phase="away", phase_until_s=work.now_s + HOLD_S, resets=0)
    else:
        work.change(resets=1)
        restart(work)


def late(work: Work, *, spare: bool) -> None:
    """The phase has lasted too long."""
    if work.state.phase != "starting":
        restart(work)
        return
    work.change(unstarted=work.state.unstarted + 1)
    if spare:
        work.change(phase_until_s=work.now_s + START_S)
    else:
        restart(work)


def restart(work: Work) -> None:
    """Has the board restart, by its reset line or a message; it answers with WasReset."""
    wait_s = RETRY_S if work.state.resets else ANSWER_S
    work.change(phase="resetting", phase_until_s=work.now_s + wait_s, resets=work.state.resets + 1)
    work.change(configured=work.settings.configuration is None)
    work.change(refresh_s=min(work.state.refresh_s, work.now_s + beat_s(work)))
    # The first message may run into garbage that the board holds still.
    work.send(m.HostAlive(), m.AllowPower(False))
    if not work.settings.reset_line:
        work.send(m.Reset())
    else:
        if not work.state.line_held:
            hold(work)
        # Also where it is held already: that may have begun in this moment.
        work.change(line_until_s=work.now_s + work.settings.reset_pulse_s)


def hold(work: Work) -> None:
    """In reset, where there is a line for it."""
    if work.settings.reset_line:
        work.change(line_held=True, line_until_s=None)
        work.do(s.ResetLine(held=True))


def let_go(work: Work) -> None:
    """Of the reset line, when it is time."""
    until_s = work.state.line_until_s
    if until_s is not None and work.now_s >= until_s:
        work.change(line_held=False, line_until_s=None)
        work.do(s.ResetLine(held=False))


def asks(work: Work) -> None:
    """A board that asks for its configuration has just started, also where its report of that was lost."""
    if work.state.phase != "starting" or work.state.configured:
        was_reset(work)
    if work.settings.configuration is not None:
        work.send(work.settings.configuration)


def was_reset(work: Work) -> None:
    """The board says that it has just started."""
    if work.state.phase == "running":
        lose(work, faults.RESTARTED)
    work.change(
        phase="starting",
        phase_until_s=work.now_s + START_S,
        resets=0,
        configured=work.settings.configuration is None,
        pilot=None,
        relay_closed=None,
        flags=m.ErrorFlags(),
        lock="undefined",
        cable=None,
    )
    work.send(*[m.HostAlive()] * RESYNC)
    prepare(work)


def prepare(work: Work) -> None:
    """What a board that has started is told first; one that waits for its configuration hears only the last of it."""
    work.send(m.SetPilot(work.state.duty))
    if work.state.wanted.locked:
        work.send(m.SetLock(True))
    work.send(m.AllowPower(False))


def beat_s(work: Work) -> float:
    """How often the board hears of its host."""
    return REFRESH_S if work.state.configured else CALL_S
