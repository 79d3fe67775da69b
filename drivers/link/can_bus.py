"""A CAN bus on the event loop, through python-can: opened, read, watched, and opened again.

python-can's own notifier reads with asyncio too, but does not tell an asyncio program when reading fails, and its stop
waits for its thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from drivers.link.can_errors import BUS_OFF, BUS_OFF_REASON, ErrorPeriod, describe
from drivers.link.can_wire import CanFrame, CanListener
from evse_daemon import metric_names as names
from evse_daemon.framework.devices import CanInterface, Device, SerialDevice
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.backoff import Backoff

try:
    import can
except ImportError as error:
    raise ImportError("CAN needs python-can: pip install 'evse-daemon[can]'") from error

BURST = 64
"""Frames read before the event loop gets its turn."""

THREAD_S = 0.2
"""How long the thread waits that reads a bus without file descriptor; so long its end may take."""

CLOSE_S = 1.0
"""How long closing a bus is waited for."""

LAST_FRAMES_S = 0.02
"""Between the last frames, which switch off, and the closing of the adapter, which may forget what it has not sent."""

UNREAD = 4096
"""Frames that a reading thread may be ahead; the oldest are dropped."""

SILENCE_S = 5.0
"""What drivers set CanSettings.silence_s to: more than they wait before they switch off."""

TRANSIENT = (None, errno.ENOBUFS, errno.EAGAIN)
"""Error codes of a send that may succeed later: the controller's queue is full."""


@dataclass(frozen=True, slots=True)
class CanFilter:
    """Frames whose identifier equals ``id`` in the bits of ``mask``."""

    id: int
    mask: int
    extended: bool


@dataclass(frozen=True, slots=True)
class CanSettings:
    """Which bus, in python-can's words."""

    interface: str
    """socketcan, slcan, virtual …"""
    channel: str
    bitrate: int | None = None
    """bit/s; socketcan's is set with ``ip link``."""
    silence_s: float | None = None
    """Without any frame for so long, the bus is opened anew: an adapter may have forgotten that it was open."""
    wanted: tuple[CanFilter, ...] = ()
    """Frames of other identifiers need not arrive; socketcan leaves them in the kernel."""


def devices_of(interface: str, channel: str, bitrate: int) -> tuple[Device, ...]:
    """What of the machine a bus needs, by the options ``can_interface``, ``can_device`` and ``can_bitrate``."""
    if interface == "socketcan":
        return (CanInterface("can_device", channel, bitrate),)
    if interface == "slcan":
        return (SerialDevice("can_device", channel, ("can", "serial")),)
    return ()


OpenBus = Callable[[CanSettings], can.BusABC]


def open_bus(settings: CanSettings) -> can.BusABC:
    """Opens a bus with python-can.

    Raises:
        Exception: it cannot be opened; python-can's drivers raise what they like.
    """
    if settings.interface == "slcan":
        from drivers.link.slcan_bus import SlcanBus  # noqa: PLC0415 - needs pyserial

        return SlcanBus(settings.channel, settings.bitrate)
    more: dict[str, Any] = {}
    if settings.bitrate is not None:
        more["bitrate"] = settings.bitrate
    if settings.interface == "socketcan" and settings.wanted:
        more["can_filters"] = [
            {"can_id": each.id, "can_mask": each.mask, "extended": each.extended} for each in settings.wanted
        ]
    bus = can.Bus(interface=settings.interface, channel=settings.channel, ignore_config=True, **more)
    if settings.interface == "socketcan":
        _require_up(bus)
    return bus


def _require_up(bus: Any) -> None:
    """A socket is opened although its interface is down; the kernel says so afterwards (net/can/raw.c, raw_bind)."""
    code = bus.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        bus.shutdown()
        raise OSError(code, os.strerror(code))


