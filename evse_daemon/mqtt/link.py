"""One connection to the broker, from its CONNECT to its end, on gmqtt's protocol classes.

gmqtt's own client keeps the session, replays, and reconnects; each of these has gaps that lose or repeat messages,
so only its packets, its parser and its handling of acknowledgements are used here. What is overridden:
inbound QoS 2 is delivered once, the reader has no task of its own, a silent peer is noticed, oversized messages are
acknowledged and thrown away as they come in, and an end before CONNACK is an error instead of a hang.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gmqtt import Message, Subscription
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.constants import MQTTCommands, MQTTv311
from gmqtt.mqtt.handler import MqttPackageHandler
from gmqtt.mqtt.protocol import BaseMQTTProtocol, MQTTProtocol
from gmqtt.mqtt.utils import ConnectionState, IdGenerator

from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import ClosedEarly, Refused
from evse_daemon.mqtt.window import Window

# It reports each lost connection through logging; we do, once and with the reason.
logging.getLogger("gmqtt").setLevel(logging.ERROR)

CLOSE_WITHIN_S = 0.5
_CONGESTED_BYTES = 4 * 1024 * 1024
_PUBLISH = 0x30


class Inbound(NamedTuple):
    """A message as it came from the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Will:
    """The last will: published by the broker when the connection ends without DISCONNECT."""

    topic: str
    payload: bytes | str
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True)
class Receiver:
    """What the owner of a link wants to hear."""

    on_message: Callable[[Inbound], None]
    on_oversize: Callable[[str, int], None]
    on_end: Callable[["Link"], None]
    max_payload_bytes: int


