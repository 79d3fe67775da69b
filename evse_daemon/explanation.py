"""The station's explanation: each EVSE's own, with the limits of the energy tree above it (docs/explain.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from evse_daemon.framework.clock import timestamp
from evse_daemon.framework.module import Module
from evse_daemon.interfaces.energy import Energy
from evse_daemon.modules.energy_manager.explain_path import NodeLimit, limits_above
from evse_daemon.modules.evse_manager.explain_limits import named
from evse_daemon.types.energy import EnergyFlowRequest

TRUNK = "energy_trunk"
"""By which an energy manager is connected to the root of its tree."""

NOMINAL_VOLTAGE_V = 230.0
"""By which a limit in watt is shown in ampere; the energy management reckons with its own option."""


def explanation(
    station: str, modules: Mapping[str, Module], failed: Collection[str], now: dt.datetime
) -> dict[str, Any]:
    """Why the EVSEs of a station do not charge, or with so little.

    Args:
        station: the everest prefix without slash.
        modules: all of it.
        failed: those that have failed for good.
        now: the time of the day.
    """
    trees = _trees(modules)
    found = []
    for module_id, module in modules.items():
        given = module.explain()
        if given is not None and module_id in failed:
            given = _of_a_failed_module(module_id)
        if given is not None:
            found.append({**given, "limits": [*given["limits"], *_above(trees, given, now)]})
    return {"station": station, "time": timestamp(now), "failed_modules": [*failed], "evses": found}


def _trees(modules: Mapping[str, Module]) -> list[EnergyFlowRequest]:
    """The newest of each energy manager's tree; none of a root that has failed."""
    roots = [client for module in modules.values() for client in module.clients.get(TRUNK, ())]
    return [tree for root in roots if (tree := root.last(Energy.energy_flow_request)) is not None]


def _above(
    trees: list[EnergyFlowRequest], given: Mapping[str, Any], now: dt.datetime
) -> list[dict[str, Any]]:
    phases = given.get("phases") or 3
    return [_as_json(limit, phases) for tree in trees for limit in limits_above(tree, given["evse"], now)]


def _as_json(limit: NodeLimit, phases: int) -> dict[str, Any]:
    who, current_a = named(limit.source), limit.current_a
    own = limit.source.startswith(f"{limit.node}/")
    place = "" if own else f", at the node {limit.node}"
    if limit.power_w is not None:
        current_a = limit.power_w / NOMINAL_VOLTAGE_V / phases
        who = f"{limit.power_w:.0f} W: {who}"
    found = {
        "kind": "node",
        "source": limit.source if own else f"{limit.node}: {limit.source}",
        "text": f"{who}{place}; the energy management applies it",
        "current_A": round(current_a or 0.0, 2),
        "in_force": False,
        "smallest": False,
    }
    if limit.since is not None and not own:  # a fuse's own limit has no beginning
        found["since"] = timestamp(limit.since)
    if limit.until is not None:
        found["until"] = timestamp(limit.until)
    return found


def _of_a_failed_module(module_id: str) -> dict[str, Any]:
    text = f"the module {module_id} has failed for good"
    remedy = "Restart the daemon; report it with the log."
    block = {"kind": "failed", "source": module_id, "text": text, "remedy": remedy}
    return {
        "evse": module_id,
        "state": "Failed",
        "charging": False,
        "sentence": f"Not charging: {text}. {remedy}",
        "blocks": [block],
        "limits": [],
    }
