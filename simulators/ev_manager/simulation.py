"""What the simulated car does at each tick, by the script that is left to run (evse-manager.md §9.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from evse_daemon.types.board_support_common import Event
from evse_daemon.types.ev_board_support import EvCpState
from simulators.ev_manager import commands
from simulators.ev_manager.commands import Statement

TICK_S = 0.25

CHARGING_ABOVE_PERCENT = 7.0
CHARGING_BELOW_PERCENT = 97.0
"""Between these duty cycles a regulated car charges (the limits of digital communication and of no PWM)."""


class CarState(StrEnum):
    """What the car is about."""

    UNPLUGGED = "UNPLUGGED"
    PLUGGED_IN = "PLUGGED_IN"
    CHARGING_REGULATED = "CHARGING_REGULATED"
    CHARGING_FIXED = "CHARGING_FIXED"
    ERROR_E = "ERROR_E"
    DIODE_FAIL = "DIODE_FAIL"


CHARGING = (CarState.CHARGING_REGULATED, CarState.CHARGING_FIXED)


@dataclass(frozen=True, slots=True)
class Battery:
    """The car's battery and how it is charged."""

    capacity_wh: float
    voltage_v: float = 230.0
    """Between phase and neutral."""
    soc_percent: float = 30.0

    def charged(self, current_a: float, phases: int, seconds: float) -> Battery:
        """After charging for a time, never above full nor below empty."""
        added_wh = self.voltage_v * current_a * phases * seconds / 3600
        soc = self.soc_percent + 100 * added_wh / self.capacity_wh
        return replace(self, soc_percent=min(100.0, max(0.0, soc)))


@dataclass(frozen=True, slots=True)
class Car:
    """The simulated car."""

    battery: Battery
    script: tuple[Statement, ...] = ()
    """What is left to do; the first statement is the one that is being done."""
    running: bool = False
    waited_ticks: int = 0
    """How often the first statement was looked at and not done."""
    saw_state_a: bool = False
    """The board reported state A since the first statement began."""
    state: CarState = CarState.UNPLUGGED
    shown_state: CarState | None = None
    """The state that the board was last told of; None before the first."""
    shown_cp: EvCpState | None = None
    diode_shorted: bool = False
    duty_percent: float = 0.0
    """What the board last measured."""
    current_a: float | None = None
    """What the car wants per phase; None before it drew power."""
    three_phases: bool = True
    plugin: tuple[Statement, ...] = ()
    """What the statement ``plugin`` stands for."""

    @property
    def offered_power(self) -> bool:
        return CHARGING_ABOVE_PERCENT < self.duty_percent < CHARGING_BELOW_PERCENT


@dataclass(frozen=True, slots=True)
class SetCpState:
    state: EvCpState


@dataclass(frozen=True, slots=True)
class AllowPower:
    value: bool


@dataclass(frozen=True, slots=True)
class SetCurrent:
    current_a: float
    three_phases: bool


@dataclass(frozen=True, slots=True)
class SetDiode:
    shorted: bool


@dataclass(frozen=True, slots=True)
class SetResidualCurrent:
    milliampere: float


@dataclass(frozen=True, slots=True)
class TellCarInfo:
    """The state of charge is to be published."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The script is done."""


Effect = SetCpState | AllowPower | SetCurrent | SetDiode | SetResidualCurrent | TellCarInfo | Finished
Step = tuple[Car, tuple[Effect, ...]]


def execute(car: Car, script: tuple[Statement, ...], soc_percent: float) -> Car:
    """A new session from the beginning, unplugged."""
    return replace(
        modify(car, script),
        battery=replace(car.battery, soc_percent=soc_percent),
        state=CarState.UNPLUGGED,
        shown_state=None,
        shown_cp=None,
        current_a=None,
    )


def modify(car: Car, script: tuple[Statement, ...]) -> Car:
    """Goes on as the car stands, with another script."""
    return replace(car, script=script, running=True, waited_ticks=0, saw_state_a=False)


def cancel(car: Car) -> Car:
    """The script ends where it is; the board is told nothing, since it has unplugged the car by itself."""
    return replace(
        car,
        script=(),
        running=False,
        waited_ticks=0,
        state=CarState.UNPLUGGED,
        shown_state=None,
        shown_cp=None,
        diode_shorted=False,
    )


def with_plugin(car: Car, script: tuple[Statement, ...]) -> Car:
    """Says what the statement ``plugin`` stands for."""
    return replace(car, plugin=script)


def on_event(car: Car, event: Event) -> Car:
    """The board reported an event; a car that is no longer connected has nothing left to do."""
    if event == "Disconnected":
        return cancel(car)
    return replace(car, saw_state_a=car.saw_state_a or event == "A")


