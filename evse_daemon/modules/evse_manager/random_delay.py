"""The random delay of the UK's smart charging regulations: pure (EvseManager/energy_grid/energyImpl.cpp:440-500).

A change of the limit takes effect after a random time, so that not every car of the country starts, or stops, at the
same moment. During the delay the limit from before it holds: a step, no ramp. A newer change does not begin the
delay anew; what is wanted when it ends counts.

What a rating demands does not wait: a lower limit that a fuse, the board or the cable sets holds at once, also within
a delay (``at_once``). Only what somebody asks for (a tariff, a CSMS, an app) is delayed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

CHANGE_A = 0.1
"""A smaller change is none, and a smaller limit is zero."""

AFTER_BOOT_S = 5.0
"""A car that is there when the EVSE becomes ready waits too: the power may have come back everywhere at once."""

DELAYED_STATES: frozenset[str] = frozenset(
    {"WaitingForAuthentication", "PrepareCharging", "T_step_EF", "SwitchPhases", "Charging"}
)
"""Where a change of the limit changes, or soon will change, what the car draws."""


@dataclass(frozen=True, slots=True)
class RandomDelay:
    """The settings of the delay, and the one that runs."""

    enabled: bool = False
    max_duration_s: int = 600
    """0: no delay."""
    at_any_change: bool = True
    """False: only changes from and to zero are delayed."""
    ready_s: float | None = None
    """When the EVSE became ready; None once a limit has been judged by it."""
    wanted_a: float = 0.0
    """The newest limit, as if there were no delay."""
    held_a: float = 0.0
    """What holds while the delay runs."""
    started_utc: str = ""
    ends_s: float | None = None
    """None: no delay runs."""
    lapsed: bool = False
    """The last limit expired: the energy management was away, and what it says next is no change."""

    @property
    def applied_a(self) -> float:
        """The limit in force, in ampere."""
        return self.wanted_a if self.ends_s is None else self.held_a

    def remaining_s(self, now_s: float) -> int:
        """Whole seconds until the delay ends; 0 while none runs."""
        return 0 if self.ends_s is None else max(0, math.ceil(self.ends_s - now_s))


def new_limit(
    delay: RandomDelay,
    limit_a: float,
    now_s: float,
    utc: str,
    chance: float,
    *,
    car_waits: bool,
    at_once: bool,
) -> RandomDelay:
    """Takes over a limit from the energy management.

    Args:
        delay: as it was.
        limit_a: the new limit per phase.
        now_s: monotonic time.
        utc: the time of day, RFC 3339, to tell when a delay began.
        chance: a random number in [0, 1); where between 0 and the longest duration the delay lies.
        car_waits: a car is in a state in which the limit matters.
        at_once: a rating sets the limit; a lower one may not wait.
    """
    before_a, was_a, lapsed = delay.wanted_a, delay.applied_a, delay.lapsed
    delay = replace(delay, wanted_a=limit_a, lapsed=False)
    if not delay.enabled or not car_waits or lapsed:
        return end(delay)
    if delay.ready_s is not None:
        if now_s < delay.ready_s + AFTER_BOOT_S:
            before_a = was_a = 0.0
        delay = replace(delay, ready_s=None)
    if delay.ends_s is not None:
        return replace(delay, held_a=min(delay.held_a, limit_a)) if at_once else delay
    if not _counts(delay, before_a, limit_a) or (at_once and limit_a <= was_a):
        return delay
    duration_s = min(delay.max_duration_s, int(chance * (delay.max_duration_s + 1)))
    if duration_s <= 0:
        return delay
    return replace(delay, held_a=before_a, started_utc=utc, ends_s=now_s + duration_s)


def _counts(delay: RandomDelay, before_a: float, limit_a: float) -> bool:
    if delay.at_any_change:
        return abs(limit_a - before_a) >= CHANGE_A
    return (before_a < CHANGE_A) != (limit_a < CHANGE_A)


def end(delay: RandomDelay) -> RandomDelay:
    """No delay runs any more: what is wanted holds."""
    return delay if delay.ends_s is None else replace(delay, ends_s=None)


def lapse(delay: RandomDelay) -> RandomDelay:
    """The limit has expired: a delay may not outlive it."""
    return replace(delay, ends_s=None, lapsed=True)


def after_restart(delay: RandomDelay) -> RandomDelay:
    """The settings, with nothing running: for a kernel that begins anew."""
    return RandomDelay(
        enabled=delay.enabled, max_duration_s=delay.max_duration_s, at_any_change=delay.at_any_change
    )
