"""What a simulated meter is told while it runs, one line each."""

from __future__ import annotations

import math

from simulators.modbus_meter.device import FAULTS, Device
from simulators.modbus_meter.server import Bus

HELP = (
    """\
  current A [A A]    on L1, or on each phase; negative feeds back
  voltage V          on each phase
  energy WH          the import counter, as of another meter
  fault NAME         """
    + ", ".join(FAULTS)
    + """
  show               what the meter shows
  help               these lines
before each, UNIT: for one of several meters, as in «2: fault silence»
"""
)


class OrderError(ValueError):
    """An order that makes no sense; the message says what was expected."""


def obey(bus: Bus, line: str, now_s: float) -> str:
    """Carries out one line, for one meter or for all; gives what there is to say.

    Raises:
        OrderError: what is wrong with it.
    """
    head, colon, rest = line.partition(":")
    if line.strip() == "help":
        return HELP
    devices = list(bus.devices.values())
    if colon:
        devices = [device for device in devices if str(device.unit) == head.strip()]
        if not devices:
            raise OrderError(f"there is no unit {head.strip()!r}, but {', '.join(map(str, bus.devices))}")
    words = (rest if colon else line).split()
    if not words:
        return ""
    told = []
    for device in devices:
        device.count(now_s)
        told.append(_order(device, words[0], words[1:]))
    return "\n".join(filter(None, told))


def _order(device: Device, word: str, values: list[str]) -> str:
    electrics = device.electrics
    match word:
        case "current" if len(values) in (1, 3):
            numbers = [_number(value) for value in values]
            l1, l2, l3 = numbers if len(numbers) == 3 else (numbers[0], 0.0, 0.0)
            electrics.current_a = (l1, l2, l3)
        case "voltage" if len(values) == 1:
            electrics.voltage_v = _number(values[0])
        case "energy" if len(values) == 1:
            electrics.set_energy(_number(values[0]))
        case "fault" if len(values) == 1:
            for known in FAULTS:
                if known == values[0]:
                    device.fault = known
                    break
            else:
                raise OrderError(f"fault {values[0]!r} is none of {', '.join(FAULTS)}")
        case "show" if not values:
            return (
                f"unit {device.unit} ({device.model}): {sum(electrics.import_wh):.1f} Wh imported, "
                f"{sum(electrics.export_wh):.1f} Wh exported, {sum(electrics.power_w):.0f} W, fault {device.fault}"
            )
        case _:
            raise OrderError(f"not understood: {' '.join([word, *values])}\n{HELP}")
    return ""


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:
        raise OrderError(f"{text} is no number that a meter could show")
    return number
