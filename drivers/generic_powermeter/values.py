"""Registers → values: what the words of one complete cycle say."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from drivers.generic_powermeter.model import WORDS, Field, MeterModel, Place, Quantity, Reading, ValueType
from evse_daemon.types import units

T = TypeVar("T", bound=BaseModel)

Words = Mapping[Place, int]

Fields = Mapping[Field, float | None]
"""What was read of a quantity; None is not measured."""

FORMATS: dict[ValueType, str] = {
    "float32": ">f",
    "float64": ">d",
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
}

LARGEST_EXPONENT = 10
"""Scale factors are -10 to 10 (SunSpec); anything else is no exponent, 0x8000 above all."""

LARGEST: dict[Quantity, float] = {
    "energy_Wh_import": 1e12,
    "energy_Wh_export": 1e12,
    "power_W": 1e8,
    "voltage_V": 1e5,
    "reactive_power_VAR": 1e8,
    "current_A": 1e5,
    "frequency_Hz": 1e3,
}
"""Beyond these a meter of a charger measures nothing: the registers hold something else."""


class BadValueError(ValueError):
    """Registers hold what cannot be a value; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a meter measures at one time, in EVerest's types."""

    energy_Wh_import: units.Energy
    energy_Wh_export: units.Energy | None = None
    power_W: units.Power | None = None
    voltage_V: units.Voltage | None = None
    VAR: units.ReactivePower | None = None
    current_A: units.Current | None = None
    frequency_Hz: units.Frequency | None = None
    problems: tuple[str, ...] = ()
    """Values that are left out because they cannot be right."""


def number(reading: Reading, words: Words) -> float | None:
    """One value in its unit; None where the meter says that it does not measure it.

    Raises:
        BadValueError: it is infinite, far too large, or its exponent is none.
        KeyError: a register is missing among the words.
    """
    function, address = reading.place
    found = [words[function, address + offset] for offset in range(WORDS[reading.type])]
    if reading.low_word_first:
        found.reverse()
    raw: float = struct.unpack(FORMATS[reading.type], struct.pack(f">{len(found)}H", *found))[0]
    if raw in reading.absent or raw != raw:  # noqa: PLR0124 - NaN, the float that says "not measured"
        return None
    exponent = 0
    if reading.exponent is not None:
        word = words[reading.exponent]
        exponent = word - 0x10000 if word & 0x8000 else word
        if abs(exponent) > LARGEST_EXPONENT:
            if word == 0x8000:
                return None
            raise BadValueError(f"{reading.name}: {exponent} is no exponent of ten")
    if reading.type == "float32":
        raw = _shortest(raw)
    value = raw * reading.multiplier * 10.0**exponent
    if not abs(value) <= LARGEST[reading.quantity]:
        raise BadValueError(f"{reading.name}: {value:g} cannot be right")
    if reading.quantity.startswith("energy") and value < 0:
        raise BadValueError(f"{reading.name}: a counter cannot be negative, and shows {value:g}")
    return round(value, 6)


def decode(model: MeterModel, words: Words) -> Values:
    """The values of a complete cycle. What is wrong with one of them but the imported energy leaves that one out.

    Raises:
        BadValueError: the imported energy cannot be told.
        KeyError: a register is missing among the words.
    """
    read: dict[Quantity, dict[Field, float | None]] = {}
    problems: list[str] = []
    for reading in model.readings:
        try:
            value = number(reading, words)
        except BadValueError as error:
            problems.append(str(error))
            value = None
        read.setdefault(reading.quantity, {})[reading.field] = value
    found = _turned(read) if model.reversed else read
    energy = _with_total(found.get("energy_Wh_import"))
    if energy is None:
        raise BadValueError("; ".join(problems) or "the meter gives no imported energy")
    return Values(
        energy_Wh_import=units.Energy(**energy),
        energy_Wh_export=_made(units.Energy, _with_total(found.get("energy_Wh_export"))),
        power_W=_made(units.Power, _with_total(found.get("power_W"))),
        voltage_V=_made(units.Voltage, _present(found.get("voltage_V"))),
        VAR=_made(units.ReactivePower, _with_total(found.get("reactive_power_VAR"))),
        current_A=_made(units.Current, _present(found.get("current_A"))),
        frequency_Hz=_made(units.Frequency, _with_l1(found.get("frequency_Hz"))),
        problems=tuple(problems),
    )


def _shortest(raw: float) -> float:
    """The number with the fewest digits that is this float of 32 bits: 230.2, not 230.1999969."""
    if abs(raw) < 1e30:
        bits = struct.pack(">f", raw)
        for digits in (6, 7, 8):
            short = float(f"{raw:.{digits}g}")
            if struct.pack(">f", short) == bits:
                return short
    return raw


def _turned(found: Mapping[Quantity, Fields]) -> dict[Quantity, Fields]:
    """As a meter would show it that is mounted the right way round."""
    other: dict[Quantity, Quantity] = {
        "energy_Wh_import": "energy_Wh_export",
        "energy_Wh_export": "energy_Wh_import",
    }
    return {
        other.get(quantity, quantity): {
            field: None if value is None else -value for field, value in fields.items()
        }
        if quantity in ("power_W", "reactive_power_VAR")
        else fields
        for quantity, fields in found.items()
    }


def _present(fields: Fields | None) -> dict[str, float]:
    return {field: value for field, value in (fields or {}).items() if value is not None}


def _with_total(fields: Fields | None) -> dict[str, float] | None:
    """With the sum of the phases where the model has no total; None where there is no total to tell."""
    present = _present(fields)
    if not fields or ("total" in fields and "total" not in present):
        return None
    if "total" not in fields:
        if len(present) < len(fields):
            return None
        present["total"] = round(sum(present.values()), 6)
    return present


def _with_l1(fields: Fields | None) -> dict[str, float] | None:
    present = _present(fields)
    return present if "L1" in present else None


def _made(type_: type[T], fields: dict[str, float] | None) -> T | None:
    return type_(**fields) if fields else None
