"""When a module of another process counts as silent (design rules 3 and 6). Pure: the time is handed in.

A real EVerest module has no last will and no heartbeat. It is known by what it says: a variable, an error, an
answer. A board is asked as often as needed, so that its silence shows; a meter is expected to go on publishing.
"""

from __future__ import annotations

from dataclasses import dataclass

METER_CYCLES = 3
"""A meter is silent after so many of the longest interval that was seen between its readings."""

LONGEST_CYCLE_S = 60.0


@dataclass(slots=True)
class Meter:
    """What is known of the readings of one meter."""

    reading_s: float | None = None
    cycle_s: float = 0.0
    silent: bool = False

    def read(self, now_s: float) -> None:
        """A reading came."""
        if self.reading_s is not None:
            self.cycle_s = max(self.cycle_s, min(now_s - self.reading_s, LONGEST_CYCLE_S))
        self.reading_s = now_s
        self.silent = False

    def silence(self, now_s: float, deadline_s: float) -> str:
        """Why it counts as silent from now on; empty where it does not, or does already."""
        if self.reading_s is None or not self.cycle_s or self.silent:
            return ""
        allowed_s = max(METER_CYCLES * self.cycle_s, deadline_s)
        if now_s - self.reading_s < allowed_s:
            return ""
        self.silent = True
        return f"there was no reading for {allowed_s:.1f} s"


@dataclass(slots=True)
class Watch:
    """What is known of one module's life."""

    deadline_s: float
    """How long a board may say nothing."""
    board: bool = False
    """It has a board, which can be asked."""
    up: bool = False
    """It has told that it is ready, or was heard, and nothing has shown the contrary since."""
    booting: bool = False
    """It has asked for its configuration and not told that it is ready."""
    heard_s: float = float("-inf")

    def heard(self, now_s: float) -> None:
        """Something sensible came from it."""
        self.heard_s = now_s

    def silence(self, now_s: float) -> str:
        """Why it counts as silent now; empty where it does not."""
        if self.up and self.board and now_s - self.heard_s >= self.deadline_s:
            return f"it has said nothing for {self.deadline_s:g} s"
        return ""

    def probe_due(self, now_s: float) -> bool:
        """Whether the board should be asked for a sign of life."""
        return self.board and now_s - self.heard_s >= self.deadline_s / 3
