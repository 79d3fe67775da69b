"""What the station publishes on its way to the broker: one queue, one task, one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.client import Undelivered
from evse_daemon.mqtt.connections import Publisher
from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.outbox import Outbox, Outgoing, Rank, Render, Withdrawn

BATCH = 32
"""Messages handed over before the event loop gets its turn."""

log = structlog.get_logger(__name__)


class Sender:
    """Sends in order; what cannot be sent now waits, bounded, by the rules of its kind. Never blocks.

    Args:
        connected: told at each connection, before anything is sent on it.
    """

    def __init__(self, connected: Callable[[], None], outbox: Outbox | None = None) -> None:
        self._told_connected = connected
        self._outbox = Outbox() if outbox is None else outbox
        self._publisher: Publisher | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._seldom = RateLimitedLog(log)

    @property
    def connected(self) -> bool:
        return self._publisher is not None and self._publisher.connected

    @property
    def waiting(self) -> int:
        """Messages that are not handed to the connection yet."""
        return len(self._outbox)

    @property
    def dropped(self) -> int:
        """Messages given up because too many waited."""
        return self._outbox.dropped

    def measures(self) -> Iterator[Measure]:
        """See framework.measures."""
        yield names.MQTT_WAITING.of(self.waiting)
        yield names.MQTT_DROPPED.of(self.dropped)
        if self._publisher is not None:
            yield names.MQTT_IN_FLIGHT.of(self._publisher.unacknowledged)
            yield names.MQTT_UNSENT.of(self._publisher.dropped)

    def event(self, topic: str, render: Render, delivery: Delivery, rank: Rank = Rank.EVENT) -> None:
        """Waits while the broker is away, and is sent once."""
        if not self._closing:
            self._outbox.put(topic, render, delivery, rank)
            self._added()

    def state(self, topic: str, render: Render, delivery: Delivery) -> None:
        """Not kept while the broker is away: the one who publishes it does so again at each connection."""
        if self.connected and not self._closing:
            self._outbox.put_state(topic, render, delivery, Rank.KEEP)
            self._added()

    def telemetry(self, topic: str, render: Render, delivery: Delivery) -> None:
        """Only the latest of a topic waits, and none while the broker is away."""
        if self.connected and not self._closing:
            self._outbox.put_telemetry(topic, render, delivery)
            self._added()

    def newest(self, topic: str, render: Render, delivery: Delivery) -> None:
        """Each value while there is a connection; of those made while the broker is away only the newest."""
        if self._closing:
            return
        if self.connected:
            self._outbox.put_state(topic, render, delivery, Rank.EVENT)
        else:
            self._outbox.put_latest(topic, render, delivery, Rank.EVENT)
        self._added()

    def first(self, topic: str, render: Render, delivery: Delivery) -> None:
        """Before all that waits."""
        self._outbox.put_first(topic, render, delivery)
        self._wake.set()

    def state_changed(self, connected: bool) -> None:
        """From the connection: it is made, or lost."""
        if connected:
            self._told_connected()
        else:
            self._outbox.drop_telemetry()
        self._wake.set()

    async def start(
        self, publisher: Publisher, prepare: Callable[[], Awaitable[None]], *, required: bool
    ) -> None:
        """Makes the connection; ``prepare`` is awaited once, when there is one, before anything is sent."""
        self._publisher = publisher
        await publisher.start(required=required)
        self._task = asyncio.create_task(self._run(prepare), name="mqtt sender")

    async def stop(self, timeout_s: float) -> None:
        """Sends what waits, if there is a connection, for at most ``timeout_s``; then ends the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s if self.connected else 0)
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        if self._outbox:
            log.warning("messages for the MQTT broker were not sent at the end", messages=len(self._outbox))
        if self._publisher is not None:
            await self._publisher.stop()

    def _added(self) -> None:
        self._wake.set()
        if self._outbox.overflowed():
            self._seldom.warning(
                "dropped",
                "too many messages wait for the MQTT broker, the oldest are dropped",
                waiting=len(self._outbox),
                dropped=self._outbox.dropped,
            )

    async def _run(self, prepare: Callable[[], Awaitable[None]]) -> None:
        prepared = False
        sent = 0
        while True:
            if not self.connected or (prepared and not self._outbox):
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            if not prepared:
                await prepare()
                prepared = True
                continue
            message = self._outbox.take()
            assert message is not None
            await self._send(message)
            sent += 1
            if sent % BATCH == 0:
                await asyncio.sleep(0)

    async def _send(self, message: Outgoing) -> None:
        assert self._publisher is not None
        try:
            payload = message.render()
        except Withdrawn:
            return
        except Exception as error:  # noqa: BLE001 - a value that is no JSON must not stop the others
            self._seldom.error(
                ("render", message.topic),
                "a message was not published, its value cannot be written as JSON",
                topic=message.topic,
                reason=f"{type(error).__name__}: {error}",
            )
            return
        try:
            await self._publisher.send(message.topic, payload, message.delivery.qos, message.delivery.retain)
        except (ValueError, Undelivered) as error:
            self._seldom.error(
                "send", "a message was not published", topic=message.topic[:200], reason=str(error)
            )
