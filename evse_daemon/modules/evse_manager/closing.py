"""The process is told to end: a transaction is brought to its end first, in the order in which every one ends.

Its reason is Reboot. The car has the time that it always has: PWM goes off, power goes off when the car leaves state
C, at the latest after 6 s. Nothing new begins.
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.work import Work


def begin(work: Work) -> None:
    """The charger's states do the rest: none of them goes on while the process is closing."""
    state, now = work.state, work.state.session
    if state.close_by_s is not None:
        return
    state.close_by_s = work.now_s + work.config.closing_s
    if state.f_until_s is not None:
        state.f_until_s = min(state.f_until_s, work.now_s + work.config.closing_s / 2)
    if now.request_by_s is not None:
        now.request_by_s = work.now_s + answer_s(work, now.request_by_s - work.now_s)
    if state.unfinished_by_s is not None:
        state.unfinished_by_s = work.now_s + answer_s(work, state.unfinished_by_s - work.now_s)


def answer_s(work: Work, usual_s: float) -> float:
    """How long the billing meter may take to answer: its own time, or what is left of the process."""
    close_by_s = work.state.close_by_s
    return usual_s if close_by_s is None else max(0.0, min(usual_s, close_by_s - work.now_s))


def done(state: State) -> bool:
    """Whether nothing is left to be ended."""
    return state.close_by_s is not None and not state.session.id and not state.unfinished
