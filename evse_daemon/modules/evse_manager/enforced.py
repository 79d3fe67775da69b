"""Who sets an enforced limit: somebody who asks for it, or a rating."""

from __future__ import annotations

from evse_daemon.types.energy import EnforcedLimits

RATINGS = ("/module_config", "/evse_board_support_caps", "/pp_ampacity")
"""How the source of a limit ends that nobody asks for: a fuse's, the board's, the cable's."""

SAME_A = 1e-6
"""Limits that differ by less are equal."""


def by_rating(enforced: EnforcedLimits, shared_a: float | None, phases: int) -> bool:
    """Whether a rating (a fuse, the board, the cable) sets an enforced limit, alone or with others.

    Args:
        enforced: the limit.
        shared_a: its limit in watt as the sum of the currents of all phases.
        phases: among how many phases that is shared.
    """
    limits = enforced.limits_root_side
    found: list[tuple[float, str]] = []
    if limits.ac_max_current_A is not None:
        found.append((limits.ac_max_current_A.value, limits.ac_max_current_A.source))
    if limits.total_power_W is not None and shared_a is not None:
        found.append((shared_a / max(phases, 1), limits.total_power_W.source))
    least_a = min((current_a for current_a, _ in found), default=0.0)
    return any(
        source.strip().endswith(RATINGS)
        for current_a, sources in found
        if current_a <= least_a + SAME_A
        for source in sources.split(",")
    )
