"""The limits that somebody outside the energy tree sets at a node, and what holds when nobody does any more."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from evse_daemon.framework.clock import timestamp
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.modules.energy_manager.problems import Problem
from evse_daemon.types.energy import ExternalLimits, LimitsReq, NumberWithSource, ScheduleReqEntry


class Received(NamedTuple):
    limits: ExternalLimits
    at_s: float


def is_silent(expected: LimitSource | None, received: Received | None, now_s: float) -> bool:
    """Whether limits are missing that are expected here: none yet, or none for too long."""
    if expected is None or not expected.MaxReceiveTimeSec > 0:
        return False
    return received is None or now_s - received.at_s >= expected.MaxReceiveTimeSec


def safe_limits(uuid: str, expected: LimitSource, now: dt.datetime) -> ExternalLimits:
    """What holds meanwhile: the safe current, and nothing towards the grid."""
    source = f"{uuid}/SafeCurrent"

    def entry(current_a: float) -> ScheduleReqEntry:
        limits = LimitsReq(ac_max_current_A=NumberWithSource(value=current_a, source=source))
        hour = now.replace(minute=0, second=0, microsecond=0)
        return ScheduleReqEntry(
            timestamp=timestamp(hour), limits_to_root=limits, limits_to_leaves=LimitsReq()
        )

    return ExternalLimits(
        schedule_import=[entry(expected.SafeCurrent)], schedule_export=[entry(0.0)], schedule_setpoints=[]
    )


def problem(uuid: str, expected: LimitSource, received: Received | None) -> Problem:
    """What is told while limits are missing."""
    since = "yet" if received is None else f"for {expected.MaxReceiveTimeSec:g} s (MaxReceiveTimeSec)"
    what = (
        f"nobody has set limits at this node {since}; {expected.SafeCurrent:g} A hold meanwhile (SafeCurrent)"
    )
    return Problem("LimitsSilent", uuid, what)
