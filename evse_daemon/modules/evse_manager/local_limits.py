"""Limits that are set at the EVSE itself, over the topics of Node-RED: it asks the energy tree for no more."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.types.energy import IntegerWithSource, LimitsReq, NumberWithSource

SOURCE = "nodered"
"""How the source of these limits ends; it is no rating, so a random delay holds them back as any other wish."""


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """None: not limited. They hold until others are set, and not beyond a restart, as those of the API."""

    current_a: float | None = None
    """Per phase; 0 stops."""
    power_w: float | None = None
    """Of all phases together; 0 stops."""
    phases: int | None = None


UNLIMITED = LocalLimits()


@dataclass(slots=True)
class Sliders:
    """What is allowed at the EVSE now."""

    limits: LocalLimits = UNLIMITED
    at_s: float | None = None
    """When it was set last; None: never."""


def source(module_id: str) -> str:
    return f"{module_id}/{SOURCE}"


def within(limits: LimitsReq, local: LocalLimits, module_id: str) -> LimitsReq:
    """What the EVSE asks for, with the local limits applied; never more than before."""
    by = source(module_id)
    changes: dict[str, NumberWithSource | IntegerWithSource] = {}
    current, phases = limits.ac_max_current_A, limits.ac_max_phase_count
    if local.current_a is not None and (current is None or local.current_a < current.value):
        changes["ac_max_current_A"] = NumberWithSource(value=local.current_a, source=by)
    if local.power_w is not None:
        changes["total_power_W"] = NumberWithSource(value=local.power_w, source=by)
    least = 1 if limits.ac_min_phase_count is None else limits.ac_min_phase_count.value
    if local.phases is not None and phases is not None and least <= local.phases < phases.value:
        changes["ac_max_phase_count"] = IntegerWithSource(value=local.phases, source=by)
    return limits.model_copy(update=changes) if changes else limits