class Link:
    """Open it once; after its end (`ended` is done, `reason` says why) make another."""

    def __init__(self, settings: BrokerSettings, receiver: Receiver, window: Window | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.settings = settings
        self.receiver = receiver
        self.window = window
        self.reason = "closed by us"
        self.ended: asyncio.Future[None] = loop.create_future()
        self.connack: asyncio.Future[bool] = loop.create_future()
        self.subacks: dict[int, asyncio.Future[tuple[int, ...]]] = {}
        self.handler = _Handler(self)
        self._transport: asyncio.Transport | None = None
        self._protocol: Any = None

    async def open(self, client_id: str, *, clean: bool, will: Will | None) -> bool:
        """Connect and log in; True if the broker kept a session. Bound it with `asyncio.timeout`."""
        password = self.settings.password()
        try:
            self._transport, self._protocol = await self._dial(clean=clean)
            await self._protocol.connection.auth(
                client_id.encode("utf-8"),
                self.settings.username.encode("utf-8") if self.settings.username is not None else None,
                password.encode("utf-8") if password is not None else None,
                will_message=Message(will.topic, will.payload, will.qos, will.retain) if will else None,
            )
            return await self.connack
        except BaseException:
            self.abort()
            raise

    async def subscribe(self, subscriptions: Sequence[tuple[str, int]]) -> list[str]:
        """Subscribe and wait for the answer; returns the filters that the broker refused."""
        if not subscriptions:
            return []
        mid = self._protocol.send_subscribe_packet(
            [Subscription(topic, qos=qos) for topic, qos in subscriptions]
        )
        answer: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self.subacks[mid] = answer
        codes = await answer
        return [topic for (topic, _), code in zip(subscriptions, codes, strict=False) if code >= 0x80]

    def write(self, data: bytes) -> None:
        self._protocol.write_data(data)

    @property
    def congested(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > _CONGESTED_BYTES

    async def close(self) -> None:
        """DISCONNECT and close, without waiting for a broker that does not read."""
        if self._transport is not None and not self.ended.done():
            self._protocol.send_disconnect()
            self._protocol.flush()
            self._transport.close()
            await asyncio.wait({self.ended}, timeout=CLOSE_WITHIN_S)
        self.abort()
        await self.gone()

    def abort(self, reason: str | None = None) -> None:
        """Drop the socket at once; the broker publishes the last will."""
        if reason is not None:
            self.reason = reason
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """After close or abort: until the transport is really closed."""
        if self._transport is not None:
            await asyncio.wait({self.ended}, timeout=CLOSE_WITHIN_S)

    async def _dial(self, *, clean: bool) -> tuple[asyncio.Transport, Any]:
        loop = asyncio.get_running_loop()
        settings = self.settings

        def factory() -> _Protocol:
            return _Protocol(self, clean=clean)

        if settings.socket_path is not None:
            return await loop.create_unix_connection(factory, settings.socket_path)
        if settings.tls is None:
            return await loop.create_connection(factory, settings.host, settings.port)
        return await loop.create_connection(
            factory,
            settings.host,
            settings.port,
            ssl=settings.tls.context(),
            ssl_handshake_timeout=settings.connect_timeout_s,
            ssl_shutdown_timeout=CLOSE_WITHIN_S,
        )

    def lost(self, exc: BaseException | None) -> None:
        """From the protocol: the socket is closed."""
        if self.ended.done():
            return
        if exc is not None:
            self.reason = str(exc) or type(exc).__name__
        self.ended.set_result(None)
        waiting: list[asyncio.Future[Any]] = [self.connack, *self.subacks.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(ClosedEarly(exc))
                future.exception()  # an attempt that was cancelled does not look at it
        self.receiver.on_end(self)


class _Beat(MQTTConnection):  # type: ignore[misc]
    """gmqtt's connection with a keep-alive that ends a silent link within twice its period."""

    pinged: float | None = None

    def _keep_connection(self) -> None:
        if self._transport.is_closing():
            return
        now = time.monotonic()
        patience = 0.7 * self._keepalive
        if self.pinged is not None and now - self.pinged >= patience:
            self._protocol.link.abort("no answer to the keep-alive ping")
            return
        if self.pinged is None and now - min(self._last_data_in, self._last_data_out) >= patience:
            self.pinged = now
            self._send_ping_request()
        self._keep_connection_callback = asyncio.get_running_loop().call_later(
            self._keepalive / 4, self._keep_connection
        )

    def heard(self) -> None:
        self._last_data_in = time.monotonic()
        self.pinged = None

    def ended(self) -> None:
        self._keep_connection_callback.cancel()


class _Protocol(MQTTProtocol):  # type: ignore[misc]
    """gmqtt's protocol, fed by the event loop directly."""

    def __init__(self, link: Link, *, clean: bool) -> None:
        ids = link.window.id_generator if link.window is not None else IdGenerator(max=65535)
        link.handler.id_generator = ids
        super().__init__(
            loop=asyncio.get_running_loop(),
            connection_state=ConnectionState(protocol_version=MQTTv311),
            id_generator=ids,
        )
        self.link = link
        self.connection: Any = None
        self._clean = clean
        self._rest = b""
        self._skip = 0
        self._wrote = False
        self._unwritten: list[bytes] = []

    def write_data(self, data: bytes) -> None:
        """Writes the first packet of a turn of the event loop at once, the others together when the turn is over.

        So one packet is not delayed, and a burst costs two system calls, here and at the broker.
        """
        if self._wrote:
            self._unwritten.append(data)
            return
        self._wrote = True
        self._loop.call_soon(self.flush)
        super().write_data(data)

    def flush(self) -> None:
        """Writes what waits."""
        self._wrote = False
        data, self._unwritten = b"".join(self._unwritten), []
        # gmqtt forgets its transport when the connection is lost.
        if data and self._transport is not None and not self._transport.is_closing():
            super().write_data(data)

    def connection_made(self, transport: Any) -> None:
        BaseMQTTProtocol.connection_made(self, transport)  # MQTTProtocol's would start a reader task
        self.connection = _Beat(
            transport, self, self._clean, self.link.settings.keepalive_s, package_handler=self.link.handler
        )

    def data_received(self, data: bytes) -> None:
        self.connection.heard()
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        buffer = self._rest + data if self._rest else data
        used = self._read_packet(buffer)
        if used < 0:
            self.link.abort("the broker sent a malformed packet")
            return
        self._rest = buffer[used:]
        if self._rest:
            self._skip_oversized()

    def eof_received(self) -> bool:
        self.link.reason = "the broker closed the connection"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.StreamReaderProtocol.connection_lost(self, exc)
        self.connection.ended()
        self.link.lost(exc)

    def _skip_oversized(self) -> None:
        """Give up an incomplete PUBLISH that is larger than allowed, so that it is never held in memory."""
        rest = self._rest
        length, header = 0, 1
        if rest[0] & 0xF0 != _PUBLISH:
            return
        while True:
            if header >= len(rest):
                return
            length |= (rest[header] & 0x7F) << (7 * (header - 1))
            header += 1
            if not rest[header - 1] & 0x80:
                break
        if length <= self.link.receiver.max_payload_bytes or len(rest) < header + 2:
            return
        topic_end = header + 2 + struct.unpack_from("!H", rest, header)[0]
        qos = rest[0] >> 1 & 3
        payload = length - (topic_end - header) - (2 if qos else 0)
        if payload > self.link.receiver.max_payload_bytes and len(rest) >= topic_end + 2:
            self.link.handler.refuse_oversized(rest[header + 2 : topic_end], payload, qos, rest[topic_end:])
            self._skip = header + length - len(rest)
            self._rest = b""


class _Handler(MqttPackageHandler):  # type: ignore[misc]
    """gmqtt's packet handler. PUBACK and PUBCOMP are handled by gmqtt, which then calls `window.settled`."""

    def __init__(self, link: Link) -> None:
        super().__init__(
            connack_event=asyncio.Event(),
            connection_lost_event=asyncio.Event(),
            connection_state=ConnectionState(protocol_version=MQTTv311),
            reconnect_callback=_unused,
            disconnect_callback=_unused,
            resend_qos_callback=_unused,
            clear_qos_callback=lambda: None,
            connect_properties={},
            subscriptions_getter=list,
            remove_message_callback=self._settled,
            store_message_callback=self._received,
            send_command_with_mid_callback=self._send_command,
        )
        self._link = link
        self._inbound: set[int] = set()

    def _handle_connack_packet(self, _cmd: int, packet: bytes) -> None:
        session_present, code = struct.unpack("!BB", packet[:2])
        if self._link.connack.done():
            return
        if code:
            self._link.connack.set_exception(Refused(code))
            self._link.connack.exception()
        else:
            self._link.connack.set_result(bool(session_present))

    def _handle_suback_packet(self, _cmd: int, packet: bytes) -> None:
        (mid,) = struct.unpack("!H", packet[:2])
        self.id_generator.free_id(mid)
        answer = self._link.subacks.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(tuple(packet[2:]))

    def _handle_publish_packet(self, cmd: int, packet: bytes) -> None:
        qos = cmd >> 1 & 3
        start = 2 + struct.unpack_from("!H", packet)[0]
        topic, rest = packet[2:start], packet[start:]
        size = len(rest) - (2 if qos else 0)
        if size > self._link.receiver.max_payload_bytes:
            self.refuse_oversized(topic, size, qos, rest)
            return
        if qos == 0:
            self._deliver(topic, rest, 0, cmd)
            return
        (mid,) = struct.unpack_from("!H", rest)
        if qos == 1:
            self._deliver(topic, rest[2:], 1, cmd)
            self._send_puback(mid)
            return
        if mid not in self._inbound:
            self._inbound.add(mid)
            self._deliver(topic, rest[2:], 2, cmd)
        self._send_pubrec(mid)

    def _handle_pubrel_packet(self, _cmd: int, packet: bytes) -> None:
        (mid,) = struct.unpack("!H", packet[:2])
        self._inbound.discard(mid)
        self._send_pubcomp(mid, False)

    def _handle_pubrec_packet(self, cmd: int, packet: bytes) -> None:
        super()._handle_pubrec_packet(cmd, packet)
        if self._link.window is not None:
            self._link.window.pump()

    def _handle_disconnect_packet(self, _cmd: int, _packet: bytes) -> None:
        """MQTT 3.1.1 brokers send none; the end of the socket comes by `Link.lost`."""

    def refuse_oversized(self, topic: bytes, size: int, qos: int, rest: bytes) -> None:
        """Acknowledge a message that is not wanted, so that the broker does not keep it in flight."""
        if qos:
            (mid,) = struct.unpack_from("!H", rest)
            if qos == 1:
                self._send_puback(mid)
            else:
                self._send_pubrec(mid)
        self._link.receiver.on_oversize(topic.decode("utf-8", "replace"), size)

    def _deliver(self, topic: bytes, payload: bytes, qos: int, cmd: int) -> None:
        message = Inbound(topic.decode("utf-8", "replace"), bytes(payload), qos, bool(cmd & 1))
        self._link.receiver.on_message(message)

    def _settled(self, mid: int) -> None:
        if self._link.window is not None:
            self._link.window.settled(mid)

    def _received(self, mid: int, _pubrel: bytes) -> None:
        if self._link.window is not None:
            self._link.window.received(mid)

    def _send_command(self, cmd: MQTTCommands, mid: int, dup: bool, reason_code: int = 0) -> None:
        self.current_connection.send_command_with_mid(cmd, mid, dup, reason_code=reason_code)


async def _unused(*_args: Any, **_kwargs: Any) -> None:
    """For gmqtt's callbacks that belong to its own client."""
