"""Why a car is not charging, and why only this much: from the kernel's state, pure (docs/explain.md)."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.modules.evse_manager import explain_blocks, explain_limits, guards, pwm
from evse_daemon.modules.evse_manager.explain_blocks import Block
from evse_daemon.modules.evse_manager.explain_limits import Limit, Told, smallest
from evse_daemon.modules.evse_manager.state import ChargerState, KernelConfig, State

TAKES_LESS_A = 1.0
"""A car that takes so much less than it may is said to take less."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one EVSE; currents per phase."""

    state: ChargerState
    charging: bool
    """The contactor is closed, as the board reports it."""
    sentence: str
    allowed_a: float
    """The smallest of the limits."""
    offered_a: float
    """What the car is told now; 0 while it is told nothing."""
    drawn_a: float | None
    """What the car takes by a fresh reading; None where there is none."""
    phases: int | None
    blocks: tuple[Block, ...]
    limits: tuple[Limit, ...]


def explain(config: KernelConfig, state: State, told: Told, now_s: float) -> Explanation:
    """Answers for the present moment.

    Args:
        config: the kernel's settings.
        state: the kernel's state.
        told: what the module knows beside it.
        now_s: monotonic time.
    """
    limits = explain_limits.limits(config, state, told, now_s)
    found = explain_blocks.blocks(config, state, told, limits)
    least = smallest(limits)
    charging = state.pilot.contactor_closed and state.charger == "Charging" and not told.failed
    phases = guards.phases(state)
    return Explanation(
        state=state.charger,
        charging=charging,
        sentence=_charging(limits, phases, told.drawn_a, explain_limits.offered_a(state))
        if charging and not found
        else _not_charging(found, state),
        allowed_a=least.current_a if least is not None and state.capabilities is not None else 0.0,
        offered_a=explain_limits.offered_a(state),
        drawn_a=told.drawn_a,
        phases=phases,
        blocks=found,
        limits=limits,
    )


def _charging(limits: tuple[Limit, ...], phases: int | None, drawn_a: float | None, offered_a: float) -> str:
    least = smallest(limits)
    assert least is not None  # power flows only with a limit
    count = f" on {phases} phase{'s' * (phases > 1)}" if phases else ""
    text = f"Charging with up to {least.current_a:.1f} A{count}: {least.text}."
    if abs(offered_a - least.current_a) > pwm.TOLERANCE_A:
        text = text.rstrip(".") + f"; the car is still told {offered_a:.1f} A."
    if drawn_a is not None and drawn_a < min(offered_a, least.current_a) - TAKES_LESS_A:
        text = text.rstrip(".") + "; the car itself takes less."
    return text


def _not_charging(found: tuple[Block, ...], state: State) -> str:
    if not found:
        return "Not charging yet: power is about to be switched on." if state.charger != "Idle" else "Ready."
    first = found[0]
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    lead = "Ready, not charging" if first.kind == "no_car" else "Not charging"
    return f"{lead}: {first.text.rstrip('.')}{more}." + (f" {first.remedy}" if first.remedy else "")
