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
class Limit:
    """What the energy management allows."""

    current_a: float = 0.0
    """Per phase."""
    shared_a: float | None = None
    """The sum of the currents of all phases; None: not limited."""
    phases: int | None = None
    """How many phases the car may use; None: nobody says."""

    def per_phase_a(self, phases: int | None) -> float:
        """The current per phase, for the phases that the limit names, else for those that there are."""
        if self.shared_a is None:
            return self.current_a
        return min(self.current_a, self.shared_a / (self.phases or phases or 3))


NOTHING = Limit()


def least(one: Limit, other: Limit) -> Limit:
    """What both allow."""
    shared = [limit.shared_a for limit in (one, other) if limit.shared_a is not None]
    phases = [limit.phases for limit in (one, other) if limit.phases is not None]
    return Limit(min(one.current_a, other.current_a), min(shared, default=None), min(phases, default=None))


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
    wanted: Limit = NOTHING
    """The newest limit, as if there were no delay."""
    held: Limit = NOTHING
    """What holds while the delay runs."""
    started_utc: str = ""
    ends_s: float | None = None
    """None: no delay runs."""
    lapsed: bool = False
    """The last limit expired: the energy management was away, and what it says next is no change."""

    @property
    def applied(self) -> Limit:
        """The limit in force."""
        return self.wanted if self.ends_s is None else self.held

    def remaining_s(self, now_s: float) -> int:
        """Whole seconds until the delay ends; 0 while none runs."""
        return 0 if self.ends_s is None else max(0, math.ceil(self.ends_s - now_s))


def new_limit(
    delay: RandomDelay,
    limit: Limit,
    now_s: float,
    utc: str,
    chance: float,
    *,
    phases: int | None = None,
    car_waits: bool,
    at_once: bool,
) -> RandomDelay:
    """Takes over a limit from the energy management.

    Args:
        delay: as it was.
        limit: the new limit.
        now_s: monotonic time.
        utc: the time of day, RFC 3339, to tell when a delay began.
        chance: a random number in [0, 1); where between 0 and the longest duration the delay lies.
        phases: on how many phases the car charges now; None: not known.
        car_waits: a car is in a state in which the limit matters.
        at_once: a rating sets the limit; where it is lower it may not wait.
    """
    before, lapsed = delay.wanted, delay.lapsed
    delay = replace(delay, wanted=limit, lapsed=False)
    if not delay.enabled or not car_waits or lapsed:
        return end(delay)
    if delay.ready_s is not None:
        if now_s < delay.ready_s + AFTER_BOOT_S:
            before = NOTHING
        delay = replace(delay, ready_s=None)
    if delay.ends_s is not None:
        return replace(delay, held=least(delay.held, limit)) if at_once else delay
    if not _counts(delay, before, limit, phases):
        return delay
    held = least(before, limit) if at_once else before
    if (held.current_a, held.shared_a) == (limit.current_a, limit.shared_a) and at_once:
        return delay
    duration_s = min(delay.max_duration_s, int(chance * (delay.max_duration_s + 1)))
    if duration_s <= 0:
        return delay
    return replace(delay, held=held, started_utc=utc, ends_s=now_s + duration_s)


def _counts(delay: RandomDelay, before: Limit, limit: Limit, phases: int | None) -> bool:
    before_a, limit_a = before.per_phase_a(phases), limit.per_phase_a(phases)
    if not delay.at_any_change:
        return (before_a < CHANGE_A) != (limit_a < CHANGE_A)
    other_phases = None not in (before.phases, limit.phases) and before.phases != limit.phases
    return other_phases or abs(limit_a - before_a) >= CHANGE_A


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
