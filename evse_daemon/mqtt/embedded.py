"""A broker inside this process, for a laptop without Mosquitto. Not for a charger: see docs/brokers.md."""

import asyncio
import contextlib
import importlib
from typing import Any

from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable

_STOP_WITHIN_S = 2.0


class EmbeddedBrokerMissing(BrokerUnreachable):
    """The optional dependency is not installed."""


class EmbeddedBroker:
    """A running amqtt broker."""

    def __init__(self, broker: Any, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._broker: Any = broker

    @property
    def settings(self) -> BrokerSettings:
        return BrokerSettings(host=self.host, port=self.port)

    async def stop(self) -> None:
        """Close it; its clients see the connection end. Safe to call twice."""
        broker, self._broker = self._broker, None
        if broker is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await broker.shutdown()


async def start_embedded_broker(host: str = "127.0.0.1", port: int = 0) -> EmbeddedBroker:
    """Start it on `port`, or with 0 on a free one. Anonymous clients, MQTT 3.1.1, no TLS."""
    try:
        module = importlib.import_module("evse_daemon.mqtt.amqtt_broker")
    except ModuleNotFoundError as exc:
        raise EmbeddedBrokerMissing(
            f"The embedded MQTT broker is not installed (no Python module {exc.name}). "
            "Install it with: pip install evse-daemon[simulator]"
        ) from exc
    broker = module.tamed_broker(host, port)
    try:
        await broker.start()
    except module.BrokerError as exc:
        raise BrokerUnreachable(f"The embedded MQTT broker cannot listen on {host}:{port}: {exc}") from exc
    return EmbeddedBroker(broker, host, broker.bound_port())
