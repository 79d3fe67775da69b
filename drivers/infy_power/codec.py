"""Frames of InfyPower's protocol V1.13: 29-bit identifiers, 8 bytes, 125 kbit/s.

Source: EVerest's InfyPower driver (can_driver_acdc/CanPackets.cpp), and the frames of its wireshark/ folder. Numbers are
big-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from drivers.link.can_wire import CanFrame

SINGLE_MODULE = 0x0A
GROUP = 0x0B

MAX_MODULES = 60
"""Addresses are 0 to 59."""

MAX_V = 2000.0
"""Readings beyond this are no readings; no module of the series gives half of it."""

MAX_A = 1000.0


class BadFrameError(ValueError):
    """No frame of the protocol; the text says why."""


class Command(IntEnum):
    MODULE_COUNT = 0x02
    OUTPUT = 0x03
    STATUS = 0x04
    CAPABILITIES = 0x0A
    BARCODE = 0x0B
    EXTERNAL = 0x0C
    SWITCH = 0x1A
    SET_POINT = 0x1C


class Alarm(IntFlag):
    """Bytes 5, 6 and 7 of a status, as one number."""

    OUTPUT_SHORT = 1 << 0
    SLEEPING = 1 << 4
    DISCHARGE_ABNORMAL = 1 << 5
    DC_OFF = 1 << 8
    FAULT = 1 << 9
    PROTECTION = 1 << 10
    FAN_FAULT = 1 << 11
    OVER_TEMPERATURE = 1 << 12
    OUTPUT_OVER_VOLTAGE = 1 << 13
    WALK_IN = 1 << 14
    COMMUNICATION_INTERRUPT = 1 << 15
    POWER_LIMITED = 1 << 16
    ID_REPEATED = 1 << 17
    LOAD_SHARING = 1 << 18
    INPUT_PHASE_LOST = 1 << 19
    INPUT_UNBALANCED = 1 << 20
    INPUT_LOW = 1 << 21
    INPUT_HIGH = 1 << 22
    PFC_OFF = 1 << 23


@dataclass(frozen=True, slots=True)
class FrameId:
    """The fields of an identifier."""

    source: int
    destination: int
    command: int
    device: int = SINGLE_MODULE
    """SINGLE_MODULE, or GROUP where the destination is a group of modules."""
    error: int = 0
    """Not 0 where a module has refused."""


@dataclass(frozen=True, slots=True)
class Read:
    """Asks for a reading of this command."""

    command: Command


@dataclass(frozen=True, slots=True)
class Switch:
    """Switches a module's output."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What a module is to give."""

    voltage_V: float
    current_A: float


Request = Read | Switch | SetPoint


@dataclass(frozen=True, slots=True)
class ModuleCount:
    count: int


@dataclass(frozen=True, slots=True)
class Output:
    """At a module's output, before its diode."""

    voltage_V: float
    current_A: float


@dataclass(frozen=True, slots=True)
class Status:
    temperature_C: int
    alarms: Alarm


@dataclass(frozen=True, slots=True)
class Capabilities:
    max_voltage_V: float
    min_voltage_V: float
    max_current_A: float
    rated_power_W: float


@dataclass(frozen=True, slots=True)
class Barcode:
    """The 13th character of the serial number, and the others packed in a way that is not published."""

    letter: str
    packed: bytes

    def __str__(self) -> str:
        return f"SN_{self.packed.hex()}_{self.letter}"


@dataclass(frozen=True, slots=True)
class External:
    """Behind the diode, at the car's side, and what the module could give."""

    voltage_V: float
    available_A: float


Reading = ModuleCount | Output | Status | Capabilities | Barcode | External


def encode_id(fields: FrameId) -> int:
    """The 29 bits of an identifier."""
    return (
        fields.source & 0xFF
        | (fields.destination & 0xFF) << 8
        | (fields.command & 0x3F) << 16
        | (fields.device & 0xF) << 22
        | (fields.error & 0x7) << 26
    )


def decode_id(identifier: int) -> FrameId:
    """The fields of 29 bits."""
    return FrameId(
        source=identifier & 0xFF,
        destination=identifier >> 8 & 0xFF,
        command=identifier >> 16 & 0x3F,
        device=identifier >> 22 & 0xF,
        error=identifier >> 26 & 0x7,
    )


def request(what: Request, *, controller: int, to: int, device: int = SINGLE_MODULE) -> CanFrame:
    """The frame of a request.

    Raises:
        ValueError: a set point does not fit the protocol's numbers.
    """
    match what:
        case Read(command):
            data = bytes(8)
        case Switch(on):
            command, data = Command.SWITCH, bytes([0 if on else 1]) + bytes(7)
        case SetPoint(voltage_v, current_a):
            command = Command.SET_POINT
            data = _milli(voltage_v) + _milli(current_a)
    return CanFrame(encode_id(FrameId(controller, to, command, device)), data, extended=True)


