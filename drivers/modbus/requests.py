"""What can be asked of a device on a Modbus line, and what comes of it (Modbus Application Protocol V1.1b3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Function = Literal[1, 3, 4, 5, 6, 16]
"""Read coils, read holding registers, read input registers, write coil, write register, write registers."""

MOST_REGISTERS = 125
"""That fit into one answer (§6.3)."""

MOST_COILS = 2000

MOST_WRITTEN = 123
"""Registers that fit into one request (§6.12)."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge, not done yet",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""Exception codes (§7)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one device.

    Args:
        device_id: 1 to 247, or what a gateway takes as unit id.
        address: as on the wire, from 0.
        count: coils or registers that are read or written.
        values: what is written.
    """

    device_id: int
    function: Function
    address: int
    count: int = 1
    values: tuple[int, ...] = ()

    def __str__(self) -> str:
        return (
            f"function {self.function}, {self.count} from address {self.address}, of device {self.device_id}"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The device did it; the values of a read are as many as were asked for."""

    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer in time, or none that could be understood."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The device answered with an exception."""

    code: int

    @property
    def reason(self) -> str:
        return f"exception {self.code} ({EXCEPTIONS.get(self.code, 'unknown')})"


@dataclass(frozen=True, slots=True)
class NoLine:
    """The port or connection is not there, or too much waits for it."""

    reason: str


Outcome = Answer | Silence | Refusal | NoLine
