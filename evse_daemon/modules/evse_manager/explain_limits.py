"""Every source of a limit of the car's current, with its value and its expiry, for people: pure.

The limits that are in force are those by which the kernel decides (guards.budget_a, control_pilot.duty_wanted): the
least of them is the current that the car may have. A test holds the two against each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from evse_daemon.modules.evse_manager import guards, pwm
from evse_daemon.modules.evse_manager.local_limits import SOURCE, UNLIMITED, LocalLimits
from evse_daemon.modules.evse_manager.local_limits import source as local_source
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.types.energy import EnforcedLimits

SIMPLIFIED_A = 10.0
"""For a car without a switch for state B, where the configuration says so (control_pilot.duty_wanted)."""

SAME_A = 0.05
"""Currents that differ by less are shown as the same."""

LimitKind = Literal["board", "cable", "energy", "power", "random_delay", "simplified", "local"]

Failed = Literal["", "restarts", "off", "unread"]
"""The charging logic has failed, and begins anew or never again; or it waits until the store can be read."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the module knows beside the kernel's state."""

    enforced: EnforcedLimits | None = None
    """The newest that the energy management said."""
    enforced_at_s: float = 0.0
    local: LocalLimits = UNLIMITED
    local_at_s: float | None = None
    """When a slider was moved last."""
    nominal_voltage_v: float = 230.0
    drawn_a: float | None = None
    """The largest current of a phase by a fresh reading of the meter."""
    failed: Failed = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """One source of a limit; times are monotonic."""

    kind: LimitKind
    source: str
    """Who sets it, as in the energy tree: ``NODE/what``."""
    text: str
    current_a: float
    """Per phase."""
    heard_s: float | None = None
    """When it was told last, where that is told again and again."""
    until_s: float | None = None
    """When it ends by itself."""
    in_force: bool = True
    """False: it does not count at present; the text says why."""
    smallest: bool = False


def limits(config: KernelConfig, state: State, told: Told, now_s: float) -> tuple[Limit, ...]:
    """All of them; the smallest of those in force is marked."""
    found = [
        *_of_the_board(config, state),
        *_of_the_cable(config, state),
        *_of_the_energy_management(config, state, told, now_s),
        *_of_the_sliders(config, state, told),
    ]
    if state.pilot.simplified and config.simplified_mode_limit_10a:
        text = (
            "the car goes to state C without B (simplified pilot), and hack_simplified_mode_limit_10A is set"
        )
        found.append(Limit("simplified", f"{config.module_id}/config", text, SIMPLIFIED_A))
    counting = [limit for limit in found if limit.in_force]
    if not counting:
        return tuple(found)
    least = min(counting, key=lambda limit: (limit.current_a, _RANK.index(limit.kind)))
    return tuple(replace(limit, smallest=limit is least) for limit in found)


_RANK: tuple[LimitKind, ...] = (
    "random_delay",
    "energy",
    "power",
    "simplified",
    "cable",
    "board",
    "local",
)
"""Of equal limits the one that says most is marked: the energy management's names its sources."""


def smallest(found: tuple[Limit, ...]) -> Limit | None:
    return next((limit for limit in found if limit.smallest), None)


def current(value: float | None) -> float:
    """A current as a guard takes it: 0 for what is no number, not known, or below 0."""
    return max(0.0, value) if value is not None and math.isfinite(value) else 0.0


def named(source: str) -> str:
    """Who sets a limit, in words, from the energy tree's ``NODE/what`` (several are parted by commas)."""
    names = [*dict.fromkeys(_named(part.strip()) for part in source.split(",") if part.strip())]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _named(source: str) -> str:
    node, _, what = source.partition("/")
    match what:
        case "module_config":
            return f"the fuse of {node}"
        case "evse_board_support_caps":
            return f"the board of {node}"
        case "pp_ampacity":
            return f"the cable at {node}"
        case "SafeCurrent":
            return f"{node}, whose source of limits is silent (SafeCurrent)"
        case "WaitsForOthers":
            return "other EVSEs, which have yet to give up their share"
        case _ if what == SOURCE:
            return f"Node-RED ({node})"
    return "the API (set_limit_…)" if source == "API_module" else source


