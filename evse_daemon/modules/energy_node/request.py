"""What a fuse asks of the energy manager: its own limits and, below it, its children's requests.

The form is that of EVerest's recordings, the rules are those of reference evse-manager.md §9.2.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from evse_daemon.framework.clock import timestamp
from evse_daemon.types.energy import (
    CapabilityLimits,
    EnergyFlowRequest,
    ExternalLimits,
    IntegerWithSource,
    LimitsReq,
    NumberWithSource,
    ScheduleReqEntry,
    ScheduleSetpointEntry,
)
from evse_daemon.types.powermeter import Powermeter


@dataclass(frozen=True, slots=True)
class Fuse:
    """The ratings of a node."""

    uuid: str
    limit_a: float
    phase_count: int
    nominal_voltage_v: float
    power_gives_current: bool = False
    """A power limit from outside gives a current limit, too (option enhance_external_schedule)."""

    @property
    def source(self) -> str:
        return f"{self.uuid}/module_config"

    @property
    def capabilities(self) -> CapabilityLimits:
        return CapabilityLimits(
            max_current_A=self.limit_a,
            max_phase_count=self.phase_count,
            nominal_voltage_V=self.nominal_voltage_v,
            total_power_W=self.nominal_voltage_v * self.limit_a * self.phase_count,
        )


@dataclass(frozen=True, slots=True)
class Schedules:
    """The limits that a node has at present."""

    schedule_import: list[ScheduleReqEntry]
    schedule_export: list[ScheduleReqEntry]
    schedule_setpoints: list[ScheduleSetpointEntry]


def schedules(fuse: Fuse, external: ExternalLimits | None, now: dt.datetime) -> Schedules:
    """The fuse's own limits, or those from outside, capped by the fuse; an empty list stands for the fuse's own."""
    own = [_own_entry(fuse, now)]
    if external is None:
        return Schedules(own, own, [])
    return Schedules(
        [_capped(fuse, entry) for entry in external.schedule_import] or own,
        [_capped(fuse, entry) for entry in external.schedule_export] or own,
        external.schedule_setpoints,
    )


def flow_request(
    fuse: Fuse, limits: Schedules, children: list[EnergyFlowRequest], meter: Powermeter | None
) -> EnergyFlowRequest:
    """The request of a fuse and all that is below it."""
    return EnergyFlowRequest(
        uuid=fuse.uuid,
        node_type="Generic",
        children=children,
        schedule_import=limits.schedule_import,
        schedule_export=limits.schedule_export,
        schedule_setpoints=limits.schedule_setpoints,
        energy_usage_root=meter,
    )


def _own_entry(fuse: Fuse, now: dt.datetime) -> ScheduleReqEntry:
    return _entry_of_hour(fuse, now.replace(minute=0, second=0, microsecond=0))


@lru_cache(maxsize=1024)
def _entry_of_hour(fuse: Fuse, hour: dt.datetime) -> ScheduleReqEntry:
    """The same for an hour, and asked for every second."""
    limits = LimitsReq(
        ac_max_current_A=NumberWithSource(value=fuse.limit_a, source=fuse.source),
        ac_max_phase_count=IntegerWithSource(value=fuse.phase_count, source=fuse.source),
    )
    return ScheduleReqEntry(timestamp=timestamp(hour), limits_to_root=limits, limits_to_leaves=limits)


def _capped(fuse: Fuse, entry: ScheduleReqEntry) -> ScheduleReqEntry:
    limits = entry.limits_to_root
    return entry.model_copy(
        update={
            "limits_to_root": limits.model_copy(
                update={
                    "ac_max_current_A": _capped_current(fuse, limits),
                    "ac_max_phase_count": _capped_phases(fuse, limits),
                }
            )
        }
    )


def _capped_current(fuse: Fuse, limits: LimitsReq) -> NumberWithSource:
    given = limits.ac_max_current_A
    if given is None and fuse.power_gives_current and limits.total_power_W is not None:
        phases = _capped_phases(fuse, limits).value
        current_a = limits.total_power_W.value / fuse.nominal_voltage_v / phases if phases > 0 else 0.0
        given = NumberWithSource(value=current_a, source=limits.total_power_W.source)
    if given is None or given.value > fuse.limit_a:
        return NumberWithSource(value=fuse.limit_a, source=fuse.source)
    return given


def _capped_phases(fuse: Fuse, limits: LimitsReq) -> IntegerWithSource:
    given = limits.ac_max_phase_count
    if given is None or given.value > fuse.phase_count:
        return IntegerWithSource(value=fuse.phase_count, source=fuse.source)
    return given
