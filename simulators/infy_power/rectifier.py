"""One simulated power module: what it answers, when it switches itself off, and what is broken on demand.

Source: EVerest's InfyPower driver and the protocol's V1.13; the electrics are the least that a test can tell apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from drivers.infy_power.codec import (
    Alarm,
    BadFrameError,
    Barcode,
    Capabilities,
    Command,
    External,
    Output,
    Read,
    Reading,
    SetPoint,
    Status,
    Switch,
    decode_request,
    response,
)
from drivers.link.can_wire import CanFrame

SILENCE_S = 10.0
"""Without any frame from the controller for so long, a module switches itself off."""

BATTERY_OHM = 0.05


@dataclass
class Battery:
    """The car at the output; 0 V where there is none."""

    voltage_V: float = 0.0


@dataclass
class Faults:
    """What is wrong with a module, on demand."""

    silent: bool = False
    """It hears, and answers nothing."""
    deaf: bool = False
    """It hears nothing: so it goes off by itself, but answers nothing either."""
    alarms: Alarm = field(default_factory=lambda: Alarm(0))
    stuck_on: bool = False
    """Off is ignored."""
    no_number: bool = False
    """Its voltage reads as NaN."""
    refusing: bool = False
    """It answers with an error code."""


@dataclass
class Rectifier:
    """A module, whose output is off until it is told otherwise."""

    address: int
    battery: Battery
    max_voltage_V: float = 500.0
    min_voltage_V: float = 200.0
    max_current_A: float = 100.0
    rated_power_W: float = 10_000.0
    faults: Faults = field(default_factory=Faults)
    on: bool = False
    set_point: SetPoint = field(default_factory=lambda: SetPoint(0.0, 0.0))
    heard_s: float | None = None
    """When the controller was heard last."""
    interrupted: bool = False
    """It has switched itself off, because it heard nothing."""
    log: list[Switch | SetPoint] = field(default_factory=list)
    """What it was told, repetitions left out."""

    def received(self, frame: CanFrame, now_s: float) -> CanFrame | None:
        """What the module answers to a frame, if anything."""
        try:
            fields, what = decode_request(frame)
        except BadFrameError:
            return None
        if fields.destination != self.address or self.faults.deaf:
            return None
        self.heard_s = now_s
        self.interrupted = False
        match what:
            case Read(command):
                reading = self._reading(command)
            case Switch(on):
                reading = None
                self._told(what)
                self.on = on or self.faults.stuck_on
            case SetPoint():
                reading = None
                self._told(what)
                self.set_point = what
        if reading is None or self.faults.silent:
            return None
        answer = response(reading, module=self.address, controller=fields.source)
        if self.faults.refusing:
            return CanFrame(answer.id | 2 << 26, answer.data, extended=True)
        return answer

    def tick(self, now_s: float) -> None:
        """Time has passed."""
        if self.on and self.heard_s is not None and now_s - self.heard_s > SILENCE_S:
            self.on = False
            self.interrupted = True

    @property
    def voltage_V(self) -> float:
        if not self.on:
            return 0.0
        return min(
            self.set_point.voltage_V, self.battery.voltage_V + self.current_A * BATTERY_OHM or math.inf
        )

    @property
    def current_A(self) -> float:
        if not self.on or not self.battery.voltage_V:
            return 0.0
        drawn_a = (self.set_point.voltage_V - self.battery.voltage_V) / BATTERY_OHM
        return max(0.0, min(drawn_a, self.set_point.current_A, self.max_current_A))

    def _told(self, what: Switch | SetPoint) -> None:
        if next((each for each in reversed(self.log) if type(each) is type(what)), None) != what:
            self.log.append(what)

    def _reading(self, command: Command) -> Reading | None:
        match command:
            case Command.OUTPUT:
                return Output(math.nan if self.faults.no_number else self.voltage_V, self.current_A)
            case Command.STATUS:
                alarms = self.faults.alarms
                alarms |= Alarm(0) if self.on else Alarm.DC_OFF
                alarms |= Alarm.COMMUNICATION_INTERRUPT if self.interrupted else Alarm(0)
                return Status(27, alarms)
            case Command.CAPABILITIES:
                return Capabilities(
                    self.max_voltage_V, self.min_voltage_V, self.max_current_A, self.rated_power_W
                )
            case Command.BARCODE:
                return Barcode("V", bytes([0x13, 0x0C, 0x15, 0xA3, 0xFB, 0x06, self.address]))
            case Command.EXTERNAL:
                return External(max(self.voltage_V, self.battery.voltage_V), self.max_current_A)
            case _:
                return None
