"""Messages to and from a board over CAN: ISO-TP (ISO 15765-2) with 11-bit identifiers; docs/can.md states the wire.

A message is followed by its CRC-16: it finds what ISO-TP's counter of four bits cannot, segments of two messages that
were joined after some were lost, and what a gateway or serial adapter damaged. Every command of the boards' protocols
fits one frame so. Only what is longer needs the board's flow control.
"""

from __future__ import annotations

import asyncio
import binascii
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.link.can_bus import CanFilter
from drivers.link.can_wire import CanFrame, CanListener, CanWire
from drivers.link.link import LinkListener, MeasuredLink
from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog

try:
    import isotp
except ImportError as error:
    raise ImportError("ISO-TP needs can-isotp: pip install 'evse-daemon[can]'") from error

CRC_BYTES = 2

MAX_MESSAGE = 254
"""Bytes of a message, as on the serial line; with its CRC the boards' buffers of 256 hold it."""

SINGLE = 7
"""Bytes that one frame carries; the first byte says how many."""

TIMEOUT_MS = 250
"""How long a flow control or the next segment may take (N_Bs, N_Cr; ISO 15765-2 allows 1000)."""

PADDING = 0xCC
"""ISO 15765-2's; every frame has 8 bytes."""

WAITING = 32
"""Messages that may wait for their turn; the oldest is dropped."""

SLACK_S = 0.001
"""The library's timers are asked a little after they are due."""

QUIET = "drivers.link.isotp"
"""The library logs each fault without limit; here they are counted, and logged with one."""


TO_BOARD = 0x6A0
TO_HOST = 0x6A1
"""Identifiers of a connection where nothing else is configured; CANopen leaves them free."""


@dataclass(frozen=True, slots=True)
class IsoTpIds:
    """The identifiers of a connection; the lower one wins the bus, so commands come before telemetry."""

    to_board: int = TO_BOARD
    to_host: int = TO_HOST

    def filters(self, receives: int) -> tuple[CanFilter, ...]:
        """What the kernel need let through."""
        return (CanFilter(receives, 0x7FF, extended=False),)


def with_crc(message: bytes) -> bytes:
    """A message and its CRC-16 (CCITT-FALSE: polynomial 0x1021, start 0xFFFF), high byte first."""
    return message + binascii.crc_hqx(message, 0xFFFF).to_bytes(CRC_BYTES, "big")


def without_crc(payload: bytes) -> bytes | None:
    """The message of a payload; None where its CRC is wrong or nothing is left."""
    if len(payload) <= CRC_BYTES or binascii.crc_hqx(payload, 0xFFFF) != 0:
        return None
    return payload[:-CRC_BYTES]


