"""Switching between one and three phases, never under load (EvseManager/Charger.cpp:1531, energy_grid/energyImpl.cpp).

Whoever shares out the energy decides on how many phases the car charges; here it is only decided whether and when that
is done. While the car charges the charger goes through its state SwitchPhases; in every other state the board is told
as soon as the contactor is open. Power stays off from the wish to the board's answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from evse_daemon.modules.evse_manager import control_pilot, faults, guards
from evse_daemon.modules.evse_manager.effects import SwitchPhases
from evse_daemon.modules.evse_manager.state import KernelConfig, Phases, State
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.evse_board_support import HardwareCapabilities

SUB_TYPE = "PhaseSwitch"
"""Sub type of evse_manager/Internal: the board did not switch the phases."""


def capabilities_changed(state: State, rated: HardwareCapabilities) -> None:
    """Takes over what the board can do: a board that cannot switch has all its phases (EvseManager.cpp:253)."""
    phases = state.phases
    if phases.switched_to is None or not rated.supports_changing_phases_during_charging:
        phases = replace(phases, switched_to=rated.max_phase_count_import)
    elif phases.switched_to > rated.max_phase_count_import:
        phases = replace(phases, switched_to=rated.min_phase_count_import)
    if phases.wanted is not None and phases.answer_by_s is None:
        phases = replace(phases, wanted=_switchable(state, phases.wanted))
    state.phases = _without_needless(phases)


def available(state: State, count: int) -> None:
    """Takes over on how many phases the board says the car can charge.

    A new word of the board's counts as a switch that it made by itself; the same word again only as a measurement, so
    that a board that is wired to one phase is not told to switch again and again.
    """
    if not 1 <= count <= 3:
        return
    phases = replace(state.phases, said=count, said_since=True)
    if count != state.phases.said and state.capabilities is not None:
        rated = state.capabilities
        switched_to = rated.min_phase_count_import if count == 1 else rated.max_phase_count_import
        phases = replace(phases, switched_to=switched_to)
    state.phases = _without_needless(phases)


def ask(work: Work, most: int | None) -> None:
    """Begins a switch if the car may use another number of phases than it does; nothing where the board cannot.

    Args:
        work: the step.
        most: how many phases the car may use; None where nobody says.
    """
    state, phases = work.state, work.state.phases
    count = _switchable(state, most) if most is not None else None
    if count is None or phases.answer_by_s is not None:
        return
    if count == phases.switched_to:
        state.phases = replace(phases, wanted=None)
    elif count != phases.wanted and _seldom_enough(work):
        state.phases = replace(phases, wanted=count, asked_at_s=(*_recent(work), work.now_s))


def _without_needless(phases: Phases) -> Phases:
    """Without a wish that is fulfilled already."""
    fulfilled = phases.wanted == phases.switched_to and phases.answer_by_s is None
    return replace(phases, wanted=None) if fulfilled else phases


def _switchable(state: State, most: int) -> int | None:
    """The number of phases that the board can switch to for a limit; None where there is none."""
    rated = state.capabilities
    if rated is None or not rated.supports_changing_phases_during_charging:
        return None
    if most >= rated.max_phase_count_import:
        return rated.max_phase_count_import
    return rated.min_phase_count_import if most >= rated.min_phase_count_import else None


def _recent(work: Work) -> tuple[float, ...]:
    since_s = work.now_s - work.config.phase_switches_within_s
    return tuple(at_s for at_s in work.state.phases.asked_at_s if at_s > since_s)


def _seldom_enough(work: Work) -> bool:
    """A last guard for car and contactor; the hysteresis is the energy management's.

    It counts within a time and not per session, since a car may stay plugged in for a week (openWB#1297), and allows
    more than EVerest's own hysteresis ever asks for (600 s from one to three phases).
    """
    config = work.config
    return (
        work.now_s >= work.state.phases.ended_s + config.phases_apart_s
        and len(_recent(work)) < config.most_phase_switches
    )


def delay_over(work: Work) -> bool:
    return work.now_s >= work.state.since_s + work.config.switch_phases_delay_s


def may_switch(work: Work) -> bool:
    """Whether the board may be told now: the contactor is open as fed back, and stays so."""
    state = work.state
    return (
        state.pilot.board_enabled
        and not control_pilot.energised(state.pilot)
        and not state.latched
        and not guards.board_lost(state)
        and state.charger != "Charging"
        and (state.charger != "SwitchPhases" or delay_over(work))
    )


def follow(work: Work) -> None:
    """Tells the board to switch, once it may be told."""
    phases = work.state.phases
    if phases.wanted is None or phases.answer_by_s is not None or not may_switch(work):
        return
    request_id = work.next_request_id()
    answer_by_s = work.now_s + work.config.phases_switched_s
    work.state.phases = replace(phases, request_id=request_id, answer_by_s=answer_by_s)
    work.board.append(SwitchPhases(request_id, three_phases=phases.wanted > 1))


def answered(work: Work, request_id: int, error: str | None) -> None:
    """Takes over the board's answer; a late one changes nothing.

    Where the board did not switch, or may have, the larger number counts: a limit in watt then holds either way. Power
    stays off until the car has left, since the board might carry out the command late.
    """
    state, phases = work.state, work.state.phases
    if phases.answer_by_s is None or request_id != phases.request_id:
        return
    state.phases = replace(
        phases,
        switched_to=phases.wanted if error is None else _most_possible(phases),
        said_since=False,
        wanted=None,
        answer_by_s=None,
        ended_s=work.now_s,
    )
    if error is not None:
        faults.raise_own(
            work,
            "evse_manager/Internal",
            f"the board did not switch the phases ({error}); unplug the car to try again",
            sub_type=SUB_TYPE,
        )


def _most_possible(phases: Phases) -> int | None:
    """The number of phases that the board may have switched to, the larger one while it is not known."""
    known = [count for count in (phases.switched_to, phases.wanted) if count is not None]
    return max(known, default=None)


def after_failure(phases: Phases) -> Phases:
    """What a kernel that begins anew keeps; a switch under way goes on."""
    if phases.answer_by_s is not None:
        return phases  # power stays off until the board has answered, or its time is over
    return replace(Phases(), switched_to=phases.switched_to, said=phases.said, asked_at_s=phases.asked_at_s)


def deadline(work: Work) -> None:
    phases = work.state.phases
    if phases.answer_by_s is not None and work.now_s >= phases.answer_by_s:
        answered(work, phases.request_id, "it did not answer")


def named_deadlines(config: KernelConfig, state: State) -> Iterator[float]:
    if state.phases.answer_by_s is not None:
        yield state.phases.answer_by_s
    elif state.charger == "SwitchPhases" and not control_pilot.energised(state.pilot):
        yield state.since_s + config.switch_phases_delay_s
