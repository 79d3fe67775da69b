"""A board's serial line: 8 data bits, no parity, one stop bit, no flow control, with the frames of framing.py.

pyserial-asyncio 0.6 reads and writes. Three things of it are kept from harm: it waits in the event loop for the output to
drain when a port closes (the output is emptied before), its buffer is unbounded (it gets one frame at a time), and it
ignores what is written while it closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import termios
from collections import deque
from collections.abc import Callable, Iterator
from typing import get_args

import structlog

try:
    import serial
    from serial_asyncio import SerialTransport
except ImportError as error:
    raise ImportError("a serial port needs pyserial-asyncio: pip install 'evse-daemon[serial]'") from error

from drivers.link.framing import FrameDecoder, Reason, encode_frame
from drivers.link.link import LinkListener
from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.backoff import Backoff

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
        self._transport: SerialTransport | None = None
        self._listener: LinkListener | None = None
        self._lost: asyncio.Future[str] | None = None
        self._waiting: deque[bytes] = deque()
        self._writing = False
        """A frame is not written whole yet."""
        self._log = RateLimitedLog(structlog.get_logger(__name__).bind(port=port))
        self._told = 0

    @property
    def damaged(self) -> int:
        """See link.CountsDamage."""
        return self.decoder.dropped.total()

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See link.MeasuredLink."""
        yield names.SERIAL_FRAMES.of(self.decoder.good, module_id)
        for reason in get_args(Reason):
            yield names.SERIAL_DAMAGED.of(self.decoder.dropped[reason], module_id, reason)
        yield names.SERIAL_GARBAGE.of(self.decoder.dropped_bytes, module_id)
        yield names.SERIAL_UNSENT.of(self.dropped, module_id)

    async def run(self, listener: LinkListener) -> None:
        loop = asyncio.get_running_loop()
        self._listener = listener
        said = ""
        while True:
            try:
                port = serial.Serial(self._port, self._baud_rate, timeout=0, write_timeout=0, exclusive=True)
            except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
                reason = _cannot_open(self._port, error)
            else:
                opened_s = loop.time()
                said = ""
                reason = await self._until_lost(port)
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
        self._write_next()

    async def _until_lost(self, port: serial.Serial) -> str:
        """Why the port is lost, which is closed then."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        self._lost = loop.create_future()
        self._waiting.clear()
        self._writing = False
        self.decoder.reset()
        try:
            self._transport = SerialTransport(loop, _Wire(self._received, self._wrote, self._ended), port)
        except (OSError, termios.error) as error:  # it sets the port up once more
            self._lost = None
            port.close()
            return f"{self._port} has vanished: {error}"
        self._transport.set_write_buffer_limits(high=0)
        self._listener.link_up()
        try:
            return await asyncio.shield(self._lost)
        except asyncio.CancelledError:
            await self._drain(port)
            # The operating system may wait for half a minute for what it could not send yet.
            with contextlib.suppress(OSError, termios.error):
                port.reset_output_buffer()
            if not self._transport.is_closing():  # it is where the port has vanished meanwhile
                self._transport.abort()
            await self._lost
            raise

    async def _drain(self, port: serial.Serial) -> None:
        """Lets the last commands out; among them is the one that opens the contactor."""
        assert self._lost is not None
        loop = asyncio.get_running_loop()
        until_s = loop.time() + DRAIN_S
        # The operating system says how much is left only when asked.
        while not self._lost.done() and loop.time() < until_s:
            with contextlib.suppress(OSError):
                if not self._waiting and not self._writing and not port.out_waiting:
                    return
            await asyncio.sleep(0.005)

    def _write_next(self) -> None:
        """The rest follows when the port has taken this frame."""
        assert self._transport is not None
        if not self._writing and self._waiting:
            self._transport.write(self._waiting.popleft())

    def _received(self, data: bytes) -> None:
        assert self._listener is not None
        for message in self.decoder.feed(data):
            self._listener.received(message)
        if self.damaged != self._told:
            self._told = self.damaged
            self._log.warning(
                "garbage", "frames from the board were damaged and dropped", so_far=dict(self.decoder.dropped)
            )

    def _wrote(self, all_of_it: bool) -> None:
        self._writing = not all_of_it
        self._write_next()

    def _ended(self, error: Exception | None) -> None:
        assert self._lost is not None
        self._lost.set_result(f"{self._port} has vanished: {error}")


class _Wire(asyncio.Protocol):
    """What pyserial-asyncio tells of a port.

    Args:
        received: bytes came.
        wrote: whether all that was to be written is.
        ended: the port is closed; why, where it was not asked for.
    """

    def __init__(
        self,
        received: Callable[[bytes], None],
        wrote: Callable[[bool], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        self._received = received
        self._wrote = wrote
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def pause_writing(self) -> None:
        self._wrote(False)

    def resume_writing(self) -> None:
        self._wrote(True)


def _cannot_open(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"{port} is not there: is the board's adapter plugged in, and serial_port right?"
    if number == errno.EACCES:
        return f"{port} may not be opened: add the daemon's user to the group dialout"
    if number == errno.EAGAIN:
        return f"{port} is in use by another program"
    return f"{port} cannot be opened: {error}"
