"""The limit of the energy management through the random delay, and the countdown that is told of it."""

from __future__ import annotations

from dataclasses import replace

from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import guards, pwm, random_delay
from evse_daemon.modules.evse_manager.events import CommandDelay, LimitChanged
from evse_daemon.modules.evse_manager.random_delay import Limit
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.uk_random_delay import CountDown


def car_waits(state: State) -> bool:
    """Whether a change of the limit changes what a car draws; so does the end of a pause for lack of energy.

    EVerest does not delay the latter (its ChargingPausedEVSE is none of the states in which it delays).
    """
    return state.charger in random_delay.DELAYED_STATES or (
        state.session.transaction and not pwm.enough(state.delay.applied.per_phase_a(guards.phases(state)))
    )


def counts(state: State) -> bool:
    """Whether there is a limit, or one to come after a delay, that can expire."""
    return state.limit_a > 0.0 or state.delay.ends_s is not None


def take(work: Work, event: LimitChanged) -> Limit:
    """Takes over a limit; what holds now."""
    state = work.state
    state.delay = random_delay.new_limit(
        state.delay,
        Limit(max(0.0, event.limit_a), event.shared_a, event.max_phases),
        work.now_s,
        work.utc,
        event.chance,
        phases=guards.phases(state),
        car_waits=car_waits(state),
        at_once=event.at_once,
    )
    if state.delay.enabled:
        tell(work)
    return state.delay.applied


def ended(work: Work) -> bool:
    """Whether a delay has ended by now; it is told."""
    delay = work.state.delay
    if delay.ends_s is None or work.now_s < delay.ends_s:
        return False
    _end(work)
    return True


def lapse(work: Work) -> None:
    """The limit has expired, and a delay with it."""
    ran = work.state.delay.ends_s is not None
    work.state.delay = random_delay.lapse(work.state.delay)
    if ran:
        tell(work)


def command(work: Work, event: CommandDelay) -> bool:
    """Switches the delay on or off or ends the one that runs; whether one has ended."""
    state = work.state
    if event.order != "cancel":
        state.delay = replace(state.delay, enabled=event.order == "enable")
    if event.order == "enable" or state.delay.ends_s is None:
        return False
    _end(work)
    return True


def _end(work: Work) -> None:
    work.state.delay = random_delay.end(work.state.delay)
    tell(work)


def tell(work: Work) -> None:
    """The countdown: what holds now, what will hold, and when."""
    delay = work.state.delay
    running = delay.ends_s is not None
    phases = guards.phases(work.state)
    work.publish(
        UkRandomDelay.countdown,
        CountDown(
            countdown_s=delay.remaining_s(work.now_s),
            current_limit_after_delay_A=delay.wanted.per_phase_a(phases),
            current_limit_during_delay_A=delay.applied.per_phase_a(phases),
            start_time=delay.started_utc if running else None,
        ),
    )
