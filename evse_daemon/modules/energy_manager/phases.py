"""On how many phases an EVSE charges: the policy of EVerest's options switch_3ph1ph_… (reference evse-manager.md §9.2).

Without a limit in watt, or in mode Never, all phases that the way to the EVSE has. With one: a single phase where
the power is not enough for the least current on all of them, in mode Both all of them again where it is enough by the
hysteresis, and otherwise what the EVSE has. Sources of the choice have EVerest's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from evse_daemon.types.energy import IntegerWithSource

Mode = Literal["Never", "Oneway", "Both"]
Stickiness = Literal["SinglePhase", "ThreePhase", "DontChange"]

KEEP = "BrokerFastCharging_KeepNrOfPhases"
"""EVerest's source where the number of phases stays."""

UNKNOWN = IntegerWithSource(value=3, source="BrokerFastCharging_Fallback")
"""Where nobody says how many phases there are."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The options."""

    mode: Mode = "Never"
    max_switches: int = 0
    """In a session, as EVerest counts: the first number of phases that is seen is one. 0 is no limit."""
    stickiness: Stickiness = "DontChange"
    power_hysteresis_w: float = 200.0
    time_hysteresis_s: float = 600.0


class Memory(NamedTuple):
    """What is remembered of an EVSE's session; None where it has none."""

    switches: int
    active: int | None
    """On how many phases it charged when it was last seen."""
    single_s: float
    """When a single phase was last the best."""


class Wish(NamedTuple):
    """What an EVSE can do, on its way to the root."""

    most: IntegerWithSource
    least: IntegerWithSource
    active: int | None
    min_current_a: float
    can_switch: bool


class Choice(NamedTuple):
    phases: IntegerWithSource
    memory: Memory | None


def seen(memory: Memory | None, active: int | None, policy: Policy, now_s: float) -> Memory:
    """Counts a switch that has been made."""
    if memory is None:
        memory = Memory(0, None, now_s - policy.time_hysteresis_s)
    if active == memory.active:
        return memory
    return memory._replace(switches=memory.switches + 1, active=active)


def choose(
    policy: Policy,
    memory: Memory | None,
    wish: Wish,
    power_w: float | None,
    nominal_voltage_v: float,
    now_s: float | None,
) -> Choice:
    """On how many phases an EVSE is to charge.

    Args:
        policy: the options.
        memory: of its session.
        wish: what it can do.
        power_w: what its way to the root has left in watt; None where nothing limits that.
        nominal_voltage_v: of a phase.
        now_s: monotonic; None for a forecast, which knows no hysteresis in time.
    """
    least_w = wish.min_current_a * wish.most.value * nominal_voltage_v
    if policy.mode == "Never" or not wish.can_switch or wish.least.value >= wish.most.value:
        return Choice(wish.most, memory)
    if power_w is None or least_w <= 0:
        return Choice(wish.most, memory)
    kept = _kept(wish)
    spent = memory is not None and 0 < policy.max_switches < memory.switches
    if spent:
        phases = {"SinglePhase": wish.least, "ThreePhase": wish.most, "DontChange": kept}[policy.stickiness]
    elif power_w < least_w:
        phases = wish.least
    elif policy.mode == "Both" and power_w > least_w + policy.power_hysteresis_w:
        phases = wish.most
    else:
        phases = kept
    if memory is not None and now_s is not None:
        if phases.value <= wish.least.value:
            memory = memory._replace(single_s=now_s)
        elif _too_soon(policy, memory, wish, phases, now_s):
            phases = wish.least
    return Choice(phases, memory)


def _kept(wish: Wish) -> IntegerWithSource:
    active = wish.most.value if wish.active is None else wish.active
    return IntegerWithSource(value=max(wish.least.value, min(active, wish.most.value)), source=KEEP)


def _too_soon(policy: Policy, memory: Memory, wish: Wish, phases: IntegerWithSource, now_s: float) -> bool:
    """Whether all phases have not been the best for long enough."""
    return (
        policy.time_hysteresis_s > 0
        and phases.value == wish.most.value
        and now_s - memory.single_s < policy.time_hysteresis_s
    )
