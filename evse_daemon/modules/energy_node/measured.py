"""What a node of the energy tree tells a scrape: pure (docs/metrics.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.modules.energy_manager.explain_path import limits_of
from evse_daemon.modules.energy_node.request import Fuse
from evse_daemon.types.energy import EnergyFlowRequest


def limits(fuse: Fuse, request: EnergyFlowRequest, now: dt.datetime) -> Iterator[Measure]:
    """What the node lets through now.

    Args:
        fuse: its ratings.
        request: what it has told the energy manager last.
        now: the time of day, by which its schedules run.
    """
    for limit in limits_of(request, now):
        source = _named(fuse, limit.source)
        if limit.current_a is not None:
            yield names.NODE_LIMIT_AMPERES.of(limit.current_a, fuse.uuid, source)
        if limit.power_w is not None:
            yield names.NODE_LIMIT_WATTS.of(limit.power_w, fuse.uuid, source)


def _named(fuse: Fuse, source: str) -> str:
    """Whoever sets limits from outside names himself as he likes: there is no end of such names."""
    if source == fuse.source:
        return "fuse"
    return "safe_current" if source == f"{fuse.uuid}/SafeCurrent" else "external"
