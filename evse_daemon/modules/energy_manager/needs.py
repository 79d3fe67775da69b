"""Whether two requests ask for the same: what only tells the time or a meter's reading is no change."""

from __future__ import annotations

from collections.abc import Sequence

from evse_daemon.types.energy import EnergyFlowRequest, EvseState, ScheduleReqEntry, ScheduleSetpointEntry

WITHOUT_CAR: frozenset[EvseState] = frozenset(("Unplugged", "Disabled", "Finished"))
"""States of an EVSE in which nobody can draw a current soon."""


def same_needs(before: EnergyFlowRequest, now: EnergyFlowRequest) -> bool:
    """Whether the shares of all EVSEs below can stay as they are, but for what time changes."""
    if before is now:
        return True
    return (
        before.uuid == now.uuid
        and before.node_type == now.node_type
        and before.evse_state == now.evse_state
        and _same_limits(before.schedule_import, now.schedule_import)
        and _same_setpoints(before, now)
        and len(before.children) == len(now.children)
        and all(map(same_needs, before.children, now.children))
    )


def _same_limits(before: Sequence[ScheduleReqEntry], now: Sequence[ScheduleReqEntry]) -> bool:
    if before is now:
        return True
    if len(before) != len(now):
        return False
    # Where there is one entry it holds whatever its time; with several the times tell when they change.
    timed = len(before) > 1
    return all(
        (one.limits_to_root is other.limits_to_root or one.limits_to_root == other.limits_to_root)
        and (one.limits_to_leaves is other.limits_to_leaves or one.limits_to_leaves == other.limits_to_leaves)
        and one.conversion_efficiency == other.conversion_efficiency
        and one.price_per_kwh == other.price_per_kwh
        and not (timed and one.timestamp != other.timestamp)
        for one, other in zip(before, now, strict=True)
    )


def _same_setpoints(before: EnergyFlowRequest, now: EnergyFlowRequest) -> bool:
    one, other = before.schedule_setpoints, now.schedule_setpoints
    if not one and not other:
        return True
    return one == other and not _follows_frequency(other)


def _follows_frequency(setpoints: Sequence[ScheduleSetpointEntry]) -> bool:
    """Whether a target follows the frequency of the grid, which a meter tells with each reading."""
    return any(entry.setpoint is not None and entry.setpoint.frequency_table for entry in setpoints)
