"""What a model file describes, after it was read: which registers mean what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantity = Literal[
    "energy_Wh_import",
    "energy_Wh_export",
    "power_W",
    "voltage_V",
    "reactive_power_VAR",
    "current_A",
    "frequency_Hz",
]
Field = Literal["total", "DC", "L1", "L2", "L3"]

OWN_LEVEL: dict[Quantity, Field] = {
    "energy_Wh_import": "total",
    "energy_Wh_export": "total",
    "power_W": "total",
    "voltage_V": "DC",
    "reactive_power_VAR": "total",
    "current_A": "DC",
    "frequency_Hz": "L1",
}
"""What the first level of a quantity stands for (drivers.md §10.2)."""

ValueType = Literal["float32", "float64", "int16", "uint16", "int32", "uint32", "int64", "uint64"]

WORDS: dict[ValueType, int] = {
    "int16": 1,
    "uint16": 1,
    "float32": 2,
    "int32": 2,
    "uint32": 2,
    "float64": 4,
    "int64": 4,
    "uint64": 4,
}

ReadFunction = Literal[3, 4]
"""Read holding registers, read input registers."""

Place = tuple[ReadFunction, int]
"""A register: function and address on the wire; in a SunSpec model the offset from the id of the model."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of the meter and the registers that hold it.

    Args:
        quantity: what it is.
        field: of which phase, or of all.
        place: the first register.
        type: how the registers make a number.
        low_word_first: the least significant word is at the lowest address; bytes in a word are never swapped.
        multiplier: to the unit of the quantity.
        exponent: the register of a power of ten, if there is one.
        absent: numbers before scaling that stand for "not measured".
    """

    quantity: Quantity
    field: Field
    place: Place
    type: ValueType
    low_word_first: bool = False
    multiplier: float = 1.0
    exponent: Place | None = None
    absent: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.quantity}.{self.field}"


@dataclass(frozen=True, slots=True)
class MeterModel:
    """A meter.

    Args:
        name: of the file.
        readings: what it measures.
        most_registers: that it gives in one answer.
        widest_gap: registers without meaning that may be read to save a request.
        sunspec: where the registers stand in a SunSpec map: ids of the model; empty where they are fixed.
        reversed: it is mounted the wrong way round: import is export, positive power is negative.
    """

    name: str
    readings: tuple[Reading, ...]
    most_registers: int = 125
    widest_gap: int = 0
    sunspec: tuple[int, ...] = ()
    reversed: bool = False
