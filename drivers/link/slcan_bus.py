"""CAN adapters on a serial port (slcan, Lawicel's ASCII protocol), made fit for an event loop.

python-can's own class waits for the port's output to drain, grows without bound where no line ends, and reads nothing
any more after one byte that is no text; pyserial spins while an output is full.
"""

from __future__ import annotations

import os

from can import CanInitializationError, CanOperationError, Message
from can.exceptions import error_check
from can.interfaces.slcan import slcanBus

MAX_LINE = 64
"""Bytes; the longest line of classic CAN with a time stamp has 31."""


class SlcanBus(slcanBus):
    """As slcanBus, but neither reading nor writing waits, and garbage is skipped to the next line."""

    def __init__(self, channel: str, bitrate: int | None) -> None:
        self.garbled = 0
        """Lines that were no frame."""
        self._unsent = b""
        # What the port sends when it is opened is not waited for: adapters that reset then need socketcan's slcand.
        super().__init__(channel, bitrate=bitrate, sleep_after_open=0, timeout=0)
        try:
            self.serialPortOrig.exclusive = True
        except OSError as error:
            self.serialPortOrig.close()
            raise CanInitializationError(f"{channel} is in use by another program") from error

    def _write(self, string: str) -> None:
        self._put_out(self._unsent)
        if self._unsent:
            raise CanOperationError("the serial port takes nothing")
        # What is begun is a whole line sooner or later.
        self._put_out(string.encode() + self.LINE_TERMINATOR)

    def _put_out(self, data: bytes) -> None:
        """Writes what the port takes now, and keeps the rest."""
        with error_check("could not write to the serial port"):
            try:
                self._unsent = data[os.write(self.serialPortOrig.fileno(), data) :] if data else b""
            except BlockingIOError:
                self._unsent = data

    def _recv_internal(self, timeout: float | None) -> tuple[Message | None, bool]:
        while (line := self._read(timeout)) is not None:
            try:
                message = self._parsed(line)
            except (ValueError, IndexError):
                self.garbled += 1
                continue
            if message is not None:
                return message, False
        return None, False

    def _parsed(self, line: str) -> Message | None:
        self._queue.put(line)
        message, _ = super()._recv_internal(0)
        if message is not None and not message.is_remote_frame and len(message.data) != message.dlc:
            raise ValueError("a frame without all of its data")
        return message

    def _read(self, timeout: float | None) -> str | None:  # noqa: ARG002 - as send
        line = self._line()
        if line is None:
            with error_check("could not read from the serial port"):
                self._buffer += self.serialPortOrig.read(max(1, self.serialPortOrig.in_waiting))
            line = self._line()
        if line is None and len(self._buffer) > MAX_LINE:
            self._buffer.clear()
            self.garbled += 1
        return line

    def _line(self) -> str | None:
        ends = [found for end in (self._OK, self._ERROR) if (found := self._buffer.find(end)) >= 0]
        if not ends:
            return None
        line = self._buffer[: min(ends) + 1].decode("ascii", "replace")
        del self._buffer[: min(ends) + 1]
        return line

    def shutdown(self) -> None:
        try:
            super().shutdown()
        except CanOperationError:
            # The port is gone: nothing can be told to the adapter, the file is still ours to close.
            self.serialPortOrig.close()