class IsoTpLink:
    """See drivers.link.link.Link.

    A message of one frame is sent at once, in the order of ``send``; a longer one that was being sent begins anew after
    it. So a command never waits for a board that owes a flow control. A board sends in order instead: what it reports
    has to fit together.

    Args:
        wire: the bus.
        sends: the identifier of the frames sent.
        receives: the identifier of the frames of the other side.
        log: a structlog logger.
        in_order: short messages wait for longer ones before them; for the board's end.
    """

    def __init__(self, wire: CanWire, *, sends: int, receives: int, log: Any, in_order: bool = False) -> None:
        self.dropped = 0
        """Messages that did not arrive whole, or could not be sent whole."""
        self._wire = wire
        self._sends = sends
        self._receives = receives
        self._in_order = in_order
        self._log = RateLimitedLog(log)
        self._listener: LinkListener | None = None
        self._arrived: isotp.CanMessage | None = None
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._sending: bytes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begin: asyncio.Handle | None = None
        logging.getLogger(QUIET).disabled = True
        self._transport = isotp.TransportLayerLogic(
            rxfn=self._next,
            txfn=self._put,
            address=isotp.Address(isotp.AddressingMode.Normal_11bits, txid=sends, rxid=receives),
            error_handler=self._fault,
            params={
                "tx_padding": PADDING,
                "max_frame_size": MAX_MESSAGE + CRC_BYTES,
                "rx_flowcontrol_timeout": TIMEOUT_MS,
                "rx_consecutive_frame_timeout": TIMEOUT_MS,
                "blocksize": 0,
                "stmin": 0,
                "wftmax": 0,
                "logger_name": QUIET,
                # The library tries it out, and the loop would stand still meanwhile.
                "wait_func": lambda _seconds: None,
            },
        )

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See link.MeasuredLink."""
        yield names.ISOTP_DROPPED.of(self.dropped, module_id)
        if isinstance(self._wire, MeasuredLink):
            yield from self._wire.measures(module_id)

    @property
    def damaged(self) -> int:
        """See drivers.link.link.CountsDamage: where messages lack frames, others of one frame may be missing whole."""
        return self.dropped

    async def run(self, listener: LinkListener) -> None:
        try:
            await self._wire.run(self.attach(listener))
        finally:
            self.detach()

    def attach(self, listener: LinkListener) -> CanListener:
        """For a bus that is opened without ``run``: what its frames are given to."""
        self._listener = listener
        return _Ears(self)

    def detach(self) -> None:
        """Nothing is sent or handed over any more."""
        self._listener = None
        self._forget()

    def send(self, message: bytes) -> None:
        if self._listener is None or not message:
            return
        if len(message) > MAX_MESSAGE:
            self._drop(
                "too long", f"a message of {len(message)} bytes is not sent: {MAX_MESSAGE} are the most"
            )
            return
        payload = with_crc(message)
        must_wait = self._in_order and (self._sending is not None or bool(self._waiting))
        if len(payload) > SINGLE or must_wait:
            self._waiting.append(payload)
        else:
            if self._sending is not None:
                # The board drops what it has of the longer message when the short one comes (ISO 15765-2, 9.8.3).
                self._waiting.appendleft(self._sending)
                self._sending = None
                self._transport.stop_sending()
            self._transport.send(payload)
            self._go_on()
        self._schedule()

    def up(self) -> None:
        self._forget()
        if self._listener is not None:
            self._listener.link_up()

    def lost(self, reason: str) -> None:
        self._forget()
        if self._listener is not None:
            self._listener.link_lost(reason)

    def take(self, frame: CanFrame) -> None:
        if frame.id != self._receives or frame.extended or not frame.data:
            return
        self._arrived = isotp.CanMessage(arbitration_id=frame.id, data=frame.data, extended_id=False)
        self._go_on()

    def _go_on(self) -> None:
        """Lets the transport layer do what is due, hands over what is whole, and arms the timer for what comes next."""
        self._transport.process()
        if not self._transport.transmitting():
            self._sending = None
        self._schedule()
        self._arm()
        while (payload := self._transport.recv()) is not None:
            self._hand_over(bytes(payload))

    def _schedule(self) -> None:
        """The next long message begins when whoever sends now has sent all."""
        if self._waiting and self._sending is None and self._begin is None:
            self._begin = asyncio.get_running_loop().call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._begin = None
        if self._waiting and self._sending is None:
            self._sending = self._waiting.popleft()
            self._transport.send(self._sending)
            self._go_on()

    def _hand_over(self, payload: bytes) -> None:
        message = without_crc(payload)
        if message is None:
            self._drop("crc", "a message with a wrong checksum from the board is dropped")
        elif self._listener is not None:
            self._listener.received(message)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = self._transport
        due = [
            timer.remaining()
            for timer in (transport.timer_rx_cf, transport.timer_rx_fc)
            if not timer.is_stopped()
        ]
        if (gap_s := transport.next_cf_delay()) is not None:
            due.append(gap_s)
        if due:
            self._timer = asyncio.get_running_loop().call_later(max(min(due), 0.0) + SLACK_S, self._go_on)

    def _forget(self) -> None:
        """What was half sent or received belongs to a bus that is gone."""
        self._transport.reset()
        self._arrived = None
        self._waiting.clear()
        self._sending = None
        for handle in (self._timer, self._begin):
            if handle is not None:
                handle.cancel()
        self._timer = self._begin = None

    def _next(self, _timeout_s: float) -> isotp.CanMessage | None:
        frame, self._arrived = self._arrived, None
        return frame

    def _put(self, message: isotp.CanMessage) -> None:
        self._wire.send(CanFrame(message.arbitration_id, bytes(message.data)))

    def _fault(self, error: Exception) -> None:
        # They belong to a message that a shorter one has overtaken, or that a restart has cut off (ISO: ignore).
        if not isinstance(error, isotp.UnexpectedFlowControlError | isotp.UnexpectedConsecutiveFrameError):
            self._drop(type(error).__name__, f"ISO-TP: {error}")

    def _drop(self, kind: str, text: str) -> None:
        self.dropped += 1
        self._log.warning(kind, text, sends=f"{self._sends:#x}", receives=f"{self._receives:#x}")


class _Ears:
    """The link, as the bus sees it."""

    def __init__(self, link: IsoTpLink) -> None:
        self._link = link

    def bus_up(self) -> None:
        self._link.up()

    def bus_lost(self, reason: str) -> None:
        self._link.lost(reason)

    def received(self, frame: CanFrame) -> None:
        self._link.take(frame)
