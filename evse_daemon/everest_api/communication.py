"""When the program at the other end counts as gone (reference api.md §2.1). Pure: the time is handed in.

It says ``true`` on ``communication_check`` at least every few seconds. Before the first time, and after a pause that is
too long, an error says so; it clears by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

INITIAL = "Initial communication check"
LOST = "Bridge to implementation connection lost"
"""EVerest's sub types of the CommunicationFault."""

Link = Literal["initial", "up", "lost", "unchecked"]

SUB_TYPES: dict[Link, str] = {"initial": INITIAL, "lost": LOST}


@dataclass(frozen=True, slots=True)
class Communication:
    """What is known of the program's life."""

    timeout_s: float
    """How long it may say nothing."""
    link: Link
    deadline_s: float | None = None
    """When it counts as lost if it says nothing."""

    @property
    def there(self) -> bool:
        """It is there, as far as anybody wants to know."""
        return self.link in ("up", "unchecked")

    @property
    def sub_type(self) -> str:
        """Of the error that is active; empty for none."""
        return SUB_TYPES.get(self.link, "")


def begun(timeout_s: float) -> Communication:
    """The station has started. No time-out, or a negative one: nobody looks."""
    return Communication(timeout_s, "initial" if timeout_s > 0 else "unchecked")


def heard(known: Communication, alive: bool, now_s: float, *, must_be_watched: bool) -> Communication:
    """The program has said ``true``, or ``false``: that it is not to be watched any more.

    Args:
        known: before.
        alive: what it said.
        now_s: monotonic seconds.
        must_be_watched: power depends on it: ``false`` takes its leave, as its last will may do.
    """
    if known.link == "unchecked":
        return known
    if alive:
        return replace(known, link="up", deadline_s=now_s + known.timeout_s)
    return replace(known, link="lost" if must_be_watched else "unchecked", deadline_s=None)


def passed(known: Communication, now_s: float) -> Communication:
    """Time has passed."""
    if known.deadline_s is None or now_s < known.deadline_s:
        return known
    return replace(known, link="lost", deadline_s=None)
