"""The registers of simulated meters, by their addresses on the wire.

They are written from the makers' tables (drivers.md §10.2, §10.4, §16.5) and not from the driver's model files, so that
a mistake in one of both shows. A register that is not here is answered with «illegal data address».
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

from simulators.modbus_meter.electrics import Electrics

Registers = dict[tuple[int, int], int]
"""By function and address."""


def _float(registers: Registers, function: int, address: int, values: Sequence[float]) -> None:
    for value in values:
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        registers[function, address], registers[function, address + 1] = high, low
        address += 2


def _low_first(registers: Registers, address: int, values: Sequence[float]) -> None:
    """Carlo Gavazzi's INT32: the low word at the lower address."""
    for value in values:
        number = 0x7FFFFFFF if math.isnan(value) else round(value) & 0xFFFFFFFF
        registers[4, address], registers[4, address + 1] = number & 0xFFFF, number >> 16
        address += 2


def _spoilt(values: Sequence[float], spoilt: bool) -> list[float]:
    return [math.nan if spoilt else value for value in values]


def _kwh(counter_wh: Sequence[float]) -> list[float]:
    return [value / 1000 for value in counter_wh]


def sdm630(meter: Electrics, spoilt: bool) -> Registers:
    registers: Registers = {}

    def put(address: int, *values: float) -> None:
        _float(registers, 4, address, _spoilt(values, spoilt))

    put(0x0000, *[meter.voltage_v] * 3)
    put(0x0006, *(abs(current) for current in meter.current_a))
    put(0x000C, *meter.power_w)
    put(0x0018, *meter.reactive_var)
    put(0x0034, sum(meter.power_w))
    put(0x003C, sum(meter.reactive_var))
    put(0x0046, meter.frequency_hz)
    put(0x0048, sum(_kwh(meter.import_wh)), sum(_kwh(meter.export_wh)))
    put(0x015A, *_kwh(meter.import_wh), *_kwh(meter.export_wh))
    return registers


def sdm72(meter: Electrics, spoilt: bool) -> Registers:
    whole = sdm630(meter, spoilt)
    known = {*range(0x12), 0x34, 0x35, *range(0x46, 0x4C)}
    return {place: word for place, word in whole.items() if place[1] in known}


def sdm230(meter: Electrics, spoilt: bool) -> Registers:
    """One phase: L1."""
    registers: Registers = {}
    values = {
        0x0000: meter.voltage_v,
        0x0006: abs(meter.current_a[0]),
        0x000C: meter.power_w[0],
        0x0046: meter.frequency_hz,
        0x0048: meter.import_wh[0] / 1000,
        0x004A: meter.export_wh[0] / 1000,
    }
    for address, value in values.items():
        _float(registers, 4, address, _spoilt((value,), spoilt))
    return registers


def em340(meter: Electrics, spoilt: bool) -> Registers:
    registers: Registers = {(4, address): 0 for address in (*range(0x50),)}

    def put(address: int, scale: float, *values: float) -> None:
        _low_first(registers, address, [value * scale for value in _spoilt(values, spoilt)])

    put(0x00, 10, *[meter.voltage_v] * 3)
    put(0x0C, 1000, *meter.current_a)
    put(0x12, 10, *meter.power_w)
    put(0x1E, 10, *meter.reactive_var)
    put(0x28, 10, sum(meter.power_w))
    put(0x2C, 10, sum(meter.reactive_var))
    registers[4, 0x33] = 0x7FFF if spoilt else round(meter.frequency_hz * 10)
    put(0x34, 10, sum(_kwh(meter.import_wh)))
    put(0x4E, 10, sum(_kwh(meter.export_wh)))
    return registers


SUNSPEC_BASE = 40000
SUNSPEC_NONE = 0x8000
"""An int16 or scale factor that is not implemented."""


def sunspec203(meter: Electrics, spoilt: bool) -> Registers:
    """The mark, the common model 1, and model 203 with int16 and scale factors."""
    common = [1, 66, *[0x2020] * 66]
    block = [203, 105, *[SUNSPEC_NONE] * 105]

    def put(offset: int, scale_at: int, power_of_ten: int, *values: float) -> None:
        block[scale_at] = SUNSPEC_NONE if spoilt else power_of_ten & 0xFFFF
        for value in values:
            block[offset] = round(value / 10**power_of_ten) & 0xFFFF
            offset += 1

    def count(offset: int, *values_wh: float) -> None:
        for value in values_wh:
            number = round(value) & 0xFFFFFFFF
            block[offset], block[offset + 1] = number >> 16, number & 0xFFFF
            offset += 2

    put(2, 6, -2, sum(map(abs, meter.current_a)), *meter.current_a)
    put(7, 15, -1, *[meter.voltage_v] * 4)
    put(16, 17, -2, meter.frequency_hz)
    put(18, 22, 0, sum(meter.power_w), *meter.power_w)
    put(28, 32, 0, sum(meter.reactive_var), *meter.reactive_var)
    block[54] = SUNSPEC_NONE if spoilt else 0
    count(38, sum(meter.export_wh), *meter.export_wh)
    count(46, sum(meter.import_wh), *meter.import_wh)
    words = [0x5375, 0x6E53, *common, *block, 0xFFFF, 0]
    return {(3, SUNSPEC_BASE + offset): word for offset, word in enumerate(words)}


MODELS: dict[str, Callable[[Electrics, bool], Registers]] = {
    "sdm630": sdm630,
    "sdm230": sdm230,
    "sdm72": sdm72,
    "em340": em340,
    "sunspec203": sunspec203,
}
"""By the name on the command line; the second argument spoils every value: NaN, or what stands for it."""
