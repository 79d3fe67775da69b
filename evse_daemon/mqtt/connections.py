"""The two connections of a station, as the gateway sees them (design rule 4), and their real form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from evse_daemon.mqtt.client import Inbound, MqttConnection, Will
from evse_daemon.mqtt.probe import visitor
from evse_daemon.mqtt.settings import BrokerSettings, client_id
from evse_daemon.mqtt.unreachable import BrokerUnreachable, ClosedEarly, Refused


class Connection(Protocol):
    """A connection that is made once and kept."""

    @property
    def connected(self) -> bool: ...

    async def start(self, *, required: bool = True) -> None:
        """The first attempt; raises BrokerUnreachable where it fails and is required."""

    async def stop(self) -> None:
        """Ends it in an orderly way; never raises."""


class Publisher(Connection, Protocol):
    """The connection that publishes."""

    @property
    def unacknowledged(self) -> int:
        """Messages of QoS 1 and 2 that the broker does not have yet."""

    @property
    def dropped(self) -> int:
        """Messages of QoS 0 that no connection took."""

    async def send(
        self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False
    ) -> asyncio.Future[None]:
        """Until the message is on its way, or kept by the connection; in order, exactly once at QoS 2."""


class Broker(Protocol):
    """Where connections come from."""

    def publisher(self, will: Will, on_state: Callable[[bool], None]) -> Publisher:
        """The connection with the last will; it subscribes to nothing."""

    def subscriber(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[Inbound], None],
        on_state: Callable[[bool], None],
    ) -> Connection:
        """The connection that hears what is published while it lasts, and nothing older."""

    async def retained(self, filters: Sequence[str]) -> list[str]:
        """The topics under these filters that have a retained message; raises BrokerUnreachable."""


class MqttBroker:
    """A broker on the network, or behind a unix socket.

    Args:
        settings: where it is.
        name: the station's name on it (``Topics.name``).
    """

    def __init__(self, settings: BrokerSettings, name: str) -> None:
        self._settings = settings
        self._client_id = client_id(name)

    def publisher(self, will: Will, on_state: Callable[[bool], None]) -> Publisher:
        return MqttConnection(
            "publisher",
            f"{self._client_id}-publish",
            self._settings,
            clean=False,
            will=will,
            on_state=on_state,
        )

    def subscriber(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[Inbound], None],
        on_state: Callable[[bool], None],
    ) -> Connection:
        return MqttConnection(
            "subscriber",
            f"{self._client_id}-subscribe",
            self._settings,
            clean=True,
            on_message=on_message,
            on_state=on_state,
            subscriptions=subscriptions,
        )

    async def retained(self, filters: Sequence[str]) -> list[str]:
        found: dict[str, None] = {}

        def hear(message: Inbound) -> None:
            if message.retain and message.payload:
                found[message.topic] = None

        subscriptions = [(topic, 0) for topic in filters]
        try:
            async with visitor(self._settings, hear, subscriptions) as link:
                # A broker sends what is retained before it answers the next packet: the second SUBACK is the end.
                async with asyncio.timeout(self._settings.connect_timeout_s):
                    await link.subscribe(subscriptions[:1])
        except (OSError, TimeoutError, ClosedEarly, Refused) as error:
            raise BrokerUnreachable(f"the broker did not tell what is retained: {error}") from error
        return list(found)
