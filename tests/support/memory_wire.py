"""A serial line in memory, for a driver and a simulated board in virtual time."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Generator
from pathlib import Path

from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import Link, LinkListener
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.config import RunConfig
from evse_daemon.framework.module import Module
from simulators.wired import FAR_END, over_wire
from simulators.yeti_firmware.line import SerialLine
from simulators.yeti_firmware.module import Line, YetiFirmware


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
        return SerialLine(self.pipe, self.arrived, random.Random(self.module_id))

    def make_pipe(self) -> MemoryPipe:
        return MemoryPipe()


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
        await Forever()

    @property
    def damaged(self) -> int:
        return self.decoder.dropped.total()

    def send(self, message: bytes) -> None:
        self._pipe().host_write(encode_frame(message))


def over_memory(config: RunConfig) -> RunConfig:
    """A station with simulated boards, each over a serial line in memory with its real driver."""
    wired = over_wire(config, "serial", Path("nowhere"))
    pipes = {module_id: MemoryPipe() for module_id in wired.modules}

    class Driver(YetiDriver):
        def make_link(self) -> Link:
            return MemoryLink(lambda: pipes[self.module_id])

    class Firmware(MemoryBoard):
        def make_pipe(self) -> MemoryPipe:
            return pipes[self.module_id.removesuffix(FAR_END)]

    in_memory: dict[type[Module], type[Module]] = {YetiDriver: Driver, YetiFirmware: Firmware}
    modules = {
        module_id: dataclasses.replace(entry, cls=in_memory.get(entry.cls, entry.cls))
        for module_id, entry in wired.modules.items()
    }
    return dataclasses.replace(wired, modules=modules)


class Forever:
    def __await__(self) -> Generator[None, None, None]:
        while True:
            yield