def _milli(value: float) -> bytes:
    if not 0.0 <= value * 1000 < 2**32 - 1:
        raise ValueError(f"{value:g} does not fit a set point")
    return round(value * 1000).to_bytes(4, "big")


def decode_request(frame: CanFrame) -> tuple[FrameId, Request]:
    """What a controller asks a module.

    Raises:
        BadFrameError: it is no request of the protocol.
    """
    fields, command = _checked(frame)
    match command:
        case Command.SWITCH:
            if frame.data[0] > 1:
                raise BadFrameError(f"switch to {frame.data[0]}")
            return fields, Switch(on=frame.data[0] == 0)
        case Command.SET_POINT:
            voltage_mv, current_ma = struct.unpack(">II", frame.data)
            return fields, SetPoint(voltage_mv / 1000, current_ma / 1000)
        case _:
            return fields, Read(command)


def response(reading: Reading, *, module: int, controller: int) -> CanFrame:
    """The frame of a module's answer."""
    match reading:
        case ModuleCount(count):
            command, data = Command.MODULE_COUNT, bytes([0, 0, count])
        case Output(voltage_v, current_a):
            command, data = Command.OUTPUT, struct.pack(">ff", voltage_v, current_a)
        case Status(temperature_c, alarms):
            command = Command.STATUS
            data = bytes(4) + struct.pack(">b", temperature_c) + int(alarms).to_bytes(3, "big")
        case Capabilities(max_v, min_v, max_a, power_w):
            command = Command.CAPABILITIES
            data = struct.pack(">HHHH", round(max_v), round(min_v), round(max_a * 10), round(power_w / 10))
        case Barcode(letter, packed):
            command, data = Command.BARCODE, letter.encode("ascii") + packed
        case External(voltage_v, available_a):
            command, data = (
                Command.EXTERNAL,
                struct.pack(">HH", round(voltage_v * 10), round(available_a * 10)),
            )
    return CanFrame(encode_id(FrameId(module, controller, command)), data.ljust(8, b"\0"), extended=True)


def decode_response(frame: CanFrame) -> tuple[FrameId, Reading]:
    """What a module answers.

    Raises:
        BadFrameError: it is no answer of the protocol, or one that cannot be true.
    """
    fields, command = _checked(frame)
    if fields.error:
        raise BadFrameError(f"module {fields.source} refuses {command.name} with error {fields.error}")
    data = frame.data
    match command:
        case Command.MODULE_COUNT:
            if data[2] > MAX_MODULES:
                raise BadFrameError(f"{data[2]} modules in a group")
            return fields, ModuleCount(data[2])
        case Command.OUTPUT:
            voltage_v, current_a = struct.unpack(">ff", data)
            return fields, Output(_within(voltage_v, MAX_V, "V"), _within(current_a, MAX_A, "A"))
        case Command.STATUS:
            (temperature_c,) = struct.unpack_from(">b", data, 4)
            known = int.from_bytes(data[5:8], "big") & _ALL_ALARMS
            return fields, Status(temperature_c, Alarm(known))
        case Command.CAPABILITIES:
            max_v, min_v, tenth_a, ten_w = struct.unpack(">HHHH", data)
            if not min_v <= max_v <= MAX_V:
                raise BadFrameError(f"capabilities from {min_v} V to {max_v} V")
            return fields, Capabilities(float(max_v), float(min_v), tenth_a / 10, ten_w * 10.0)
        case Command.BARCODE:
            letter = chr(data[0]) if 0x20 < data[0] < 0x7F else "?"
            return fields, Barcode(letter, data[1:])
        case Command.EXTERNAL:
            tenth_v, tenth_a = struct.unpack_from(">HH", data)
            return fields, External(_within(tenth_v / 10, MAX_V, "V"), tenth_a / 10)
        case Command.SWITCH | Command.SET_POINT:
            raise BadFrameError(f"{command.name} is no reading")


_ALL_ALARMS = sum(Alarm)


def _within(value: float, limit: float, unit: str) -> float:
    # So that NaN fails.
    if not abs(value) <= limit or not math.isfinite(value):
        raise BadFrameError(f"{value} {unit}")
    return value


def _checked(frame: CanFrame) -> tuple[FrameId, Command]:
    if not frame.extended or len(frame.data) != 8:
        raise BadFrameError(f"{len(frame.data)} bytes" if frame.extended else "an 11-bit identifier")
    fields = decode_id(frame.id)
    if fields.command not in set(Command):
        raise BadFrameError(f"unknown command {fields.command:#04x}")
    return fields, Command(fields.command)
