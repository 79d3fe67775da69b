"""amqtt 0.12.1 with its faults worked round; imported only when the embedded broker is started.

What it does without this: every new client gets the retained messages of everybody's subscriptions, and the loop that
sends them may fail and drop the client; the keep-alive is not enforced, so a dead client's last will is never published;
a second client with the same id does not replace the first, or is dropped together with it; garbage ends in a
traceback; sockets stay open. What stays: docs/brokers.md.
"""

import asyncio
import logging
import math
from typing import Any

from amqtt.broker import Broker
from amqtt.errors import AMQTTError, BrokerError, MQTTError, NoDataError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.utils import gen_client_id

__all__ = ["BrokerError", "TamedBroker", "tamed_broker"]

for _name in ("amqtt", "transitions", "websockets"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

_log = logging.getLogger(__name__)
_KEEPALIVE_FACTOR = 1.5
_CLOSE_WITHIN_S = 0.5
_BAD_CLIENT = (AMQTTError, MQTTError, NoDataError)


def tamed_broker(host: str, port: int) -> "TamedBroker":
    """One broker that listens on host and port when started."""
    return TamedBroker({"listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}}, "plugins": {}})


class _Handler(BrokerProtocolHandler):  # type: ignore[misc]
    def handle_read_timeout(self) -> None:
        """Nothing came for one and a half keep-alives: end the client, which publishes its last will."""
        waiter = self._disconnect_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class TamedBroker(Broker):  # type: ignore[misc]
    """Every session is clean: amqtt's kept sessions hang on what was in flight. CONNACK says so to the client."""

    def bound_port(self) -> int:
        port: int = self._servers["default"].instance.sockets[0].getsockname()[1]
        return port

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._clients: dict[asyncio.Task[Any], Any] = {}

    async def shutdown(self) -> None:
        """Close all sockets too; some of them amqtt leaves open."""
        for writer in self._clients.values():
            _abort(writer)
        await super().shutdown()
        for writer in self._clients.values():  # who came meanwhile
            _abort(writer)
        if self._clients:
            await asyncio.wait(tuple(self._clients), timeout=_CLOSE_WITHIN_S)

    async def _client_connected(self, listener_name: str, reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)
        try:
            await super()._client_connected(listener_name, reader, writer)
        except Exception as exc:  # noqa: BLE001 - a client's fault must not reach the event loop
            _log.debug("client of the embedded broker failed: %r", exc)
        finally:
            _abort(writer)
            await asyncio.sleep(0)  # lets the transport close

    async def _initialize_client_session(
        self, reader: Any, writer: Any, _remote_address: str, _remote_port: int
    ) -> tuple[Any, Any]:
        try:
            handler, session = await _Handler.init_from_connect(reader, writer, self.plugins_manager)
        except Exception as exc:
            if isinstance(exc, _BAD_CLIENT):
                raise
            raise AMQTTError(f"no CONNECT: {exc!r}") from exc
        session.clean_session = True
        session.parent = 0
        session.keep_alive = math.ceil(_KEEPALIVE_FACTOR * session.keep_alive)
        if session.client_id:
            await self._delete_session(session.client_id)
        else:
            session.client_id = gen_client_id()
        return handler, session

    async def _authenticate(self, session: Any, _listener: Any) -> bool:
        session.is_anonymous = True
        return True

    async def _topic_filtering(self, session: Any, topic: str, action: Any) -> bool:  # noqa: ARG002 - named by the interface
        return True

    async def _delete_session(self, client_id: str) -> None:
        session, handler = self._sessions.get(client_id, (None, None))
        if session is not None and session.transitions.state == "connected":
            await handler.handle_connection_closed()
            await handler.stop()
        await super()._delete_session(client_id)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Any
    ) -> None:
        subscribers = self._subscriptions.get(subscription[0], ())
        if any(subscriber is session for subscriber, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)


def _abort(writer: Any) -> None:
    """Close the socket of a stream writer of amqtt; nothing that matters is unsent by then."""
    writer._writer.transport.abort()  # noqa: SLF001 - its own close gives up half-way when it is cancelled
