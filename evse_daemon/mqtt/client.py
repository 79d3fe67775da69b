"""A connection to the broker that stays: it reconnects, keeps what is not acknowledged, and delivers it once.

Two kinds, by `clean`. The subscribing one makes every CONNECT with clean session, so that nothing is queued for it
while it is away. The publishing one keeps its session over reconnects, which makes QoS 2 exactly once, but not over
a restart of the process: what a former process left half-delivered at the broker is thrown away first.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.backoff import Backoff
from evse_daemon.mqtt.link import Inbound, Link, Receiver, Will
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable, ClosedEarly, Refused
from evse_daemon.mqtt.window import Undelivered, Window

__all__ = ["BrokerUnreachable", "Inbound", "MqttConnection", "Undelivered", "Will"]

MAX_PAYLOAD_BYTES = 256 * 1024
STOP_WITHIN_S = 1.0
_SHORT_S = 5.0
_SHORT_LIVES = 3
"""So many connections in a row that were ended within `_SHORT_S` are no restarts of a broker."""
_FAILURES = (OSError, TimeoutError, BrokerUnreachable, ClosedEarly, Refused)

_log = structlog.get_logger(__name__)


class MqttConnection:
    """One MQTT 3.1.1 connection. Callbacks are plain functions, called in the event loop; they must not block."""

    def __init__(
        self,
        name: str,
        client_id: str,
        settings: BrokerSettings,
        *,
        clean: bool,
        will: Will | None = None,
        on_message: Callable[[Inbound], None] | None = None,
        on_state: Callable[[bool], None] | None = None,
        subscriptions: Sequence[tuple[str, int]] = (),
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        if subscriptions and not clean:
            raise ValueError(
                "a connection that subscribes must be clean: a kept session would queue old messages"
            )
        self.name = name
        self.settings = settings
        self.refused_subscriptions: list[str] = []
        self._client_id = client_id
        self._clean = clean
        self._will = will
        self._on_message = on_message
        self._on_state = on_state
        self._subscriptions = tuple(subscriptions)
        self._receiver = Receiver(self._deliver, self._oversize, self._ended, max_payload_bytes)
        self._window = Window()
        self._link: Link | None = None
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._purged = clean
        self._connected = False
        self._since = time.monotonic()
        self._short_lives = 0
        self._seldom = RateLimitedLog(_log.bind(connection=name))

    @property
    def connected(self) -> bool:
        """Logged in, and where there are subscriptions, subscribed."""
        return self._connected

    @property
    def unacknowledged(self) -> int:
        """Messages of QoS 1 and 2 that the broker does not have yet."""
        return self._window.unacknowledged

    @property
    def dropped(self) -> int:
        """Messages of QoS 0 dropped because there was no connection, or one that was full."""
        return self._window.dropped

    async def start(self, *, required: bool = True) -> None:
        """Make the first connection and keep it from then on.

        If the broker cannot be used, BrokerUnreachable says why. With `required=False` that is only logged, and the
        attempts go on in the background.
        """
        if self._task is not None:
            raise RuntimeError(f"the MQTT connection {self.name} is started already")
        try:
            await self._connect()
        except _FAILURES as exc:
            text = self.settings.explain(exc)
            if required:
                raise BrokerUnreachable(text) from exc
            _log.warning("MQTT broker not reached, trying on", connection=self.name, reason=text)
            self._lost.set()
        self._task = asyncio.create_task(self._keep_connected(), name=f"mqtt {self.name}")

    async def stop(self) -> None:
        """Wait for outstanding acknowledgements, at most a second, then say DISCONNECT. Never raises or hangs."""
        await self._end_task()
        link = self._link
        if link is not None:
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self._window.drained()
            except TimeoutError:
                _log.warning(
                    "MQTT messages not acknowledged at the end",
                    connection=self.name,
                    messages=self._window.unacknowledged,
                )
            await link.close()
        self._window.fail(f"the MQTT connection {self.name} was stopped")

    async def abort(self) -> None:
        """End as a crash would: no DISCONNECT, nothing awaited, no reconnect."""
        await self._end_task()
        link = self._link
        if link is not None:
            link.abort()
            await link.gone()
        self._window.fail(f"the MQTT connection {self.name} was aborted")

    def drop_link(self) -> None:
        """Close the socket without DISCONNECT; the connection is made anew. For tests and fault injection."""
        if self._link is not None:
            self._link.abort("dropped on purpose")

    async def publish(self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False) -> None:
        """Until the broker has acknowledged it (PUBACK, PUBCOMP). QoS 0: until it was sent, or dropped."""
        await self._window.submit(topic, payload, qos, retain)

    async def send(
        self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False
    ) -> asyncio.Future[None]:
        """Until the message is in the window of 16; the future is done when the broker has it.

        For one sender that keeps the window full. Cancelled while it waits, the message is not sent.
        """
        return await self._window.send(topic, payload, qos, retain)

    def submit(
        self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False
    ) -> asyncio.Future[None]:
        """As `send` without waiting: what does not fit the window is queued, without a bound."""
        return self._window.submit(topic, payload, qos, retain)

    async def _keep_connected(self) -> None:
        backoff = Backoff()
        told = ""
        while True:
            await self._lost.wait()
            backoff.lasted(time.monotonic() - self._since)
            while True:
                await asyncio.sleep(backoff.next_s())
                try:
                    await self._connect()
                except _FAILURES as exc:
                    text = self.settings.explain(exc)
                    if text != told and self._seldom.warning(
                        text, "MQTT broker not reached, trying on", reason=text
                    ):
                        told = text
                except Exception as exc:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                    self._seldom.error(("attempt", type(exc)), "MQTT connection attempt failed", exc_info=exc)
                else:
                    break
            told = ""
            if self._short_lives < _SHORT_LIVES:
                self._seldom.info("again", "MQTT broker reached again", broker=self.settings.describe())

    async def _connect(self) -> None:
        async with asyncio.timeout(self.settings.connect_timeout_s):
            if not self._purged:
                await self._purge()
                self._purged = True
            await self._login()

    async def _purge(self) -> None:
        """End the session of a former process, with all that it left half-delivered."""
        link = Link(self.settings, Receiver(_ignore, _ignore, _ignore, MAX_PAYLOAD_BYTES))
        await link.open(self._client_id, clean=True, will=None)
        await link.close()

    async def _login(self) -> None:
        link = Link(self.settings, self._receiver, self._window)
        self._link = link
        self._lost.clear()
        try:
            session_present = await link.open(self._client_id, clean=self._clean, will=self._will)
            self.refused_subscriptions = await link.subscribe(self._subscriptions)
        except BaseException:
            self._link = None
            link.abort()
            raise
        for topic in self.refused_subscriptions:
            self._seldom.error(("refused", topic), "MQTT subscription refused by the broker", topic=topic)
        if self._link is not link:
            raise ClosedEarly(None)
        self._since = time.monotonic()
        self._window.attach(link, session_present=session_present and not self._clean)
        self._set_connected(True)

    def _ended(self, link: Link) -> None:
        if link is not self._link:
            return
        self._link = None
        self._lost.set()
        if not self._connected:
            return
        if self._task is not None:
            self._tell_lost(link.reason)
        self._window.detach()
        self._set_connected(False)

    def _tell_lost(self, reason: str) -> None:
        short = time.monotonic() - self._since < _SHORT_S
        self._short_lives = self._short_lives + 1 if short else 0
        if self._short_lives < _SHORT_LIVES:
            self._seldom.warning("lost", "MQTT connection lost", reason=reason)
        else:
            # MQTT 3.1.1 has no words for it: a broker closes the connection of whose client id somebody else uses.
            self._seldom.error(
                "thrown out",
                "MQTT connection lost again and again, soon after each login. Does another client use the same client "
                "id, as a second daemon with the same mqtt_everest_prefix does? End it, or give it another prefix. "
                "If there is none, see the log of the broker",
                client_id=self._client_id,
                reason=reason,
            )

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def _set_connected(self, connected: bool) -> None:
        self._connected = connected
        if self._on_state is not None:
            try:
                self._on_state(connected)
            except Exception as exc:  # noqa: BLE001 - the owner's fault does not end the connection
                self._seldom.error("state", "MQTT state callback failed", exc_info=exc)

    def _deliver(self, message: Inbound) -> None:
        if self._on_message is None:
            return
        try:
            self._on_message(message)
        except Exception as exc:  # noqa: BLE001 - as above
            self._seldom.error(
                "message", "MQTT message callback failed", topic=message.topic[:200], exc_info=exc
            )

    def _oversize(self, topic: str, size: int) -> None:
        self._seldom.warning(
            "oversized",
            "MQTT message dropped, it is too large",
            topic=topic[:200],
            bytes=size,
            limit=self._receiver.max_payload_bytes,
        )


def _ignore(*_args: object) -> None:
    """For what nobody wants to hear."""
