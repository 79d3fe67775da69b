"""A CAN bus in memory, for a driver and a simulated board in virtual time; see memory_wire.py."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import isotp.tools
import structlog

from drivers.link.can_wire import CanFrame, CanListener
from drivers.link.isotp_link import IsoTpIds, IsoTpLink
from drivers.link.link import Link
from drivers.yeti_can_driver.module import YetiCanDriver
from evse_daemon.config import RunConfig
from evse_daemon.framework.clock import Clock
from simulators.wired import FAR_END, over_wire
from simulators.wires.slcan_adapter import SlcanAdapter
from simulators.yeti_firmware.can_line import CanLine
from simulators.yeti_firmware.module import Line, YetiFirmware
from tests.support.memory_wire import Forever, MemoryBoard, MemoryPipe


class LaterPipe(MemoryPipe):
    """Bytes arrive when whoever wrote them has returned: both ends answer each other's frames."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def write(self, data: bytes) -> None:
        self._soon(lambda: super(LaterPipe, self).write(data))

    def host_write(self, data: bytes) -> None:
        self._soon(lambda: super(LaterPipe, self).host_write(data))

    def _soon(self, action: Callable[[], None]) -> None:
        self._clock.call_at(self._clock.now_s(), action)


class MemoryCan:
    """The host's end; see drivers.link.can_wire.CanWire."""

    def __init__(self, pipe: Callable[[], MemoryPipe]) -> None:
        self._pipe = pipe
        self._end: SlcanAdapter | None = None

    async def run(self, listener: CanListener) -> None:
        pipe = self._pipe()
        # The lines of frames are the same both ways.
        self._end = SlcanAdapter(pipe.host_write, listener.received)
        self._end.is_open = True

        def up() -> None:
            pipe.host_write(b"S6\rO\r")
            listener.bus_up()

        pipe.host_received, pipe.host_up, pipe.host_lost = self._end.feed, up, listener.bus_lost
        if pipe.is_open:
            up()
        await Forever()

    def send(self, frame: CanFrame) -> None:
        assert self._end is not None
        self._end.send(frame)


def undisturbed(pipe: Callable[[], MemoryPipe], _clock: Clock) -> MemoryCan:
    return MemoryCan(pipe)


def over_memory_can(
    config: RunConfig, make_wire: Callable[[Callable[[], MemoryPipe], Clock], MemoryCan] = undisturbed
) -> RunConfig:
    """A station with simulated boards, each over a CAN bus in memory with its real driver."""
    wired = over_wire(config, "can", Path("nowhere"))
    pipes: dict[str, MemoryPipe] = {}
    ids = IsoTpIds()

    class Driver(YetiCanDriver):
        def make_link(self) -> Link:
            wire = make_wire(lambda: pipes[self.module_id], self.clock)
            return IsoTpLink(wire, sends=ids.to_board, receives=ids.to_host, log=structlog.get_logger("test"))

    class Firmware(MemoryBoard):
        def make_line(self) -> Line:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop), "build it within virtual_loop"
            loop.clock = self.clock
            self.pipe = pipes[self.module_id.removesuffix(FAR_END)] = LaterPipe(self.clock)
            return CanLine(self.pipe, self.arrived, random.Random(self.module_id), ids)

    classes = {YetiCanDriver: Driver, YetiFirmware: Firmware}
    modules = {
        module_id: dataclasses.replace(entry, cls=classes.get(entry.cls, entry.cls))
        for module_id, entry in wired.modules.items()
    }
    return dataclasses.replace(wired, modules=modules)


class VirtualLoop:
    """As much of an event loop as IsoTpLink asks for, and of the module time as its library does."""

    def __init__(self) -> None:
        self.clock: Clock | None = None
        """Of the station that was built last."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any:
        return self.call_later(0.0, callback, *args)

    def call_later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> Any:
        assert self.clock is not None
        return self.clock.call_at(self.clock.now_s() + delay_s, lambda: callback(*args))

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Of a database's thread, in whose time nobody waits here.

        Raises:
            RuntimeError: always, as a loop that is closed does.
        """
        raise RuntimeError("threads have no part in virtual time")

    def perf_counter_ns(self) -> int:
        return 0 if self.clock is None else round(self.clock.now_s() * 1e9)


@contextmanager
def virtual_loop() -> Iterator[None]:
    """The stations over CAN that are built within take their clock for an event loop's."""
    loop = VirtualLoop()
    asyncio._set_running_loop(loop)  # type: ignore[arg-type]
    tools = vars(isotp.tools)
    time, tools["time"] = tools["time"], loop
    try:
        yield
    finally:
        tools["time"] = time
        asyncio._set_running_loop(None)
