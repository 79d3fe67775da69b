"""What the simulated board decides: control pilot, contactor, and the car at the other end of the cable.

Each function takes the board and gives the board that follows, with what is to be published. The contactor closes
only at a tick, in state C with PWM running and leave given; it opens in whatever step takes away its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from evse_daemon.types.board_support_common import Event
from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_simulator import car as cars
from simulators.yeti_simulator import control_pilot
from simulators.yeti_simulator.car import RCD_IDLE_MA, Car
from simulators.yeti_simulator.control_pilot import Levels, Pilot, Reading


@dataclass(frozen=True, slots=True)
class Board:
    """The board and what is attached to it."""

    enabled: bool = False
    wanted: Pilot = control_pilot.X1
    """As last told; a disabled board remembers PWM, and puts out X1."""
    power_allowed: bool = False
    relay_on: bool = False
    reading: Reading = control_pilot.UNREAD
    republish: bool = False
    """The state is due to be published even if it has not changed."""
    three_phases_wanted: bool = True
    three_phases: bool = True
    car: Car = field(default_factory=Car)

    @property
    def pilot(self) -> Pilot:
        """What is on the wire."""
        return self.wanted if self.enabled or not self.wanted.running else control_pilot.X1

    @property
    def wire(self) -> Levels:
        """The voltages that the board measures, without noise."""
        return control_pilot.levels(self.pilot, self.car.on_wire, diode_shorted=self.car.diode_shorted)

    @property
    def phases(self) -> int:
        """On how many phases the car charges."""
        return 3 if self.three_phases and self.car.three_phases else 1

    @property
    def current_a(self) -> float:
        """What the car draws on each of its phases."""
        return self.car.draws_a(self.pilot) if self.relay_on else 0.0


@dataclass(frozen=True, slots=True)
class Publish:
    """An event for the charger."""

    event: Event


@dataclass(frozen=True, slots=True)
class PublishToCar:
    """An event for the car."""

    event: EvCpState


@dataclass(frozen=True, slots=True)
class CarArrived:
    """State A became B: the meter starts from zero, if it is set to."""


Effect = Publish | PublishToCar | CarArrived
Step = tuple[Board, tuple[Effect, ...]]


def tick(board: Board, measured: Levels) -> Step:
    """Reads the control pilot and switches the contactor."""
    effects: list[Effect] = []
    before = board.reading.state
    reading = control_pilot.read(measured, board.pilot, board.reading)
    state = reading.state
    if state is not None and (state != before or board.republish):
        effects.append(Publish(state))
    board = replace(board, reading=reading, republish=board.republish and state is None)

    car, seen = cars.echo(board.car, board.pilot)
    board = replace(board, car=car)
    if seen is not None:
        effects.append(PublishToCar(seen))
    if state == "A":
        board = replace(
            board,
            wanted=control_pilot.X1,
            three_phases=board.three_phases_wanted,
            car=replace(board.car, residual_ma=RCD_IDLE_MA),
        )
    elif state == "E":
        board = replace(board, wanted=control_pilot.X1)
    if (before, state) == ("A", "B"):
        effects.append(CarArrived())

    if not board.relay_on and _may_be_closed(board) and board.pilot.running:
        return replace(board, relay_on=True), (*effects, Publish("PowerOn"))
    board, opened = _guard(board)
    return board, (*effects, *opened)


def enable(board: Board, value: bool) -> Step:
    """Enables the board, which tells its state at the next tick; or disables it."""
    return _guard(replace(board, enabled=value, republish=board.republish or value))


def set_pilot(board: Board, pilot: Pilot) -> Step:
    return _guard(replace(board, wanted=pilot))


def allow_power(board: Board, value: bool) -> Step:
    return _guard(replace(board, power_allowed=value))


def switch_phases(board: Board, three_phases: bool) -> Step:
    """Switches between one and three phases at once, without a sequence."""
    return replace(board, three_phases=three_phases, three_phases_wanted=three_phases), ()


def make_safe(board: Board) -> Step:
    """No power, no PWM, until it is allowed again."""
    return _guard(replace(board, power_allowed=False, wanted=control_pilot.X1))


def set_car_state(board: Board, state: EvCpState) -> Step:
    """The car changes its state; under F nobody sees that before F is withdrawn."""
    car, seen = cars.set_state(board.car, state, board.pilot)
    return replace(board, car=car), () if seen is None else (PublishToCar(seen),)


def change_car(board: Board, car: Car) -> Step:
    """The car's simulation begins or ends, or its limits or faults change."""
    return replace(board, car=car), ()


def _may_be_closed(board: Board) -> bool:
    """The contactor may stay closed without PWM: the kernel waits for the car to leave C (IEC 61851-1 A.4)."""
    return board.enabled and board.power_allowed and board.reading.state == "C" and board.pilot.mode != "F"


def _guard(board: Board) -> Step:
    if board.relay_on and not _may_be_closed(board):
        return replace(board, relay_on=False), (Publish("PowerOff"),)
    return board, ()