class CanBus:
    """See drivers.link.can_wire.CanWire.

    Lost is the bus on bus-off at once; on an error of the device at once; on error frames, or on frames that the
    controller does not take, when they go on for a second; on silence where the settings say how long it may last.
    Whether silence means that power must go off is for those to say who use the bus, and earlier.

    Args:
        settings: which bus.
        log: a structlog logger.
        open_: opens it, called in a thread.
    """

    def __init__(self, settings: CanSettings, log: Any, open_: OpenBus = open_bus) -> None:
        self.settings = settings
        self._log = RateLimitedLog(log)
        self._open = open_
        self._bus: can.BusABC | None = None
        self._listener: CanListener | None = None
        self._lost: asyncio.Future[str] | None = None
        self._heard_s = 0.0
        self._error_frames = ErrorPeriod()
        self._refused = ErrorPeriod()
        self._losses = 0
        self._errors = 0

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See link.MeasuredLink."""
        yield names.CAN_UP.of(self._bus is not None, module_id)
        yield names.CAN_LOSSES.of(self._losses, module_id)
        yield names.CAN_ERRORS.of(self._errors, module_id)

    async def run(self, listener: CanListener) -> None:
        backoff = Backoff()
        told: str | None = None
        loop = asyncio.get_running_loop()
        self._listener = listener
        while True:
            try:
                bus = await self._opened()
            except Exception as error:  # noqa: BLE001 - python-can's drivers raise what they like
                reason = self._cannot_open(error)
                if reason != told:
                    listener.bus_lost(reason)
                    told = reason
                await asyncio.sleep(backoff.next_s())
                continue
            opened_s = loop.time()
            reason = await self._carry(bus, listener)
            told = reason
            backoff.lasted(loop.time() - opened_s)
            await asyncio.sleep(backoff.next_s())

    def send(self, frame: CanFrame) -> None:
        if self._bus is None:
            return
        message = can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=frame.extended)
        try:
            self._bus.send(message, timeout=0)
        except (can.CanError, OSError) as error:
            code = getattr(error, "error_code", None) or getattr(error, "errno", None)
            if code not in TRANSIENT:
                self._lose(f"sending failed: {error}")
            elif self._refused.error(asyncio.get_running_loop().time()):
                self._lose(
                    f"the bus takes no frames: {error}; is another node connected and the bit rate right?"
                )
        else:
            self._refused.good()

    async def _carry(self, bus: can.BusABC, listener: CanListener) -> str:
        """Uses an open bus until it is lost; gives the reason."""
        loop = asyncio.get_running_loop()
        self._error_frames, self._refused = ErrorPeriod(), ErrorPeriod()
        lost: asyncio.Future[str] = loop.create_future()
        self._lost = lost
        stop_reading: Callable[[], threading.Thread | None] = lambda: None  # noqa: E731 - a name for one of two cases
        try:
            stop_reading = self._read(bus)
            self._bus = bus
            listener.bus_up()
            reason = await self._until_lost(lost)
            self._bus = None  # whoever is told sends nothing into it
            self._losses += 1
            self._log.warning("lost", "the CAN bus is lost", channel=self.settings.channel, reason=reason)
            listener.bus_lost(reason)
            return reason
        finally:
            self._bus = None
            closing = loop.run_in_executor(None, _close, stop_reading(), bus)
            await asyncio.wait({closing}, timeout=CLOSE_S)

    async def _until_lost(self, lost: asyncio.Future[str]) -> str:
        silence_s = self.settings.silence_s
        if silence_s is None:
            return await lost
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        while (rest_s := self._heard_s + silence_s - loop.time()) > 0:
            await asyncio.wait({lost}, timeout=rest_s)
            if lost.done():
                return lost.result()
        return f"no frame for {silence_s:g} s; is another node connected and powered, and the bit rate right?"

    async def _opened(self) -> can.BusABC:
        opening = asyncio.ensure_future(asyncio.to_thread(self._open, self.settings))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise

    def _cannot_open(self, error: Exception) -> str:
        where = f"{self.settings.interface} channel {self.settings.channel}"
        hint = ""
        if self.settings.interface == "socketcan":
            hint = f"; is it up? (ip link set {self.settings.channel} up type can bitrate …)"
        elif isinstance(error, ImportError | NotImplementedError):
            hint = "; slcan needs pyserial: pip install 'evse-daemon[can,serial]'"
        reason = f"cannot open {where}: {error}{hint}"
        self._log.warning("open", "the CAN bus cannot be opened", reason=reason)
        return reason

    def _read(self, bus: can.BusABC) -> Callable[[], threading.Thread | None]:
        """Begins to read; gives what stops it, which gives the thread that may still be reading."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = bus.fileno()
            loop.add_reader(descriptor, self._readable, bus)
        except NotImplementedError:
            reader = _Thread(bus, loop, self._take, self._lose)
            reader.start()
            return reader.stop
        except (can.CanError, OSError) as error:
            self._lose(f"receiving failed: {error}")
            return lambda: None

        def stop() -> None:
            loop.remove_reader(descriptor)

        return stop

    def _readable(self, bus: can.BusABC) -> None:
        try:
            for _ in range(BURST):
                message = bus.recv(0)
                if message is None:
                    return
                self._take(message)
        except Exception as error:  # noqa: BLE001 - python-can's drivers raise what they like
            self._lose(f"receiving failed: {error}")
        else:
            # An adapter's class may hold frames of which its file says nothing any more.
            asyncio.get_running_loop().call_soon(self._read_on, bus)

    def _read_on(self, bus: can.BusABC) -> None:
        if bus is self._bus:
            self._readable(bus)

    def _take(self, message: can.Message) -> None:
        if self._lost is None or self._lost.done() or self._listener is None:
            return
        if message.is_error_frame:
            self._error_frame(message.arbitration_id)
            return
        self._error_frames.good()
        self._heard_s = asyncio.get_running_loop().time()
        if not (message.is_remote_frame or message.is_fd):
            self._listener.received(
                CanFrame(message.arbitration_id, bytes(message.data), message.is_extended_id)
            )

    def _error_frame(self, classes: int) -> None:
        self._errors += 1
        if classes & BUS_OFF:
            self._lose(BUS_OFF_REASON)
        elif self._error_frames.error(asyncio.get_running_loop().time()):
            self._lose(
                f"only error frames ({describe(classes)}); is another node connected and the bit rate right?"
            )
        else:
            self._log.warning(
                classes,
                "an error frame on the CAN bus",
                channel=self.settings.channel,
                error=describe(classes),
            )

    def _lose(self, reason: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)


