"""A CAN adapter as a driver finds it on a serial port: slcan, Lawicel's ASCII protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from drivers.link.can_wire import CanFrame, CanListener
from simulators.yeti_firmware.pty_pipe import PtyPipe

MAX_LINE = 64
"""Bytes; no line of classic CAN is longer."""


class SlcanAdapter:
    """Between the bytes of a serial port and frames.

    Frames pass while the driver has the channel open (``O``); ``bitrate_code`` is what it has set (``S4`` is
    125 kbit/s, ``S6`` 500 kbit/s).

    Args:
        write: takes bytes for the driver.
        received: is given each frame of the driver's.
    """

    def __init__(self, write: Callable[[bytes], None], received: Callable[[CanFrame], None]) -> None:
        self.is_open = False
        self.bitrate_code = ""
        self._write = write
        self._received = received
        self._pending = b""

    def send(self, frame: CanFrame) -> None:
        """A frame for the driver; lost while its channel is closed."""
        if self.is_open:
            head = f"T{frame.id:08X}" if frame.extended else f"t{frame.id:03X}"
            self._write(f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode("ascii"))

    def feed(self, data: bytes) -> None:
        """Bytes of the driver."""
        *lines, rest = (self._pending + data).split(b"\r")
        self._pending = rest if len(rest) <= MAX_LINE else b""
        for line in lines:
            self._command(line.decode("ascii", "replace"))

    def reset(self) -> None:
        """It was plugged in anew."""
        self.is_open = False
        self._pending = b""

    def _command(self, line: str) -> None:
        match line[:1]:
            case "O" | "C" if len(line) == 1:
                self.is_open = line == "O"
            case "S":
                self.bitrate_code = line
            case "t" | "T" if self.is_open:
                frame = parse(line)
                if frame is not None:
                    self._received(frame)


def parse(line: str) -> CanFrame | None:
    """The frame of a line without its end; None where it is none."""
    digits = 8 if line[:1] == "T" else 3
    try:
        identifier = int(line[1 : 1 + digits], 16)
        length = int(line[1 + digits])
        data = bytes.fromhex(line[2 + digits :])
    except (ValueError, IndexError):
        return None
    if len(data) != length or length > 8:
        return None
    return CanFrame(identifier, data, digits == 8)


class SlcanPort:
    """An adapter on a pseudo-terminal: what a simulator takes in the place of a bus; see drivers.link.can_wire.CanWire.

    Args:
        link: a symbolic link to it, the same at each start.
    """

    def __init__(self, link: Path | None = None) -> None:
        self.pipe = PtyPipe(link)
        self.adapter = SlcanAdapter(self.pipe.write, self._received)
        self._listener: CanListener | None = None

    async def run(self, listener: CanListener) -> None:
        self._listener = listener
        self.adapter.reset()
        self.pipe.open(self.adapter.feed)
        try:
            listener.bus_up()
            await asyncio.get_running_loop().create_future()
        finally:
            self._listener = None
            self.pipe.close()

    def send(self, frame: CanFrame) -> None:
        self.adapter.send(frame)

    def _received(self, frame: CanFrame) -> None:
        if self._listener is not None:
            self._listener.received(frame)
