"""Soft over-current: the car draws more than the PWM allows it, for longer than it needs to follow (Charger.cpp:1949).

Each phase that is measured is judged by itself and only when a new sample comes, against what the PWM signals then:
an old sample, or one that comes again unchanged from a meter that froze, neither starts a timer after the limit was
lowered (EVerest#2673) nor counts as safe, and a running timer runs out. A car has 5 s to follow a lower duty cycle
(IEC 61851-1 Table A.6); the shortest time that can be set is 6 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from evse_daemon.modules.evse_manager import faults, pwm
from evse_daemon.modules.evse_manager.state import ChargerState, KernelConfig, Overcurrent, Pilot, State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.powermeter import Powermeter

JUDGED: tuple[ChargerState, ...] = ("Charging", "ChargingPausedEV")

PHASES = ("L1", "L2", "L3")


def signalled_a(pilot: Pilot) -> float:
    """What the car may draw by the PWM on its pilot; 0 without PWM."""
    return pwm.current_for(pilot.duty) if pilot.output == "PWM" else 0.0


def threshold_a(config: KernelConfig, pilot: Pilot) -> float:
    """Above this a phase carries too much."""
    return (signalled_a(pilot) + config.overcurrent_noise_a) * (1 + config.overcurrent_tolerance)


def measured(work: Work, value: Powermeter) -> None:
    """Judges a sample of the billing meter."""
    if value.current_A is None:
        return
    currents = (value.current_A.L1, value.current_A.L2, value.current_A.L3)
    sample = (value.timestamp, *currents)
    if sample == work.state.overcurrent.sample:
        return
    now = work.state.overcurrent = replace(work.state.overcurrent, sample=sample)
    if work.state.charger not in JUDGED:
        return
    most_a = threshold_a(work.config, work.state.pilot)
    l1, l2, l3 = (
        since_s if current_a is None else _since_s(work, since_s, over=abs(current_a) > most_a)
        for since_s, current_a in zip(now.since_s, currents, strict=True)
    )
    work.state.overcurrent = replace(now, since_s=(l1, l2, l3))


def _since_s(work: Work, since_s: float | None, *, over: bool) -> float | None:
    if not over:
        return None
    return work.now_s if since_s is None else since_s


def deadline(work: Work) -> None:
    """Raises the error when a phase has carried too much for too long; it lasts until the car is unplugged."""
    state, config = work.state, work.config
    if state.charger not in JUDGED:
        state.overcurrent = Overcurrent(sample=state.overcurrent.sample)
        return
    found = [
        phase
        for phase, since_s in zip(PHASES, state.overcurrent.since_s, strict=True)
        if since_s is not None and work.now_s >= since_s + config.overcurrent_s
    ]
    if not found:
        return
    faults.raise_own(
        work,
        "evse_manager/MREC4OverCurrentFailure",
        f"the car drew more than {threshold_a(config, state.pilot):.1f} A on {', '.join(found)} for "
        f"{config.overcurrent_s:g} s, although it was allowed {signalled_a(state.pilot):.1f} A; "
        "unplug the car, and have it checked if this happens again",
    )


def named_deadlines(config: KernelConfig, state: State) -> Iterator[float]:
    if state.charger in JUDGED:
        yield from (
            since_s + config.overcurrent_s for since_s in state.overcurrent.since_s if since_s is not None
        )
