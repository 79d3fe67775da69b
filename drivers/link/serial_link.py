"""A board's serial line: 8 data bits, no parity, one stop bit, no flow control, with the frames of framing.py.

pyserial opens and sets the port; reading and writing are our own, on its file descriptor: pyserial-asyncio 0.6 waits in
the event loop for the output to drain when a port closes, and pyserial spins while an output is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import termios
from collections import deque

import structlog

try:
    import serial
except ImportError as error:
    raise ImportError("a serial port needs pyserial: pip install 'evse-daemon[serial]'") from error

from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import LinkListener
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.backoff import Backoff

READ_BYTES = 4096
"""Read at once at most; what is more waits in the operating system's buffer, which is bounded too."""

MAX_WAITING = 1024
"""Bytes that may wait for the wire: 0.1 s at 115200 baud. Beyond, the oldest commands are dropped for newer ones."""

DRAIN_S = 0.2
"""How long the last commands of a process that ends may take to leave."""


class SerialLink:
    """See drivers.link.link.Link; ``send`` takes messages of at most framing.MAX_MESSAGE bytes.

    Args:
        port: its path.
        baud_rate: bits per second.
        backoff: the pauses between attempts to open it.
    """

    def __init__(self, port: str, baud_rate: int, backoff: Backoff | None = None) -> None:
        self.decoder = FrameDecoder()
        self.dropped = 0
        """Messages that did not leave: the wire was gone or did not take them in time."""
        self._port = port
        self._baud_rate = baud_rate
        self._backoff = backoff or Backoff()
        self._serial: serial.Serial | None = None
        self._listener: LinkListener | None = None
        self._lost: asyncio.Future[str] | None = None
        self._waiting: deque[bytes] = deque()
        self._begun = b""
        self._log = RateLimitedLog(structlog.get_logger(__name__).bind(port=port))
        self._told = 0

    @property
    def damaged(self) -> int:
        """See link.CountsDamage."""
        return self.decoder.dropped.total()

    async def run(self, listener: LinkListener) -> None:
        loop = asyncio.get_running_loop()
        self._listener = listener
        said = ""
        while True:
            reason = self._open()
            if not reason:
                opened_s = loop.time()
                said = ""
                try:
                    reason = await self._until_lost(loop)
                finally:
                    await self._close(loop)
                self._backoff.lasted(loop.time() - opened_s)
            if reason != said:
                said = reason
                listener.link_lost(reason)
            await asyncio.sleep(self._backoff.next_s())

    def send(self, message: bytes) -> None:
        if self._lost is None or self._lost.done():
            self.dropped += 1
            return
        self._waiting.append(encode_frame(message))
        while sum(map(len, self._waiting)) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            self._log.warning("full", "the serial port does not take what is sent: the oldest was dropped")
        if not self._begun:
            self._write()

    def _open(self) -> str:
        """Opens the port; says why it cannot be opened, in a person's words."""
        try:
            self._serial = serial.Serial(
                self._port, self._baud_rate, timeout=0, write_timeout=0, exclusive=True
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            return _cannot_open(self._port, error)
        return ""

    async def _until_lost(self, loop: asyncio.AbstractEventLoop) -> str:
        assert self._serial is not None
        assert self._listener is not None
        self._lost = loop.create_future()
        self.decoder.reset()
        loop.add_reader(self._serial.fileno(), self._read)
        self._listener.link_up()
        return await self._lost

    async def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._serial is not None
        loop.remove_reader(self._serial.fileno())
        if self._lost is None or not self._lost.done() or self._lost.cancelled():
            await self._drain(loop)
        self._lost = None
        loop.remove_writer(self._serial.fileno())
        self._waiting.clear()
        self._begun = b""
        # The operating system may wait for half a minute for what it could not send yet.
        with contextlib.suppress(OSError, termios.error):
            if self._serial.out_waiting:
                self._serial.reset_output_buffer()
        self._serial.close()
        self._serial = None

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets the last commands out; among them is the one that opens the contactor."""
        assert self._serial is not None
        until_s = loop.time() + DRAIN_S
        try:
            # The operating system says how much is left only when asked.
            while loop.time() < until_s and (self._begun or self._serial.out_waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        except OSError:
            return

    def _read(self) -> None:
        assert self._serial is not None
        assert self._listener is not None
        try:
            data = os.read(self._serial.fileno(), READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"{self._port} cannot be read: {error.strerror}")
            return
        if not data:
            self._fail(f"{self._port} has vanished")
            return
        for message in self.decoder.feed(data):
            self._listener.received(message)
        self._tell_damaged()

    def _tell_damaged(self) -> None:
        if self.damaged != self._told:
            self._told = self.damaged
            self._log.warning(
                "garbage", "frames from the board were damaged and dropped", so_far=dict(self.decoder.dropped)
            )

    def _write(self) -> None:
        """Writes what the port takes now; the rest when it takes more."""
        assert self._serial is not None
        descriptor = self._serial.fileno()
        try:
            while self._begun or self._waiting:
                self._begun = self._begun or self._waiting.popleft()
                self._begun = self._begun[os.write(descriptor, self._begun) :]
                if self._begun:
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._fail(f"{self._port} cannot be written: {error.strerror}")
            return
        loop = asyncio.get_running_loop()
        if self._begun:
            loop.add_writer(descriptor, self._write)
        else:
            loop.remove_writer(descriptor)

    def _fail(self, reason: str) -> None:
        assert self._serial is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._serial.fileno())
        loop.remove_writer(self._serial.fileno())
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)


def _cannot_open(port: str, error: OSError | ValueError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"{port} is not there: is the board's adapter plugged in, and serial_port right?"
    if number == errno.EACCES:
        return f"{port} may not be opened: add the daemon's user to the group dialout"
    if number == errno.EAGAIN:
        return f"{port} is in use by another program"
    return f"{port} cannot be opened: {error}"
