"""What an enforced limit says beside its current: who sets it, and how it is told on (energyImpl.cpp:385-512)."""

from __future__ import annotations

from evse_daemon.types.energy import EnforcedLimits

RATINGS = ("/module_config", "/evse_board_support_caps", "/pp_ampacity")
"""How the source of a limit ends that nobody asks for: a fuse's, the board's, the cable's."""

SAME_A = 1e-6
"""Limits that differ by less are equal."""


def by_rating(enforced: EnforcedLimits, nominal_voltage_v: float, phases: int) -> bool:
    """Whether a rating (a fuse, the board, the cable) sets an enforced limit, alone or with others."""
    limits = enforced.limits_root_side
    found: list[tuple[float, str]] = []
    if limits.ac_max_current_A is not None:
        found.append((limits.ac_max_current_A.value, limits.ac_max_current_A.source))
    if limits.total_power_W is not None:
        current_a = limits.total_power_W.value / nominal_voltage_v / max(phases, 1)
        found.append((current_a, limits.total_power_W.source))
    least_a = min((current_a for current_a, _ in found), default=0.0)
    return any(
        source.strip().endswith(RATINGS)
        for current_a, sources in found
        if current_a <= least_a + SAME_A
        for source in sources.split(",")
    )


def within_cable(enforced: EnforcedLimits, cable_limit_a: float | None) -> EnforcedLimits:
    """An enforced limit as it is published again: with the current that the cable leaves of it."""
    limits = enforced.limits_root_side
    current = limits.ac_max_current_A
    if cable_limit_a is None or current is None or current.value <= cable_limit_a:
        return enforced
    current = current.model_copy(update={"value": cable_limit_a})
    return enforced.model_copy(
        update={"limits_root_side": limits.model_copy(update={"ac_max_current_A": current})}
    )