def _of_the_board(config: KernelConfig, state: State) -> list[Limit]:
    if state.capabilities is None:
        return []
    value = current(state.capabilities.max_current_A_import)
    return [
        Limit("board", f"{config.module_id}/evse_board_support_caps", "what the board is built for", value)
    ]


def _of_the_cable(config: KernelConfig, state: State) -> list[Limit]:
    if not guards.has_socket(state):
        return []
    source = f"{config.module_id}/pp_ampacity"
    if state.cable_limit_a is None:
        return [Limit("cable", source, "no cable is in the socket, or it cannot be told", 0.0)]
    return [Limit("cable", source, "the rating of the cable", current(state.cable_limit_a))]


def _of_the_energy_management(config: KernelConfig, state: State, told: Told, now_s: float) -> list[Limit]:
    """What it allows; what a random delay makes of that; nothing where it has expired."""
    if told.enforced is None:
        text = "the energy management has not said anything yet"
        return [Limit("energy", "", text, 0.0)]
    heard_s, until_s, root = told.enforced_at_s, state.limit_until_s, told.enforced.limits_root_side
    by_current = root.ac_max_current_A.source if root.ac_max_current_A is not None else ""
    if not now_s < until_s:
        text = "expired: the energy management has not renewed it"
        return [Limit("energy", by_current, text, 0.0, heard_s=heard_s, until_s=until_s)]
    delay = state.delay
    delayed = delay.ends_s is not None
    phases = guards.phases(state) or 3
    waits = ", once the random delay is over" if delayed else ""
    found = []
    names = named(by_current)
    text = (
        f"allowed by the energy management: {names}" if names else "what the energy management allows"
    ) + waits
    wanted_a = current(delay.wanted.current_a) if delayed else current(state.limit_a)
    found.append(
        Limit("energy", by_current, text, wanted_a, heard_s=heard_s, until_s=until_s, in_force=not delayed)
    )
    shared_a = delay.wanted.shared_a if delayed else state.limit_shared_a
    # The energy manager gives each current in watt, too: that is no limit of its own.
    if (
        root.total_power_W is not None
        and shared_a is not None
        and current(shared_a) / phases < wanted_a - SAME_A
    ):
        by_power = root.total_power_W.source
        text = f"{root.total_power_W.value:.0f} W on {phases} phase{'s' * (phases > 1)}: {named(by_power)}{waits}"
        found.append(
            Limit(
                "power",
                by_power,
                text,
                current(shared_a) / phases,
                heard_s=heard_s,
                until_s=until_s,
                in_force=not delayed,
            )
        )
    if delayed:
        text = "the random delay (UK regulations) keeps what was allowed before"
        held_a = current(state.limit_a)
        if state.limit_shared_a is not None:
            held_a = min(held_a, current(state.limit_shared_a) / phases)
        found.append(
            Limit("random_delay", f"{config.module_id}/random_delay", text, held_a, until_s=delay.ends_s)
        )
    return found


def _of_the_sliders(config: KernelConfig, state: State, told: Told) -> list[Limit]:
    """They count by way of the energy management."""
    source, phases = local_source(config.module_id), guards.phases(state) or 3
    applied = "; the energy management applies it"
    found = []
    if told.local.current_a is not None:
        text = f"set over Node-RED (set_max_current){applied}"
        found.append(
            Limit("local", source, text, told.local.current_a, heard_s=told.local_at_s, in_force=False)
        )
    if told.local.power_w is not None:
        text = f"{told.local.power_w:.0f} W set over Node-RED (set_max_watt){applied}"
        value = told.local.power_w / told.nominal_voltage_v / phases
        found.append(Limit("local", source, text, value, heard_s=told.local_at_s, in_force=False))
    return found


def offered_a(state: State) -> float:
    """The current that the car is told now; 0 while it is told none."""
    return pwm.current_for(state.pilot.duty) if state.pilot.output == "PWM" else 0.0
