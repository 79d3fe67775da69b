"""The program behind ``evse-daemon sim meter``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from simulators.modbus_meter import orders
from simulators.modbus_meter.device import Device
from simulators.modbus_meter.registers import MODELS
from simulators.modbus_meter.server import Bus, on_pty, on_tcp


class MeterProgramError(Exception):
    """The meters cannot be simulated so; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to simulate.

    Args:
        models: MODEL or MODEL:UNIT of each meter on the line.
        tcp: HOST:PORT to serve Modbus TCP at; without it RTU on a pseudo terminal.
        link: a symbolic link to that.
        orders: what the meters are told first (see orders.HELP).
    """

    models: tuple[str, ...]
    tcp: str | None = None
    link: Path | None = None
    orders: tuple[str, ...] = ()


def run(wanted: Wanted) -> None:
    """Simulates until SIGTERM or Ctrl-C.

    Raises:
        MeterProgramError: something that is wanted cannot be.
    """
    bus = Bus(_devices(wanted.models))
    where = _where(wanted.tcp)
    if where is not None and wanted.link is not None:
        raise MeterProgramError("a link is for a serial line, and with tcp there is none")
    if wanted.link is not None and wanted.link.exists() and not wanted.link.is_symlink():
        raise MeterProgramError(f"{wanted.link} is there and is no link; it is left alone")
    try:
        for order in wanted.orders:
            orders.obey(bus, order, 0.0)
        asyncio.run(_run(bus, where, wanted.link))
    except (orders.OrderError, OSError) as error:
        raise MeterProgramError(str(error)) from error


def _devices(given: Sequence[str]) -> list[Device]:
    devices: list[Device] = []
    for place, text in enumerate(given, start=1):
        model, _, unit = text.partition(":")
        if model not in MODELS:
            raise MeterProgramError(f"model {model!r} is none of {', '.join(MODELS)}")
        number = int(unit) if unit.isdecimal() else (place if not unit else 0)
        if not 1 <= number <= 247:
            raise MeterProgramError(f"unit {unit!r} is not between 1 and 247")
        if any(device.unit == number for device in devices):
            raise MeterProgramError(f"two meters have the unit {number}")
        devices.append(Device(model, number))
    return devices


def _where(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not int(port) <= 65535:
        raise MeterProgramError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def _make_link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


async def _run(bus: Bus, where: tuple[str, int] | None, link: Path | None) -> None:
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    async with AsyncExitStack() as stack:
        if where is not None:
            place = f"{where[0]}:{await stack.enter_async_context(on_tcp(bus, *where))}"
        else:
            place = await stack.enter_async_context(on_pty(bus))
            if link is not None:
                _make_link(link, place)
                stack.callback(link.unlink, missing_ok=True)
        for device in bus.devices.values():
            print(f"{device.model}, unit {device.unit}, at {link or place}", flush=True)  # noqa: T201 - a program
        _listen(bus, stack)
        await end.wait()


def _listen(bus: Bus, stack: AsyncExitStack) -> None:
    """Obeys what comes on standard input, as long as there is one."""
    loop = asyncio.get_running_loop()
    file = sys.stdin.fileno()
    rest = ""

    def ready() -> None:
        nonlocal rest
        data = os.read(file, 4096)
        if not data:
            loop.remove_reader(file)
            return
        *lines, rest = (rest[-4096:] + data.decode(errors="replace")).split("\n")
        for line in lines:
            try:
                told = orders.obey(bus, line, loop.time())
            except orders.OrderError as error:
                told = str(error)
            if told:
                print(told, flush=True)  # noqa: T201 - a program

    try:
        loop.add_reader(file, ready)
    except OSError:  # a file or /dev/null, which cannot be waited for
        return
    stack.callback(loop.remove_reader, file)
