"""A broker in memory: subscriptions with wildcards, retained messages, connections that can be cut."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evse_daemon.mqtt.client import Inbound, Will
from evse_daemon.mqtt.connections import Connection, Publisher
from tests.support.fakes import topic_matches

Hear = Callable[[str, bytes, bool], None]


class Seen(NamedTuple):
    """A message as it passed the broker."""

    topic: str
    payload: str
    qos: int
    retain: bool


class MemoryClient:
    """A client of another process; ``hear`` is called with topic, payload and retain flag."""

    def __init__(self, broker: MemoryBroker, hear: Hear) -> None:
        self._broker = broker
        self.hear = hear
        self.filters: list[str] = []
        broker.clients.append(self)

    def subscribe(self, topic: str) -> None:
        self.filters.append(topic)
        for name, payload in list(self._broker.retained_messages.items()):
            if topic_matches(topic, name):
                self._broker.later(self, name, payload, retain=True)

    def unsubscribe(self, topic: str) -> None:
        self.filters.remove(topic)

    def publish(self, topic: str, payload: str | bytes, qos: int = 2, *, retain: bool = False) -> None:
        self._broker.take(
            topic, payload if isinstance(payload, bytes) else payload.encode(), qos, retain=retain
        )

    def close(self) -> None:
        self._broker.clients.remove(self)


class MemoryBroker:
    """For one daemon (evse_daemon.mqtt.connections.Broker) and any number of MemoryClients."""

    def __init__(self) -> None:
        self.clients: list[MemoryClient] = []
        self.retained_messages: dict[str, bytes] = {}
        self.seen: list[Seen] = []
        self.connected = False
        self._queue: deque[tuple[MemoryClient, str, bytes, bool]] = deque()
        self._on_state: Callable[[bool], None] = lambda _: None
        self.on_hearing: Callable[[bool], None] = lambda _: None
        self._subscriptions: Sequence[tuple[str, int]] = ()
        self._on_message: Callable[[Inbound], None] = lambda _: None

    def on(self, topic: str) -> list[str]:
        return [message.payload for message in self.seen if message.topic == topic]

    def lose(self) -> None:
        """The daemon loses its connections; the broker and its other clients go on."""
        self.connected = False
        self._on_state(False)
        self.on_hearing(False)

    def reach(self) -> None:
        self.connected = True
        self._on_state(True)
        self.on_hearing(True)

    def take(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        self.seen.append(Seen(topic, payload.decode(), qos, retain))
        if retain and payload:
            self.retained_messages[topic] = payload
        elif retain:
            self.retained_messages.pop(topic, None)
        for client in self.clients:
            if any(topic_matches(each, topic) for each in client.filters):
                self.later(client, topic, payload, retain=False)
        if self.connected and any(topic_matches(each, topic) for each, _ in self._subscriptions):
            self._on_message(Inbound(topic, payload, 2, False))

    def later(self, client: MemoryClient, topic: str, payload: bytes, *, retain: bool) -> None:
        self._queue.append((client, topic, payload, retain))

    def deliver(self) -> bool:
        """Hands one message to a client; False where none waits."""
        if not self._queue:
            return False
        client, topic, payload, retain = self._queue.popleft()
        if client in self.clients:
            client.hear(topic, payload, retain)
        return True

    def publisher(self, will: Will, on_state: Callable[[bool], None]) -> Publisher:
        del will
        self._on_state = on_state
        return _DaemonPublisher(self)

    def subscriber(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[Inbound], None],
        on_state: Callable[[bool], None],
    ) -> Connection:
        self._subscriptions = subscriptions
        self._on_message = on_message
        self.on_hearing = on_state
        return _DaemonConnection(self)

    async def retained(self, filters: Sequence[str]) -> list[str]:
        return [
            topic for topic in self.retained_messages if any(topic_matches(each, topic) for each in filters)
        ]


class _DaemonConnection:
    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    @property
    def connected(self) -> bool:
        return self._broker.connected

    async def start(self, *, required: bool = True) -> None:
        del required
        self._broker.on_hearing(True)

    async def stop(self) -> None:
        return


class _DaemonPublisher(_DaemonConnection):
    unacknowledged = dropped = 0

    async def start(self, *, required: bool = True) -> None:
        del required
        self._broker.reach()

    async def send(
        self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False
    ) -> asyncio.Future[None]:
        data = payload if isinstance(payload, bytes) else payload.encode()
        if self._broker.connected:
            self._broker.take(topic, data, qos, retain=retain)
        return asyncio.get_running_loop().create_future()