def measured(car: Car, duty_percent: float) -> Car:
    """The board measured a duty cycle."""
    return replace(car, duty_percent=duty_percent)


def tick(car: Car, elapsed_s: float) -> Step:
    """Does what the script says until a statement has to wait, then tells the board of it once.

    Args:
        car: as it is.
        elapsed_s: since the last tick, for the battery.
    """
    if not car.running:
        return car, ()
    effects: list[Effect] = []
    while car.script:
        car, done, told = _do(car, car.script[0])
        effects += told
        if not done:
            car = replace(car, waited_ticks=car.waited_ticks + 1)
            break
        car = replace(car, script=car.script[1:], waited_ticks=0, saw_state_a=False)
    finished = not car.script
    if finished:
        car = replace(car, state=CarState.UNPLUGGED, running=False)
    car, told = _show(car, elapsed_s)
    return car, (*effects, *told, Finished()) if finished else (*effects, *told)


def _do(car: Car, statement: Statement) -> tuple[Car, bool, tuple[Effect, ...]]:
    """One statement: the car after it, whether it is done, and what the board is told at once."""
    match statement:
        case commands.Sleep(seconds):
            ticks = math.floor(seconds / TICK_S) + 1
            return car, car.waited_ticks + 1 >= ticks, ()
        case commands.WaitForPower(above, below):
            return replace(car, state=CarState.PLUGGED_IN), above < car.duty_percent < below, ()
        case commands.DrawPower(current_a, three_phases, regulated):
            state = CarState.CHARGING_REGULATED if regulated else CarState.CHARGING_FIXED
            car = replace(car, state=state, current_a=current_a, three_phases=three_phases)
            return car, True, (SetCurrent(current_a, three_phases),)
        case commands.Pause():
            return replace(car, state=CarState.PLUGGED_IN), True, ()
        case commands.Unplug():
            return replace(car, state=CarState.UNPLUGGED), True, ()
        case commands.ShortPilot():
            return replace(car, state=CarState.ERROR_E), True, ()
        case commands.ShortDiode():
            return replace(car, state=CarState.DIODE_FAIL), True, ()
        case commands.ResidualCurrent(milliampere):
            return car, True, (SetResidualCurrent(milliampere),)
        case commands.WaitForRealPlugin():
            return car, car.saw_state_a, ()
        case commands.Plugin():
            # The statement itself is taken off the script when it is done.
            return replace(car, script=(statement, *car.plugin, *car.script[1:])), True, ()
        case commands.SetSoc(percent):
            return replace(car, battery=replace(car.battery, soc_percent=percent)), True, ()


def _show(car: Car, elapsed_s: float) -> Step:
    """Tells the board what it does not know yet, and charges the battery."""
    if car.state == car.shown_state:
        return _charge(car, elapsed_s) if car.state in CHARGING else (car, ())
    effects: list[Effect] = []
    shorted = car.diode_shorted
    match car.state:
        case CarState.UNPLUGGED:
            effects = [SetCpState("A"), AllowPower(False)]
            if shorted:
                effects.append(SetDiode(False))
            car = replace(car, shown_cp="A", diode_shorted=False)
        case CarState.PLUGGED_IN:
            effects = [SetCpState("B"), TellCarInfo(), AllowPower(False)]
            car = replace(car, shown_cp="B")
        case CarState.CHARGING_REGULATED | CarState.CHARGING_FIXED:
            car = replace(car, shown_state=car.state)
            return _follow_pilot(car)
        case CarState.ERROR_E:
            effects = [SetCpState("E"), AllowPower(False)]
            car = replace(car, shown_cp="E")
        case CarState.DIODE_FAIL:
            effects = [SetDiode(True), AllowPower(False)]
            # Whatever follows says again what is on the control pilot, and whether power is wanted.
            car = replace(car, diode_shorted=True, shown_cp=None)
    return replace(car, shown_state=car.state), tuple(effects)


def _charge(car: Car, elapsed_s: float) -> Step:
    if car.shown_cp == "C" and car.current_a is not None:
        battery = car.battery.charged(car.current_a, 3 if car.three_phases else 1, elapsed_s)
        car = replace(car, battery=battery)
    car, told = _follow_pilot(car)
    return car, (*told, TellCarInfo())


def _follow_pilot(car: Car) -> Step:
    """State C while power is offered, else B; a car that does not regulate stays in C."""
    wanted: EvCpState = "C" if car.state == CarState.CHARGING_FIXED or car.offered_power else "B"
    if wanted == car.shown_cp:
        return car, ()
    return replace(car, shown_cp=wanted), (SetCpState(wanted), AllowPower(wanted == "C"))
