"""Requests of EVSEs and fuses, as they are published."""

from __future__ import annotations

from typing import Any

from evse_daemon.types.energy import (
    EnergyFlowRequest,
    ExternalLimits,
    IntegerWithSource,
    LimitsReq,
    NumberWithSource,
    ScheduleReqEntry,
)

NOW = "2026-03-04T10:15:00.000Z"


def number(value: float | None, source: str) -> NumberWithSource | None:
    return None if value is None else NumberWithSource(value=value, source=source)


def entry(
    current_a: float | None = None,
    *,
    at: str = NOW,
    source: str = "outside",
    power_w: float | None = None,
    phases: int | None = None,
    **fields: Any,
) -> ScheduleReqEntry:
    limits = LimitsReq(
        ac_max_current_A=number(current_a, source),
        total_power_W=number(power_w, source),
        ac_max_phase_count=None if phases is None else IntegerWithSource(value=phases, source=source),
    )
    return ScheduleReqEntry(timestamp=at, limits_to_root=limits, limits_to_leaves=LimitsReq(), **fields)


def outside(*entries: ScheduleReqEntry) -> ExternalLimits:
    return ExternalLimits(schedule_import=list(entries), schedule_export=[], schedule_setpoints=[])


def evse(
    uuid: str,
    max_a: float = 32,
    min_a: float = 6,
    *,
    phases: int = 3,
    state: Any = "Charging",
    urgent: bool = False,
) -> EnergyFlowRequest:
    """As an EvseManager asks."""
    source = f"{uuid}/evse_board_support_caps"
    limits_to_root = LimitsReq(
        ac_max_current_A=number(max_a, source),
        ac_min_current_A=number(min_a, source),
        ac_max_phase_count=IntegerWithSource(value=phases, source=source),
        ac_min_phase_count=IntegerWithSource(value=1, source=source),
        ac_number_of_active_phases=phases,
        ac_supports_changing_phases_during_charging=True,
    )
    limits_to_leaves = LimitsReq(ac_max_current_A=number(max_a, f"{uuid} update_max_current_limit"))
    return EnergyFlowRequest(
        uuid=uuid,
        node_type="Evse",
        evse_state=state,
        children=[],
        priority_request=urgent,
        schedule_import=[
            ScheduleReqEntry(timestamp=NOW, limits_to_root=limits_to_root, limits_to_leaves=limits_to_leaves)
        ],
        schedule_export=[],
        schedule_setpoints=[],
    )


def fuse(uuid: str, limit_a: float, *children: EnergyFlowRequest, phases: int = 3) -> EnergyFlowRequest:
    """As an EnergyNode asks."""
    return EnergyFlowRequest(
        uuid=uuid,
        node_type="Generic",
        children=list(children),
        schedule_import=[entry(limit_a, source=f"{uuid}/module_config", phases=phases)],
        schedule_export=[],
        schedule_setpoints=[],
    )
