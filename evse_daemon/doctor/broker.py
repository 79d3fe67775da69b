"""The MQTT broker: login, subscription, what comes back and how soon.

The client id is random: the daemon's own connections stay as they are.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator

from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.exit_codes import ExitCode
from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.mqtt.window import WINDOW

CONNECT_S = 1.5
ANSWER_S = 0.6
"""How long a message may take to come back."""

ROUND_TRIPS = 5
SLOW_S = 0.030
"""With Nagle's algorithm and delayed acknowledgements a message of QoS 1 takes 40 ms and more."""

LONG_BYTES = 32 * 1024
"""Explanations of large stations, and what standalone modules are told, are as long."""


def look_at_broker(settings: BrokerSettings, topics: Topics, subject: str) -> Iterator[Finding]:
    """Whether the daemon's login gets in, may hear and say what it has to, and how soon that comes back."""
    return in_steps(_broker(quick(settings), topics, subject))


def quick(settings: BrokerSettings) -> BrokerSettings:
    """The same broker, waited for no longer than a check may."""
    return dataclasses.replace(settings, connect_timeout_s=CONNECT_S)


def in_steps(found: AsyncIterator[Finding]) -> Iterator[Finding]:
    """Findings of asyncio as they come, so that those before an end too late count."""

    async def step() -> Finding | None:
        return await anext(found, None)

    with asyncio.Runner() as runner:
        while (finding := runner.run(step())) is not None:
            yield finding


async def _broker(settings: BrokerSettings, topics: Topics, subject: str) -> AsyncIterator[Finding]:
    echo = _Echo(settings, topics)
    try:
        await echo.start()
    except BrokerUnreachable as error:
        await echo.stop()
        what, _, remedy = str(error).partition(". ")
        yield problem(subject, what, remedy, ExitCode.BROKER)
        return
    try:
        login = "" if settings.username is None else f" as {settings.username}"
        if echo.caller.refused_subscriptions:
            yield problem(
                subject,
                f"connected{login}, and the broker refuses subscriptions",
                "its access list: evse-daemon broker-acl prints the one that this station needs",
            )
            return
        taken_s = [await echo.round_trip(1) for _ in range(ROUND_TRIPS)]
        if None in taken_s:
            yield problem(
                subject,
                f"connected{login}, and what is published below evse_daemon/ does not come back",
                "its access list: evse-daemon broker-acl prints the one that this station needs",
            )
            return
        median_s = statistics.median(filter(None, taken_s))
        if median_s > SLOW_S:
            yield warning(
                subject,
                f"connected{login}; an answer takes {median_s * 1000:.0f} ms",
                "set_tcp_nodelay true in mosquitto.conf, or the network is slow (docs/brokers.md)",
            )
        else:
            yield ok(subject, f"connected{login}; an answer takes {median_s * 1000:.1f} ms")
        if not await echo.burst():
            yield warning(
                subject,
                f"of {WINDOW} messages of QoS 2 at once, not all came back",
                "max_inflight_messages 0 in mosquitto.conf (docs/brokers.md)",
            )
        elif await echo.round_trip(0, LONG_BYTES) is None:
            yield warning(
                subject,
                f"a message of {LONG_BYTES >> 10} KiB does not come back",
                "raise message_size_limit (Mosquitto) or the largest packet of the broker",
            )
    finally:
        await echo.stop()


class _Echo:
    """A caller, and one who answers with what was said, as a client and the daemon do.

    On one connection alone a broker that does not switch Nagle's algorithm off would not be noticed: the caller's
    socket gets the acknowledgement, then the answer, which waits for the caller's own delayed acknowledgement.
    """

    def __init__(self, settings: BrokerSettings, topics: Topics) -> None:
        visitor = secrets.token_hex(6)
        self._there, self._back = topics.doctor(visitor), topics.doctor(f"{visitor}-back")
        self._awaited: dict[bytes, asyncio.Future[None]] = {}
        self._number = 0
        self.caller = _connection(settings, self._back, self._hear)
        self.answerer = _connection(settings, self._there, self._answer)

    async def start(self) -> None:
        """Connects; raises BrokerUnreachable."""
        await self.caller.start()
        await self.answerer.start()

    async def stop(self) -> None:
        await self.caller.stop()
        await self.answerer.stop()

    async def round_trip(self, qos: int, length: int = 0) -> float | None:
        """Seconds until the answer to a message of at least that length; None where it did not come."""
        payload, back = self._expected(length)
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S):
                self.caller.submit(self._there, payload, qos).add_done_callback(_seen)
                await back
                return time.monotonic() - began_s
        except TimeoutError:
            return None

    async def burst(self) -> bool:
        """Whether as many messages as the daemon has on their way at most all come back."""
        expected = [self._expected(0) for _ in range(WINDOW)]
        for payload, _ in expected:
            self.caller.submit(self._there, payload, 2).add_done_callback(_seen)
        _, missing = await asyncio.wait([back for _, back in expected], timeout=ANSWER_S)
        return not missing

    def _expected(self, length: int) -> tuple[bytes, asyncio.Future[None]]:
        self._number += 1
        payload = str(self._number).encode().ljust(length)
        self._awaited[payload] = asyncio.get_running_loop().create_future()
        return payload, self._awaited[payload]

    def _answer(self, message: Inbound) -> None:
        self.answerer.submit(self._back, message.payload, message.qos).add_done_callback(_seen)

    def _hear(self, message: Inbound) -> None:
        back = self._awaited.get(message.payload)
        if back is not None and not back.done():
            back.set_result(None)


def _connection(
    settings: BrokerSettings, topic: str, on_message: Callable[[Inbound], None]
) -> MqttConnection:
    return MqttConnection(
        "doctor",
        f"evse-daemon-{secrets.token_hex(6)}",
        settings,
        clean=True,
        on_message=on_message,
        subscriptions=[(topic, 2)],
    )


def _seen(sent: asyncio.Future[None]) -> None:
    """Its failure is known by what does not come back."""
    if not sent.cancelled():
        sent.exception()
