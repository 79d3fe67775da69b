"""``evse-daemon sim infy``: the simulated power modules as a program of their own, told what to do on stdin."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from drivers.infy_power.codec import MAX_MODULES, Alarm
from drivers.link.can_bus import CanBus, CanSettings
from drivers.link.can_wire import CanWire
from simulators.infy_power.group import GroupOnBus, RectifierGroup
from simulators.infy_power.rectifier import Rectifier
from simulators.wires.slcan_adapter import SlcanPort
from simulators.yeti_firmware.program import read_lines
from simulators.yeti_firmware.pty_pipe import LinkRefusedError

TICK_S = 0.25

SWITCHES = ("silent", "deaf", "stuck_on", "no_number", "refusing")
ALARMS = {alarm.name.lower(): alarm for alarm in Alarm if alarm.name is not None}

HELP = f"""\
One command a line:
  battery VOLT             the car's battery at the output; 0: none
  FAULT MODULE on|off      what is wrong with a module, of {", ".join(SWITCHES)}
  alarm NAME MODULE on|off what it complains of, of {", ".join(ALARMS)}
  restart MODULE           it was switched off and on
  help, quit"""


class InfyProgramError(Exception):
    """The modules cannot be simulated; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for on the command line.

    Args:
        addresses: of the modules.
        group: what their dials are set to.
        battery_V: at the output.
        link: a symbolic link to the adapter's terminal; None for none.
        socketcan: a network interface instead of that terminal.
    """

    addresses: tuple[int, ...] = (0,)
    group: int = 0
    battery_V: float = 0.0
    link: Path | None = None
    socketcan: str | None = None


def addresses(text: str) -> tuple[int, ...]:
    """The addresses of modules, separated by commas.

    Raises:
        ValueError: one is none.
    """
    found = tuple(int(part) for part in text.split(","))
    if not all(0 <= each < MAX_MODULES for each in found) or len(set(found)) < len(found):
        raise ValueError(text)
    return found


def run(wanted: Wanted, say: Callable[[str], None]) -> None:
    """Simulates the modules until SIGTERM, Ctrl-C or ``quit``.

    Raises:
        InfyProgramError: they cannot begin.
    """
    try:
        asyncio.run(_run(wanted, say))
    except LinkRefusedError as error:
        raise InfyProgramError(str(error)) from error


async def _run(wanted: Wanted, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    until = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)
    group = RectifierGroup(wanted.addresses, wanted.group)
    group.battery.voltage_V = wanted.battery_V
    wire: CanWire
    if wanted.socketcan is None:
        wire = port = SlcanPort(wanted.link)
        place: Callable[[], str] = lambda: port.pipe.place  # noqa: E731 - a name for one of two cases
    else:
        wire = CanBus(CanSettings("socketcan", wanted.socketcan), structlog.get_logger(__name__))
        place = lambda: str(wanted.socketcan)  # noqa: E731 - a name for one of two cases
    carrying = asyncio.ensure_future(wire.run(GroupOnBus(group, wire.send, loop.time)))
    await asyncio.sleep(0)
    say(f"Power modules: {place()}")
    read_lines(loop, Console(group, say, until.set).obey)
    watching = asyncio.ensure_future(_watch(group, say))
    ended = asyncio.ensure_future(until.wait())
    try:
        await asyncio.wait({carrying, ended}, return_when=asyncio.FIRST_COMPLETED)
        if carrying.done():
            carrying.result()
    finally:
        for task in (carrying, watching, ended):
            task.cancel()
        await asyncio.gather(carrying, watching, ended, return_exceptions=True)


async def _watch(group: RectifierGroup, say: Callable[[str], None]) -> None:
    """Says what the modules do, when it changes."""
    said: dict[int, str] = {}
    while True:
        group.tick(asyncio.get_running_loop().time())
        for address, module in group.rectifiers.items():
            text = _described(module)
            if said.get(address) != text:
                said[address] = text
                say(f"module {address}: {text}")
        await asyncio.sleep(TICK_S)


def _described(module: Rectifier) -> str:
    if not module.on:
        return "off, it has not heard the charger for 10 s" if module.interrupted else "off"
    point = module.set_point
    return f"on, set to {point.voltage_V:g} V {point.current_A:g} A, gives {module.current_A:.1f} A"


class Console:
    """Carries out what a person or a script writes, line by line."""

    def __init__(self, group: RectifierGroup, say: Callable[[str], None], end: Callable[[], None]) -> None:
        self._group = group
        self._say = say
        self._end = end

    def obey(self, line: str) -> None:
        """One line; what cannot be done is said, and changes nothing."""
        try:
            self._obey(line.lower().split())
        except (ValueError, KeyError) as error:
            self._say(f"refused: {line.strip()!r} ({error}); help lists what there is")

    def _obey(self, words: list[str]) -> None:
        match words:
            case []:
                return
            case ["help"]:
                self._say(HELP)
            case ["quit"]:
                self._end()
            case ["battery", voltage]:
                self._group.battery.voltage_V = _voltage(voltage)
            case ["restart", address]:
                self._group.rectifiers[int(address)] = Rectifier(
                    self._module(address).address, self._group.battery
                )
            case ["alarm", name, address, on]:
                faults = self._module(address).faults
                faults.alarms = faults.alarms | ALARMS[name] if _on(on) else faults.alarms & ~ALARMS[name]
            case [name, address, on] if name in SWITCHES:
                setattr(self._module(address).faults, name, _on(on))
            case _:
                raise ValueError("unknown")

    def _module(self, address: str) -> Rectifier:
        return self._group.rectifiers[int(address)]


def _on(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(f"{text} is neither on nor off")
    return text == "on"


def _voltage(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1000.0:
        raise ValueError(f"{text} V")
    return value
