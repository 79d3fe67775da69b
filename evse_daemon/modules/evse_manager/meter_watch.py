"""Notices a billing meter that has fallen silent, repeats itself, or does not count (field: EVerest issue 2673).

A sample is new if its timestamp is; one that a driver sends twice is not. The time between new samples is observed, so
that a slow meter is given its time.
"""

from __future__ import annotations

from dataclasses import replace

from evse_daemon.modules.evse_manager import faults
from evse_daemon.modules.evse_manager.state import MeterWatch, State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.powermeter import Powermeter

SILENT = "Powermeter"
FROZEN = "PowermeterFrozen"
"""Sub types of evse_manager/Internal."""

CYCLES = 2

LEAST_S = 4.0
"""No meter is silent sooner. One that is read each second loses 3.5 s with a reading that fails altogether: a second,
three attempts of EVerest's 0.5 s, a pause and the next reading of 0.5 s each. Over-current is allowed 7 s."""

LONGEST_CYCLE_S = 60.0
"""The most that is taken for the time between two samples."""

LATE_S = 0.1
"""A look that comes later than this after its time says that this process stood still, and not the meter."""

CATCH_UP_S = 1.0
"""How long what the meter has sent meanwhile may then take to be read."""

OBSERVED = 3
"""The longest of so many intervals counts: samples may come in bursts."""

UNCOUNTED_WH = 250.0
"""Energy by the meter's own power that may go uncounted; meters resolve down to 100 Wh."""


def _after(watch: MeterWatch | None, sample: Powermeter, now_s: float, *, flows: bool) -> MeterWatch:
    counted_wh = sample.energy_Wh_import.total
    if watch is None:
        return MeterWatch(sample.timestamp, now_s, now_s + CYCLES * LONGEST_CYCLE_S, counted_wh=counted_wh)
    if sample.timestamp == watch.timestamp:
        return watch
    interval_s = now_s - watch.at_s
    intervals_s = (*watch.intervals_s, interval_s)[-OBSERVED:]
    silent_s = max(LEAST_S, CYCLES * min(max(intervals_s), LONGEST_CYCLE_S))
    seen = MeterWatch(sample.timestamp, now_s, now_s + silent_s, intervals_s, counted_wh)
    if counted_wh == watch.counted_wh and flows:
        power_w = sample.power_W.total if sample.power_W is not None else 0.0
        seen.uncounted_wh = watch.uncounted_wh + max(0.0, power_w) * interval_s / 3600
        seen.unchanged = watch.unchanged + 1
    return seen


def take(work: Work, sample: Powermeter) -> None:
    """Looks at a sample that the kernel believes."""
    state = work.state
    before = state.meter_watch
    if not work.config.watch_meter:
        return
    state.meter_watch = watch = _after(before, sample, work.now_s, flows=state.pilot.contactor_closed)
    if watch is before:
        return
    if is_silent(state):
        faults.clear_own(work, only=SILENT)
    if watch.uncounted_wh > UNCOUNTED_WH and watch.unchanged >= CYCLES:
        faults.raise_own(
            work,
            "evse_manager/Internal",
            f"the billing meter stands still at {watch.counted_wh:g} Wh while power flows; "
            "have it checked, and unplug the car to try again",
            sub_type=FROZEN,
        )


def missing(work: Work) -> None:
    """There was no sample at all in the time that the meter has to begin."""
    if work.state.meter is None:
        _silent(work, "the billing meter has sent no value since the start")


def judge(work: Work) -> None:
    """Raises the error when a meter that has sent samples sends none any more.

    Where it is looked at too late, what the meter has sent meanwhile may still wait: it is given time, once.
    """
    watch = work.state.meter_watch
    if watch is None or is_silent(work.state) or work.now_s < watch.due_s:
        return
    if work.now_s > watch.due_s + LATE_S and not watch.waited:
        work.state.meter_watch = replace(watch, due_s=work.now_s + CATCH_UP_S, waited=True)
    else:
        _silent(work, f"the billing meter has sent no new value for {work.now_s - watch.at_s:.1f} s")


def is_silent(state: State) -> bool:
    return bool(state.own_errors) and any(cause.sub_type == SILENT for cause in state.own_errors)


def _silent(work: Work, message: str) -> None:
    faults.raise_own(work, "evse_manager/Internal", message, sub_type=SILENT)
