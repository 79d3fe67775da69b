"""Connections that record what they hear."""

from collections.abc import Sequence
from typing import Any, Self

from evse_daemon.mqtt.client import Inbound, MqttConnection, Will
from evse_daemon.mqtt.settings import BrokerSettings


class Recorder:
    """A subscribing connection with its messages and state changes."""

    def __init__(
        self,
        settings: BrokerSettings,
        *topics: str,
        client_id: str = "recorder",
        qos: int = 2,
        **options: Any,
    ) -> None:
        self.messages: list[Inbound] = []
        self.states: list[bool] = []
        self.connection = MqttConnection(
            "recorder",
            client_id,
            settings,
            clean=True,
            on_message=self.messages.append,
            on_state=self.states.append,
            subscriptions=[(topic, qos) for topic in topics],
            **options,
        )

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.messages]

    async def __aenter__(self) -> Self:
        await self.connection.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.stop()


def publisher(
    settings: BrokerSettings, client_id: str = "publisher", will: Will | None = None, **options: Any
) -> MqttConnection:
    return MqttConnection("publisher", client_id, settings, clean=False, will=will, **options)


def numbers(count: int, start: int = 0) -> Sequence[str]:
    return [str(number) for number in range(start, start + count)]