class _Thread(threading.Thread):
    """Reads a bus that has no file descriptor."""

    def __init__(
        self,
        bus: can.BusABC,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[can.Message], None],
        lose: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"CAN {bus.channel_info}", daemon=True)
        self._bus = bus
        self._loop = loop
        self._take_one = take
        self._lose = lose
        self._stopped = threading.Event()
        self._arrived: deque[can.Message] = deque(maxlen=UNREAD)
        self._told = False

    def run(self) -> None:
        # Where the loop has ended meanwhile there is nobody to tell.
        with contextlib.suppress(RuntimeError):
            try:
                while not self._stopped.is_set():
                    message = self._bus.recv(THREAD_S)
                    if message is not None:
                        self._arrived.append(message)
                        if not self._told:
                            self._told = True
                            self._loop.call_soon_threadsafe(self._take)
            except Exception as error:  # noqa: BLE001 - python-can's drivers raise what they like
                self._loop.call_soon_threadsafe(self._ended, f"receiving failed: {error}")

    def stop(self) -> threading.Thread:
        self._stopped.set()
        return self

    def _take(self) -> None:
        self._told = False
        for _ in range(BURST):
            if not self._arrived or self._stopped.is_set():
                return
            self._take_one(self._arrived.popleft())
        self._told = True
        self._loop.call_soon(self._take)

    def _ended(self, reason: str) -> None:
        if not self._stopped.is_set():
            self._lose(reason)


def _close(reading: threading.Thread | None, bus: can.BusABC) -> None:
    """Runs in a thread: some interfaces wait when they close."""
    time.sleep(LAST_FRAMES_S)
    if reading is not None:
        reading.join(CLOSE_S)
    # The device may be gone, which is why it is closed.
    with contextlib.suppress(can.CanError, OSError):
        bus.shutdown()


def _close_late(opening: asyncio.Future[can.BusABC]) -> None:
    """Whoever wanted the bus is gone before it was open."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().shutdown()
