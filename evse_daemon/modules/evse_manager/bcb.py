"""Recognises the BCB toggle: a car that wakes up the charger by pulses of state C while PWM is off (ISO 15118-3 9.3).

In basic charging nothing follows from it: a car that wants power goes to C and stays there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evse_daemon.modules.evse_manager.events import CpState

SHORTEST_PULSE_S = 0.15
LONGEST_PULSE_S = 0.45
"""A pulse of state C is longer than the one and shorter than the other (Charger.cpp: TP_EV_VALD_STATE_DURATION)."""

LONGEST_SEQUENCE_S = 3.7
MOST_PULSES = 3


@dataclass(frozen=True, slots=True)
class Sequence:
    """A toggle in the making."""

    began_s: float
    """When the first pulse began."""
    pulse_began_s: float | None
    """When the pulse that lasts still began."""
    pulses: int = 0
    """Valid pulses so far."""

    @property
    def due_s(self) -> float:
        """When it ends, with whatever pulses there were."""
        return self.began_s + LONGEST_SEQUENCE_S


def follow(
    sequence: Sequence | None, before: CpState | None, cp: CpState | None, now_s: float
) -> Sequence | None:
    """The sequence after the control pilot went from one state to another; None where there is none."""
    if (before, cp) == ("B", "C"):
        if sequence is None:
            return Sequence(now_s, now_s)
        return replace(sequence, pulse_began_s=now_s)
    if (before, cp) == ("C", "B"):
        if sequence is None or sequence.pulse_began_s is None:
            return sequence
        lasted_s = now_s - sequence.pulse_began_s
        valid = SHORTEST_PULSE_S < lasted_s < LONGEST_PULSE_S
        return replace(sequence, pulse_began_s=None, pulses=sequence.pulses + valid)
    return sequence if cp == before else None


def ended(sequence: Sequence, now_s: float) -> bool:
    """Whether no more pulses are waited for: there are three, or the time is over."""
    return sequence.pulses >= MOST_PULSES or now_s >= sequence.due_s


def recognised(sequence: Sequence) -> bool:
    """Whether a sequence that has ended was a toggle; a car that went to C and stayed there is none."""
    return sequence.pulses > 0 and sequence.pulse_began_s is None
