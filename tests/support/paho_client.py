"""A client of another maker, for stand-ins of real modules and managers over a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from evse_daemon.mqtt.settings import BrokerSettings

Hear = Callable[[str, bytes, bool], None]


class PahoClient:
    """Calls ``hear`` in the event loop, with topic, payload and retain flag."""

    def __init__(self, settings: BrokerSettings, hear: Hear) -> None:
        loop = asyncio.get_running_loop()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(0)

        def heard(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
            loop.call_soon_threadsafe(hear, message.topic, bytes(message.payload), message.retain)

        self._client.on_message = heard
        self._client.connect(settings.host, settings.port, keepalive=20)
        self._client.loop_start()

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, 2)

    def unsubscribe(self, topic: str) -> None:
        self._client.unsubscribe(topic)

    def publish(self, topic: str, payload: str | bytes, qos: int = 2, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos, retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
