"""A CAN adapter on a pseudo terminal (slcan, Lawicel's ASCII protocol): a driver opens it as one on a USB port.

What the driver sends arrives here as frames, and what is sent here arrives there. It is a CanWire, so that a simulated
board or power supply takes it in the place of a real bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path

from drivers.link.can_wire import CanFrame, CanListener

MAX_LINE = 64
"""Bytes; no line of classic CAN is longer."""

READ_BYTES = 4096


class SlcanAdapter:
    """See drivers.link.can_wire.CanWire.

    Frames pass while the driver has the channel open (``O``); ``bitrate_code`` is what it has set (``S4`` is
    125 kbit/s, ``S6`` 500 kbit/s). A driver that closes its port loses frames, as with a real adapter, and finds the
    same port again.

    Args:
        link: a symbolic link to the terminal, made anew at each start; the terminal's own name changes.
    """

    def __init__(self, link: Path | None = None) -> None:
        self.link = link
        self.port = ""
        """The terminal's name, while it runs."""
        self.is_open = False
        self.bitrate_code = ""
        self.frames_lost = 0
        """Frames that the driver did not take in time."""
        self._master = -1
        self._listener: CanListener | None = None
        self._pending = bytearray()

    async def run(self, listener: CanListener) -> None:
        loop = asyncio.get_running_loop()
        master, slave = os.openpty()
        try:
            # Raw before anybody writes: the terminal would send the bytes back. The open end keeps reading from
            # failing while no driver has the port.
            tty.setraw(slave)
            os.set_blocking(master, False)
            self.port = os.ttyname(slave)
            self._point_link()
            self._master, self._listener = master, listener
            loop.add_reader(master, self._readable)
            listener.bus_up()
            await loop.create_future()
        finally:
            loop.remove_reader(master)
            self._master, self._listener, self.is_open = -1, None, False
            self._pending.clear()
            os.close(slave)
            os.close(master)

    def send(self, frame: CanFrame) -> None:
        if not self.is_open:
            return
        head = f"T{frame.id:08X}" if frame.extended else f"t{frame.id:03X}"
        self.send_line(f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode("ascii"))

    def send_line(self, line: bytes) -> None:
        """Writes bytes as they are: for half lines and garbage."""
        try:
            os.write(self._master, line)
        except OSError:
            self.frames_lost += 1

    def _point_link(self) -> None:
        if self.link is None:
            return
        fresh = self.link.with_name(self.link.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(self.port)
        fresh.rename(self.link)

    def _readable(self) -> None:
        with contextlib.suppress(OSError):
            self._pending += os.read(self._master, READ_BYTES)
        *lines, rest = bytes(self._pending).split(b"\r")
        self._pending = bytearray(rest if len(rest) <= MAX_LINE else b"")
        for line in lines:
            self._command(line.decode("ascii", "replace"))

    def _command(self, line: str) -> None:
        match line[:1]:
            case "O":
                self.is_open = True
            case "C":
                self.is_open = False
            case "S":
                self.bitrate_code = line
            case "t" | "T" if self.is_open and self._listener is not None:
                frame = parse(line)
                if frame is not None:
                    self._listener.received(frame)


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
