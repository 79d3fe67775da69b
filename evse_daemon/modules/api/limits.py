"""The limits that a client sets over the API, as the energy tree takes them (reference api.md §1.8, API.cpp:45-101).

A number above 0 limits what is drawn, a negative one what is fed back; 0 stops both. They hold until another is set.
"""

from __future__ import annotations

from evse_daemon.types.energy import (
    ExternalLimits,
    IntegerWithSource,
    LimitsReq,
    NumberWithSource,
    ScheduleReqEntry,
)

SOURCE = "API_module"
"""How EVerest names who has set them."""


def current(limit_a: float, now: str) -> ExternalLimits:
    """At most this current per phase."""
    target = LimitsReq(ac_max_current_A=_number(abs(limit_a)))
    return _limits(target, LimitsReq(ac_max_current_A=_number(0.0)), now, draws=limit_a > 0.0)


def power(limit_w: float, now: str) -> ExternalLimits:
    """At most this power, of all phases together."""
    target = LimitsReq(total_power_W=_number(abs(limit_w)))
    return _limits(target, LimitsReq(total_power_W=_number(0.0)), now, draws=limit_w > 0.0)


def current_and_phases(limit_a: float, phases: int, now: str) -> ExternalLimits:
    """At most this current on each of so many phases."""
    count = IntegerWithSource(value=phases, source=SOURCE)
    target = LimitsReq(
        ac_max_current_A=_number(abs(limit_a)), ac_max_phase_count=count, ac_min_phase_count=count
    )
    return _limits(target, LimitsReq(ac_max_current_A=_number(0.0)), now, draws=limit_a > 0.0)


def _number(value: float) -> NumberWithSource:
    return NumberWithSource(value=value, source=SOURCE)


def _limits(target: LimitsReq, nothing: LimitsReq, now: str, *, draws: bool) -> ExternalLimits:
    on, off = (
        [ScheduleReqEntry(timestamp=now, limits_to_root=limits, limits_to_leaves=limits)]
        for limits in (target, nothing)
    )
    return ExternalLimits(
        schedule_import=on if draws else off, schedule_export=off if draws else on, schedule_setpoints=[]
    )
