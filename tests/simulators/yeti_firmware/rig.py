"""A board in virtual time, without a wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_firmware import firmware
from simulators.yeti_firmware.firmware import Broken, CarChanged, CarSets, Due, Event, Received, Send, TellCar
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpVoltages,
    FromHost,
    HasReset,
    MeterDue,
    SetPwm,
    ToHost,
)
from simulators.yeti_firmware.state import Faults, Firmware, Settings
from simulators.yeti_simulator.car import Car

Said = tuple[float, ToHost | MeterDue]


class Board:
    """Feeds a board with events at their times, and keeps what it says."""

    def __init__(self, *, settings: Settings | None = None, car: EvCpState = "A") -> None:
        self.now_s = 0.0
        self.state = Firmware(settings=settings or Settings(), car=Car(enabled=True, cp_state=car))
        self.said: list[Said] = []
        self.told_car: list[EvCpState] = []

    def event(self, event: Event) -> None:
        self.state, effects = firmware.step(self.state, event, self.now_s)
        for effect in effects:
            match effect:
                case Send(message):
                    self.said.append((round(self.now_s, 6), message))
                case TellCar(state):
                    self.told_car.append(state)

    def host(self, *messages: FromHost) -> None:
        for message in messages:
            self.event(Received(message))

    def car(self, state: EvCpState) -> None:
        self.event(CarSets(state))

    def change_car(self, **changes: Any) -> None:
        self.event(CarChanged(replace(self.state.car, **changes)))

    def broken(self, **faults: Any) -> None:
        self.event(Broken(replace(self.state.faults, **faults)))

    def mended(self) -> None:
        self.event(Broken(Faults()))

    def run(self, seconds: float) -> None:
        """Lets time pass; the converter measures without noise."""
        end_s = self.now_s + seconds
        while self.state.next_at_s is not None and self.state.next_at_s <= end_s:
            self.now_s = max(self.now_s, self.state.next_at_s)
            self.event(Due(self.state.wire))
        self.now_s = end_s

    def clear(self) -> None:
        self.said.clear()

    @property
    def changes(self) -> list[ToHost]:
        """What was said, without what is said again and again."""
        periodic = (BoardAlive, CpVoltages, MeterDue)
        return [message for _, message in self.said if not isinstance(message, periodic)]

    def at(self, kind: type[Any]) -> list[float]:
        """When messages of a kind were sent."""
        return [at_s for at_s, message in self.said if isinstance(message, kind)]

    def when(self, wanted: ToHost) -> float:
        """When a message was sent for the first time."""
        return next(at_s for at_s, message in self.said if message == wanted)


def running(car: EvCpState = "A", **settings: Any) -> Board:
    """A board that has booted and told its state."""
    board = Board(settings=Settings(**settings), car=car)
    board.run(0.5)
    assert HasReset in map(type, board.changes)
    assert CpIs in map(type, board.changes)
    board.clear()
    return board


def charging(**settings: Any) -> Board:
    """A board that charges a car at 16 A on three phases."""
    board = running("B", **settings)
    board.host(SetPwm(2666), AllowPowerOn(True))
    board.car("C")
    board.run(0.3)
    assert board.state.contacts == 3
    board.clear()
    return board
