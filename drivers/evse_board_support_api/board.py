"""Decides what the program of a board is told: pure (design rule 2).

What it is to do are levels: told when they change and again each second, so that a lost message or a program that starts
anew does no harm. Power off is told each 100 ms until the board reports it, for 1 s (design rule 5). While the program is
not there it is told to be off, whatever was wanted: it may hear us still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, assert_never

from evse_daemon.types.board_support_common import Event
from evse_daemon.types.evse_board_support import PowerOnOff

REFRESH_S = 1.0
OFF_REPEAT_S = 0.1
OFF_REPEAT_FOR_S = 1.0

OFF = PowerOnOff(allow_power_on=False, reason="PowerOff")

PilotTopic = Literal["pwm_on", "cp_state_X1", "cp_state_F", "cp_state_E"]
LockTopic = Literal["lock", "unlock"]


@dataclass(frozen=True, slots=True)
class State:
    """What is wanted of the board and what it has reported."""

    there: bool = False
    """The program lives."""
    power: PowerOnOff = OFF
    pilot: tuple[PilotTopic, float | None] = ("cp_state_X1", None)
    """With the duty cycle in percent, where it is PWM."""
    enabled: bool | None = None
    """None before anybody has said; so the others below."""
    limit_A: float | None = None
    lock: LockTopic | None = None
    lock_untold: bool = False
    closed: bool | None = None
    """Whether the contactor is closed, as the board has reported it."""
    reported: Event | None = None
    """The control pilot as the board has reported it; None since the program was lost."""
    off_until_s: float | None = None
    """Power off is repeated until then, or until it is reported."""
    off_next_s: float = 0.0
    refresh_s: float = 0.0
    """When the levels are told again."""


# Events.


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The program is there, or lost."""

    there: bool


@dataclass(frozen=True, slots=True)
class Enable:
    on: bool


@dataclass(frozen=True, slots=True)
class SetPilot:
    topic: PilotTopic
    duty_percent: float | None = None


@dataclass(frozen=True, slots=True)
class SetPower:
    value: PowerOnOff


@dataclass(frozen=True, slots=True)
class SetLimit:
    limit_A: float


@dataclass(frozen=True, slots=True)
class SetLock:
    topic: LockTopic


@dataclass(frozen=True, slots=True)
class Reported:
    """The board says what its control pilot or its contactor does."""

    event: Event


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class MakeSafe:
    """The process is about to end."""


BoardEvent = LinkChanged | Enable | SetPilot | SetPower | SetLimit | SetLock | Reported | Tick | MakeSafe


# Effects.


@dataclass(frozen=True, slots=True)
class Say:
    """The program is told something, by the name of the topic."""

    topic: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Tell:
    """The station is told what the board reports."""

    event: Event


Effect = Say | Tell
Step = tuple[State, tuple[Effect, ...]]


def step(state: State, event: BoardEvent, now_s: float, *, connected: bool) -> Step:
    """What follows from an event at a time.

    Args:
        state: the state before.
        event: what has happened.
        now_s: monotonic seconds.
        connected: there is a broker; what is said without one is lost.
    """
    match event:
        case LinkChanged(there):
            # Whoever wants power has to say so again.
            state = replace(state, there=there, power=OFF, reported=None, lock_untold=state.lock is not None)
            state, off = _cut(replace(state, refresh_s=now_s + REFRESH_S), now_s)
            return _merged(off, _tell_all(state, connected=connected))
        case Enable(on):
            # As a board does, it reports its state when it is enabled; the program reports changes only.
            told = (Tell(state.reported),) if on and state.reported is not None else ()
            return replace(state, enabled=on), (Say("enable", on), *told)
        case SetPilot(topic, duty):
            return replace(state, pilot=(topic, duty)), (Say(topic, duty),)
        case SetPower(value):
            return _set_power(state, value, now_s)
        case SetLimit(limit_A):
            return replace(state, limit_A=limit_A), (Say("ac_overcurrent_limit", limit_A),)
        case SetLock(topic):
            return _tell_lock(replace(state, lock=topic, lock_untold=True), connected=connected)
        case Reported(reported):
            return _reported(state, reported, now_s)
        case Tick():
            return _due(state, now_s, connected=connected)
        case MakeSafe():
            state = replace(state, power=OFF, pilot=("cp_state_X1", None))
            return _tell_all(state, connected=connected)
        case _:
            assert_never(event)


def next_deadline(state: State) -> float:
    """When a Tick is due."""
    return state.refresh_s if state.off_until_s is None else min(state.refresh_s, state.off_next_s)


def why_not_unlock(state: State) -> str:
    """Why the lock must not open now; empty where it may."""
    return "the contactor is closed: the connector stays locked" if state.closed else ""


def why_not_phases(state: State) -> str:
    """Why the phases cannot be switched now; empty where they can."""
    return "the contactor is closed: phases are never switched under load" if state.closed else ""


def _set_power(state: State, value: PowerOnOff, now_s: float) -> Step:
    if not value.allow_power_on or not state.there:
        return _cut(replace(state, power=OFF), now_s)
    return replace(state, power=value, off_until_s=None), (Say("allow_power_on", value),)


def _cut(state: State, now_s: float) -> Step:
    """Power off, and again until the board confirms it."""
    if state.closed is not False and (state.off_until_s is None or now_s >= state.off_until_s):
        state = replace(state, off_until_s=now_s + OFF_REPEAT_FOR_S, off_next_s=now_s + OFF_REPEAT_S)
    return state, (Say("allow_power_on", OFF),)


def _reported(state: State, event: Event, now_s: float) -> Step:
    match event:
        case "PowerOn":
            state = replace(state, closed=True)
            if not state.power.allow_power_on:
                return _merged((Tell(event),), _cut(state, now_s))
        case "PowerOff":
            state = replace(state, closed=False, off_until_s=None)
        case _:
            state = replace(state, reported=event)
    return state, (Tell(event),)


def _due(state: State, now_s: float, *, connected: bool) -> Step:
    if now_s >= state.refresh_s:
        state = replace(state, refresh_s=now_s + REFRESH_S, off_next_s=now_s + OFF_REPEAT_S)
        state, effects = _tell_all(state, connected=connected)
    else:
        effects = ()
    if state.off_until_s is not None and now_s >= state.off_until_s:
        return replace(state, off_until_s=None), effects
    if state.off_until_s is not None and now_s >= state.off_next_s:
        state = replace(state, off_next_s=now_s + OFF_REPEAT_S)
        effects = (*effects, Say("allow_power_on", OFF))
    return state, effects


def _tell_all(state: State, *, connected: bool) -> Step:
    """Everything that is wanted, the lock before power and power before the rest."""
    state, effects = _tell_lock(state, connected=connected)
    topic, duty = state.pilot
    levels: list[Effect] = [Say("allow_power_on", state.power), Say(topic, duty)]
    if state.enabled is not None:
        levels.insert(1, Say("enable", state.enabled))
    if state.limit_A is not None:
        levels.append(Say("ac_overcurrent_limit", state.limit_A))
    return state, (*effects, *levels)


def _tell_lock(state: State, *, connected: bool) -> Step:
    """Once, and again to a program that is back: it may be a motor that runs each time."""
    if not state.lock_untold or not connected or state.lock is None:
        return state, ()
    if state.lock == "unlock" and why_not_unlock(state):
        return state, ()
    return replace(state, lock_untold=False), (Say(state.lock),)


def _merged(first: tuple[Effect, ...], then: Step) -> Step:
    return then[0], (*first, *then[1])
