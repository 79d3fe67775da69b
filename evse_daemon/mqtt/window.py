"""What is on its way to the broker: at most 16 unacknowledged messages, in the order in which they were given.

Mosquitto forgets QoS 2 messages beyond its own window of 20 without a word, hence the limit. A broker hands a QoS 2
message on when it gets PUBREL, one of QoS 0 or 1 when it gets PUBLISH. So a message of lower QoS is held back until
the PUBRELs before it are sent; otherwise it would overtake them on the way to a subscriber.
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from gmqtt import Message
from gmqtt.mqtt.constants import MQTTCommands, MQTTv311
from gmqtt.mqtt.package import CommandWithMidPacket, PublishPacket
from gmqtt.mqtt.utils import IdGenerator

WINDOW = 16
_DUP = 0x08
# A broker closes the connection on such a topic, and would do so at each replay.
_BAD_IN_TOPIC = re.compile("[+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Undelivered(Exception):  # noqa: N818 - a state, not a fault of the caller
    """The connection was stopped before the broker had acknowledged the message."""


@lru_cache(4096)
def check_topic(topic: str) -> None:
    """Raise ValueError for a topic that must not be published to."""
    if not topic or _BAD_IN_TOPIC.search(topic) or len(topic.encode("utf-8")) > 65535:
        raise ValueError(f"not a topic that can be published to: {topic[:100]!r}")


class Outlet(Protocol):
    """What a window needs of a link."""

    @property
    def congested(self) -> bool:
        """So much is waiting for the socket that QoS 0 had better be dropped."""

    def write(self, data: bytes) -> None: ...


@dataclass(slots=True, eq=False)
class _Entry:
    message: Any
    ack: asyncio.Future[None]
    admitted: asyncio.Future[None] | None = None
    mid: int = 0
    packet: bytearray | None = None
    sent: bool = False
    released: bool = False

    @property
    def qos(self) -> int:
        qos: int = self.message.qos
        return qos


class Window:
    """The outgoing messages of one connection, over all its links. `attach` and `detach` tell it of links."""

    def __init__(self, limit: int = WINDOW) -> None:
        self.id_generator = IdGenerator(max=65535)  # gmqtt's packet builder asks for these two attributes
        self.proto_ver = MQTTv311
        self.dropped = 0
        self._limit = limit
        self._outlet: Outlet | None = None
        self._waiting: deque[_Entry] = deque()
        self._flying: dict[int, _Entry] = {}
        self._resend: deque[_Entry] = deque()
        self._held = 0
        self._idle: list[asyncio.Future[None]] = []
        self._done: asyncio.Future[None] | None = None
        self._failed: str | None = None

    @property
    def unacknowledged(self) -> int:
        return len(self._flying) + len(self._waiting)

    def submit(self, topic: str, payload: bytes | str, qos: int, retain: bool) -> asyncio.Future[None]:
        """Queue one message; the future is done when the broker has it (QoS 0: when it was sent or dropped)."""
        return self._submit(topic, payload, qos, retain).ack

    async def send(self, topic: str, payload: bytes | str, qos: int, retain: bool) -> asyncio.Future[None]:
        """As `submit`, but waits for a place in the window. Cancelled while waiting: not sent."""
        entry = self._submit(topic, payload, qos, retain)
        if entry.packet is None and not entry.ack.done():
            entry.admitted = asyncio.get_running_loop().create_future()
            try:
                await entry.admitted
            except asyncio.CancelledError:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                    entry.ack.cancel()
                raise
        return entry.ack

    def _submit(self, topic: str, payload: bytes | str, qos: int, retain: bool) -> _Entry:
        if self._failed is not None:
            raise Undelivered(self._failed)
        check_topic(topic)
        if qos not in {0, 1, 2}:
            raise ValueError(f"QoS must be 0, 1 or 2, not {qos!r}")
        data = payload.encode("utf-8") if isinstance(payload, str) else payload
        message = Message(topic, data, qos=qos, retain=retain)
        if qos == 0 and (self._outlet is None or not (self._waiting or self._resend or self._held)):
            entry = _Entry(message, self._finished())
            self._transmit_qos0(entry)
            return entry
        entry = _Entry(message, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self.pump()
        return entry

    def pump(self) -> None:
        """Send what may be sent now."""
        while self._resend:
            if not self._transmit(self._resend[0]):
                return
            self._resend.popleft()
        while self._waiting:
            entry = self._waiting[0]
            if entry.qos == 0:
                if self._held:
                    return
                self._transmit_qos0(entry)
                _resolve(entry.ack)
            elif len(self._flying) >= self._limit or (self._held and entry.qos == 1):
                return
            else:
                entry.mid, entry.packet = PublishPacket.build_package(entry.message, self)
                self._flying[entry.mid] = entry
                if self._outlet is not None:
                    self._transmit(entry)
            self._waiting.popleft()
            if entry.admitted is not None:
                _resolve(entry.admitted)

    def attach(self, outlet: Outlet, *, session_present: bool) -> None:
        """A link is up: replay what the broker has not acknowledged, or all of it anew if it knows nothing of us."""
        if not session_present:
            for entry in self._flying.values():
                entry.sent = entry.released = False
        self._outlet = outlet
        self._held = 0
        self._resend = deque(self._flying.values())
        self.pump()

    def detach(self) -> None:
        """The link is gone."""
        self._outlet = None
        self._held = 0
        self._resend.clear()
        for entry in [entry for entry in self._waiting if entry.qos == 0]:
            self._waiting.remove(entry)
            self._transmit_qos0(entry)
            _resolve(entry.ack)
            if entry.admitted is not None:
                _resolve(entry.admitted)
        self.pump()
        self._wake_idle()

    def received(self, mid: int) -> None:
        """PUBREC: from now on PUBREL is what a replay repeats."""
        entry = self._flying.get(mid)
        if entry is not None and entry.qos == 2 and not entry.released:
            entry.released = True
            self._held -= 1

    def settled(self, mid: int) -> None:
        """PUBACK or PUBCOMP: the broker has it."""
        entry = self._flying.pop(mid, None)
        if entry is None:
            return
        if entry.qos == 2 and not entry.released and entry.sent:
            self._held -= 1
        _resolve(entry.ack)
        self.pump()
        self._wake_idle()

    async def drained(self) -> None:
        """Until everything is acknowledged, or the link is gone."""
        while self.unacknowledged and self._outlet is not None:
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    def fail(self, reason: str) -> None:
        """Give up what is left: who waits for it gets Undelivered, and so does whoever comes later."""
        self._failed = reason
        for entry in [*self._flying.values(), *self._waiting]:
            for future in (entry.ack, entry.admitted):
                if future is not None and not future.done():
                    future.set_exception(Undelivered(reason))
                    future.exception()  # nobody is obliged to look at it
        self._flying.clear()
        self._waiting.clear()
        self._resend.clear()

    def _transmit(self, entry: _Entry) -> bool:
        """Write an entry of the window to the link; False if it must wait for a PUBREC."""
        assert self._outlet is not None
        if entry.mid not in self._flying:
            return True
        if entry.released:
            self._outlet.write(
                CommandWithMidPacket.build_package(
                    MQTTCommands.PUBREL | 2, entry.mid, False, proto_ver=MQTTv311
                )
            )
            return True
        if entry.qos == 1 and self._held:
            return False
        assert entry.packet is not None
        if entry.sent:
            entry.packet[0] |= _DUP
        else:
            entry.packet[0] &= ~_DUP
        entry.sent = True
        if entry.qos == 2:
            self._held += 1
        self._outlet.write(bytes(entry.packet))
        return True

    def _transmit_qos0(self, entry: _Entry) -> None:
        if self._outlet is None or self._outlet.congested:
            self.dropped += 1
            return
        _, packet = PublishPacket.build_package(entry.message, self)
        self._outlet.write(bytes(packet))

    def _finished(self) -> asyncio.Future[None]:
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
            self._done.set_result(None)
        return self._done

    def _wake_idle(self) -> None:
        if self._idle and (not self.unacknowledged or self._outlet is None):
            for waiter in self._idle:
                _resolve(waiter)
            self._idle.clear()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
