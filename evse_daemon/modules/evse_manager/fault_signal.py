"""State F for a moment when a fault begins while the EVSE pauses (option state_F_after_fault_ms; Charger.cpp:956-967).

A fault while charging ends PWM only, as the real EVerest does, although the option's text promises F there, too: some
cars never charge again after they have seen F.
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager import control_pilot as cp
from evse_daemon.modules.evse_manager.state import PauseReason
from evse_daemon.modules.evse_manager.work import Work


def signalling(work: Work, reasons: tuple[PauseReason, ...]) -> bool:
    """In ChargingPausedEVSE: whether F is signalled now, because a fault has joined the reasons announced before.

    F stays for its whole time, whatever happens meanwhile; then the pilot goes back to X1.
    """
    state = work.state
    announced = state.session.pause_reasons
    lasts_s = work.config.state_f_after_fault_s
    if state.f_until_s is None:
        if not announced or "Error" in announced or "Error" not in reasons or lasts_s <= 0:
            return False
        state.f_until_s = work.now_s + lasts_s
        cp.signal_f(work)
    if work.now_s < state.f_until_s:
        return True
    state.f_until_s = None
    cp.signal_x1(work)
    return False
