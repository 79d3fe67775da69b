"""Where reports of a board contradict each other: it tells each change once, and noise may have taken that."""

from __future__ import annotations

import math

from drivers.board import messages as m
from drivers.board import state as s

DOUBT_S = 2.0
"""How long the control pilot's voltage may contradict its state before the report of a change counts as lost."""

UNCLOSED = 3
"""Refreshes after which a contactor that is not reported closed is doubted, where messages were damaged."""

DAMAGE_S = 5.0
"""How long after a damaged message a missing report is blamed on it."""

FLAGS_S = 60.0
"""So long error flags stand at least before they are doubted, where messages were damaged after them."""

UNCONFIRMED_S = 0.8
"""As UNCLOSED, for power-off: soon enough that a contactor is not counted as welded for a lost report."""

LEVELS: dict[int, m.Pilot] = {12: "A", 11: "A", 9: "B", 8: "B", 6: "C", 5: "C", 3: "D", 2: "D"}
"""What whole volts of the control pilot's high level can only be (boards decode ±1.1 V, drivers.md §4)."""


def clock_went_back(before: s.State, alive: m.BoardAlive) -> bool:
    """Whether a running board has restarted since its last keep-alive."""
    if before.phase != "running" or before.board is None:
        return False
    back_ms = before.board.timestamp_ms - alive.timestamp_ms
    # More than half of its range, and the counter has begun anew.
    return 0 < back_ms < 2**31


def contradicts(state: s.State, high_V: float) -> bool:
    """Whether the control pilot's high level is that of another state than the one reported."""
    seen = LEVELS.get(math.floor(high_V))
    # A diode fault is told as F, whatever the voltage.
    told = None if state.pilot == "F" and state.flags.diode_fault else state.pilot
    fits = seen is None or told in (seen, None) or state.wanted.duty == m.PILOT_F
    return state.phase == "running" and not fits


def of_voltage(state: s.State, high_V: float, now_s: float) -> str:
    """Why the state of the control pilot is not believed any more; empty where it is."""
    if state.doubt_s is None or now_s < state.doubt_s + DOUBT_S:
        return ""
    return f"the control pilot is at {high_V:g} V, and its state {state.pilot}"


def of_open_contactor(state: s.State, now_s: float) -> str:
    """Why the contactor may be closed although that is not reported, after ``unclosed`` was counted."""
    if state.unclosed < UNCLOSED or not _damaged(state, now_s):
        return ""
    return "the contactor is not reported closed"


def of_closed_contactor(state: s.State, power_off_s: float, now_s: float) -> str:
    """Why the contactor may be open although that is not reported.

    Args:
        state: the driver's.
        power_off_s: how long ago it was told to open.
        now_s: monotonic seconds.
    """
    reported_since = state.closed_unasked
    if (
        state.phase != "running"
        or power_off_s < UNCONFIRMED_S
        or reported_since
        or not _damaged(state, now_s)
    ):
        return ""
    return "the contactor is not reported open"


def of_cable(before: m.Pilot | None, state: s.State, now_s: float) -> str:
    """Why the cable that a car is plugged in with may be another one than was there before it.

    Args:
        before: what the control pilot was.
        state: the driver's.
        now_s: monotonic seconds.
    """
    plugged_in = before == "A" and state.pilot in ("B", "C", "D")
    if not plugged_in or state.cable in (None, "none") or state.damaged_s <= state.cable_s:
        return ""
    return "the cable is not reported anew" if _damaged(state, now_s) else ""


def of_flags(state: s.State, now_s: float) -> str:
    """Why error flags may stand although they are over; empty where they are believed, or a car would be disturbed.

    Not that of a residual current: a restart would reset its monitor, and that is for people to do.
    """
    if state.flags == s.NO_FLAGS or state.flags.rcd_triggered or state.damaged_s <= state.flags_s:
        return ""
    if state.phase != "running" or state.power or not state.car_left or now_s < state.flags_s + FLAGS_S:
        return ""
    return "error flags stand, and messages were damaged since"


def _damaged(state: s.State, now_s: float) -> bool:
    return now_s < state.damaged_s + DAMAGE_S
