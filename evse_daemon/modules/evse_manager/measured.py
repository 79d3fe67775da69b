"""What an EVSE tells a scrape, from the kernel's state: pure (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import get_args

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.modules.evse_manager import explain_limits, guards
from evse_daemon.modules.evse_manager.explain_limits import Limit, Told
from evse_daemon.modules.evse_manager.local_limits import SOURCE
from evse_daemon.modules.evse_manager.state import ChargerState, KernelConfig, State

FAILED = "Failed"
"""In the place of a state, while the kernel is down after an exception."""

STATES = (*get_args(ChargerState), FAILED)

KNOWN = frozenset(
    {
        "",
        "module_config",
        "evse_board_support_caps",
        "pp_ampacity",
        "SafeCurrent",
        "WaitsForOthers",
        "random_delay",
        "config",
        SOURCE,
    }
)
"""What the energy tree's names of sources (``NODE/what``) end with."""

API = "API_module"
"""The source of the limits that the module API sets."""

OTHER = "other"
"""Whoever sets limits from outside names himself as he likes: there is no end of such names."""


def measures(
    config: KernelConfig, state: State, told: Told, nodes: Collection[str], now_s: float
) -> Iterator[Measure]:
    """The values of now.

    Args:
        config: the kernel's settings.
        state: the kernel's state.
        told: what the module knows beside it.
        nodes: the ids of the station's modules.
        now_s: monotonic time.
    """
    evse, pilot = config.module_id, state.pilot
    current = FAILED if told.failed else state.charger
    for name in STATES:
        yield names.STATE.of(name == current, evse, name)
    yield names.ENABLED.of(guards.enabled(state), evse)
    yield names.INOPERATIVE.of(guards.blocked(state), evse)
    yield names.AUTHORIZED.of(state.session.authorized, evse)
    yield names.POWER_PERMITTED.of(guards.may_switch_on(state, config, now_s), evse)
    yield names.POWER_COMMANDED.of(pilot.power_commanded, evse)
    if not guards.board_lost(state):
        yield names.CAR_CONNECTED.of(pilot.plugged, evse)
        yield names.CONTACTOR_CLOSED.of(pilot.contactor_closed, evse)
    if (phases := guards.phases(state)) is not None:
        yield names.PHASES.of(phases, evse)
    yield names.UNSTORED_ENDS.of(len(state.unstored_ends), evse)
    yield names.OFFERED.of(explain_limits.offered_a(state), evse)
    found = explain_limits.limits(config, state, told, now_s)
    least = explain_limits.smallest(found)
    known = least is not None and state.capabilities is not None
    yield names.ALLOWED.of(least.current_a if known and least is not None else 0.0, evse)
    yield from _limits(evse, found, nodes)


def _limits(evse: str, found: tuple[Limit, ...], nodes: Collection[str]) -> Iterator[Measure]:
    """Each kind and source once: of several that have the same name the smallest counts."""
    by_name: dict[tuple[str, str], Limit] = {}
    for limit in sorted(found, key=lambda each: (not each.smallest, each.current_a)):
        by_name.setdefault((limit.kind, bounded(limit.source, nodes)), limit)
    for (kind, source), limit in by_name.items():
        yield names.LIMIT.of(limit.current_a, evse, kind, source)
        yield names.LIMIT_DECIDES.of(limit.smallest, evse, kind, source)


def bounded(source: str, nodes: Collection[str]) -> str:
    """A source of limits as a label: what is not of this station becomes "other"."""
    parts = dict.fromkeys(_bounded(part.strip(), nodes) for part in source.split(","))
    return ",".join(sorted(parts))


def _bounded(part: str, nodes: Collection[str]) -> str:
    node, _, what = part.partition("/")
    return part if not part or part == API or (node in nodes and what in KNOWN) else OTHER
