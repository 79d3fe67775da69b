"""Wires in memory, for a driver and a simulated board in virtual time: a serial line, and CAN."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Generator
from pathlib import Path

from drivers.link.can_wire import CanFrame, CanListener
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.isotp_link import TO_BOARD, TO_HOST, IsoTpIds, IsoTpLink
from drivers.link.link import Link, LinkListener
from drivers.yeti_can_driver.module import YetiCanDriver
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.config import RunConfig
from evse_daemon.framework.module import Module
from simulators.wired import FAR_END, Wire, over_wire
from simulators.wires.slcan_adapter import parse
from simulators.yeti_firmware.can_line import CanLine
from simulators.yeti_firmware.line import SerialLine
from simulators.yeti_firmware.module import Line, YetiFirmware
from tests.support.virtual_station import VirtualStation


class MemoryPipe:
    """See simulators.yeti_firmware.line.Pipe; the host's end is ``host_received``, ``host_write`` and ``host_lost``."""

    def __init__(self) -> None:
        self.place = "memory"
        self.to_host = bytearray()
        """All that the board has written."""
        self.host_received: Callable[[bytes], None] = self.to_host.extend
        self.host_lost: Callable[[str], None] = lambda _reason: None
        self.host_up: Callable[[], None] = lambda: None
        self._received: Callable[[bytes], None] | None = None

    def open(self, received: Callable[[bytes], None]) -> None:
        if self._received is None:
            self._received = received
            self.host_up()

    def write(self, data: bytes) -> None:
        if self._received is not None:
            self.host_received(data)

    def close(self) -> None:
        if self._received is not None:
            self._received = None
            self.host_lost("the port has vanished")

    @property
    def is_open(self) -> bool:
        return self._received is not None

    def host_write(self, data: bytes) -> None:
        if self._received is not None:
            self._received(data)


class MemoryBoard(YetiFirmware):
    """The simulated board on a line in memory."""

    pipe: MemoryPipe

    def make_line(self) -> Line:
        self.pipe = self.make_pipe()
        chance = random.Random(self.module_id)
        if self.options.wire == "can":
            return CanLine(self.pipe, self.arrived, chance, IsoTpIds())
        return SerialLine(self.pipe, self.arrived, chance)

    def make_pipe(self) -> MemoryPipe:
        return MemoryPipe()

    async def _close_at_the_end(self) -> None:
        await _Forever()


class MemoryLink:
    """The host's end; see drivers.link.link.Link. ``run`` need not be awaited to its end: its first step does all."""

    def __init__(self, pipe: Callable[[], MemoryPipe]) -> None:
        self.decoder = FrameDecoder()
        self._pipe = pipe

    async def run(self, listener: LinkListener) -> None:
        pipe = self._pipe()

        def received(data: bytes) -> None:
            for message in self.decoder.feed(data):
                listener.received(message)

        def up() -> None:
            self.decoder.reset()
            listener.link_up()

        pipe.host_received, pipe.host_up, pipe.host_lost = received, up, listener.link_lost
        if pipe.is_open:
            up()
        await _Forever()

    @property
    def damaged(self) -> int:
        return self.decoder.dropped.total()

    def send(self, message: bytes) -> None:
        self._pipe().host_write(encode_frame(message))


class MemoryCan:
    """The host's end of a CAN adapter; see drivers.link.can_wire.CanWire. Frames arrive in the loop's next turn."""

    def __init__(self, pipe: Callable[[], MemoryPipe]) -> None:
        self._pipe = pipe

    async def run(self, listener: CanListener) -> None:
        pipe = self._pipe()
        soon = asyncio.get_running_loop().call_soon

        def received(data: bytes) -> None:
            for frame in map(parse, data.decode("ascii", "replace").split("\r")):
                if frame is not None:
                    soon(listener.received, frame)

        def up() -> None:
            pipe.host_write(b"O\r")
            listener.bus_up()

        pipe.host_received, pipe.host_up, pipe.host_lost = received, up, listener.bus_lost
        if pipe.is_open:
            up()
        await _Forever()

    def send(self, frame: CanFrame) -> None:
        data = f"t{frame.id:03X}{len(frame.data)}{frame.data.hex().upper()}\r".encode("ascii")
        asyncio.get_running_loop().call_soon(self._pipe().host_write, data)


def over_memory(config: RunConfig, wire: Wire = "serial") -> RunConfig:
    """A station with simulated boards, each over a wire in memory with its real driver.

    Over CAN the station must run in an event loop, as CanStation does.
    """
    wired = over_wire(config, wire, Path("nowhere"))
    pipes = {module_id: MemoryPipe() for module_id in wired.modules}

    class Driver(YetiDriver):
        def make_link(self) -> Link:
            return MemoryLink(lambda: pipes[self.module_id])

    class CanDriver(YetiCanDriver):
        def make_link(self) -> Link:
            can = MemoryCan(lambda: pipes[self.module_id])
            return IsoTpLink(can, sends=TO_BOARD, receives=TO_HOST, log=self.log)

    class Firmware(MemoryBoard):
        def make_pipe(self) -> MemoryPipe:
            return pipes[self.module_id.removesuffix(FAR_END)]

    in_memory: dict[type[Module], type[Module]] = {
        YetiDriver: Driver,
        YetiCanDriver: CanDriver,
        YetiFirmware: Firmware,
    }
    modules = {
        module_id: dataclasses.replace(entry, cls=in_memory.get(entry.cls, entry.cls))
        for module_id, entry in wired.modules.items()
    }
    return dataclasses.replace(wired, modules=modules)


class CanStation(VirtualStation):
    """A station whose wires need an event loop: virtual time that is let pass from within one."""

    async def pass_time(self, seconds: float) -> None:
        clock, settle = self.clock, self.station.bus.settle
        end_s = clock.now_s() + seconds
        await self._turn()
        while clock._heap and clock._heap[0][0] <= end_s:
            clock.advance(max(0.0, clock._heap[0][0] - clock.now_s()), settle)
            await self._turn()
        clock.advance(max(0.0, end_s - clock.now_s()), settle)

    async def _turn(self) -> None:
        """What is on the wire arrives, and what it causes happens: a message of ISO-TP takes several turns."""
        for _ in range(8):
            await asyncio.sleep(0)
            self.station.bus.settle()


class _Forever:
    def __await__(self) -> Generator[None, None, None]:
        while True:
            yield
