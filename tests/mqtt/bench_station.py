"""A small station of one test module with an interface of its own, and a broker in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evse_daemon.framework.bus import Bus, Client, Implementation, Inbox
from evse_daemon.framework.calls import CallIds, Deferred, RejectedError
from evse_daemon.framework.clock import Clock, VirtualClock
from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.mqtt.client import BrokerUnreachable, Inbound, Will
from evse_daemon.mqtt.connections import Broker, Connection, Publisher
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.topics import Topics
from evse_daemon.types.base import EverestType, Integer


class Reading(EverestType):
    value: float
    unit: str | None = None


class Bench(Interface, name="bench"):
    session_event: Var[str] = var(Kind.EVENT, qos=2)
    note: Var[int] = var(Kind.EVENT)
    level: Var[int] = var(Kind.STATE)
    ready: Var[bool] = var(Kind.STATE, retain=True)
    sample: Var[Reading] = var(Kind.TELEMETRY)

    @command(timeout_s=5)
    def add(self, a: Integer, b: float) -> float:
        """The sum."""

    @command(timeout_s=5)
    def ping(self) -> None:
        """Nothing."""

    @command(timeout_s=5)
    def later(self) -> str:
        """Answers when told to."""

    @command(timeout_s=5)
    def refuse(self) -> None:
        """Refuses."""

    @command(timeout_s=5)
    def orphan(self) -> None:
        """Nobody handles it."""

    @command(timeout_s=5)
    def broken(self) -> bool:
        """Its result is not what it should be."""


class Relay(Interface, name="relay", hardware=True):
    @command()
    def switch(self, on: bool) -> None:
        """Moves a contactor."""


def refuse() -> None:
    raise RejectedError("not now")


class Station:
    """Bus, module ``m`` with implementations ``i`` (Bench) and ``relay``, and the gateway."""

    def __init__(
        self,
        broker: Broker,
        dialect: DialectName = "documented",
        *,
        clock: Clock | None = None,
        schedule: Callable[[Callable[[], None]], Any] = lambda _pump: None,
        topics: Topics | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.topics = topics or Topics()
        self.failures: list[Exception] = []
        self.bus = Bus(
            self.clock,
            schedule,
            CallIds(self.topics.name),
            lambda _module, error: self.failures.append(error),
        )
        self.now_s = 0.0
        self.gateway = Gateway(self.bus, self.topics, dialect, broker, now=lambda: self.now_s)
        self.bus.taps.append(self.gateway)
        self.inbox = Inbox(self.bus, "m")
        self.bench = Implementation(self.bus, self.inbox, Bench, "i", None)
        self.relay = Implementation(self.bus, self.inbox, Relay, "relay", None)
        self.executed: list[str] = []
        self.deferred: list[Deferred[str]] = []
        self.bench.handle(Bench.add, self._add)
        self.bench.handle(Bench.ping, lambda: self.executed.append("ping"))
        self.bench.handle(Bench.later, self._later)
        self.bench.handle(Bench.refuse, refuse)
        self.bench.handle(Bench.broken, lambda: "x")  # type: ignore[arg-type, return-value]
        self.relay.handle(Relay.switch, lambda on: self.executed.append(f"switch {on}"))
        self.client = Client(self.bench, Inbox(self.bus, "caller"))
        self.gateway.module_created("m", "TestModule")

    async def start(self) -> None:
        self.gateway.module_ready("m")
        await self.gateway.start()
        self.gateway.all_ready()

    def _add(self, a: int, b: float) -> float:
        self.executed.append(f"add {a} {b}")
        return a + b

    def _later(self) -> Deferred[str]:
        self.executed.append("later")
        self.deferred.append(Deferred())
        return self.deferred[-1]


class Sent(NamedTuple):
    topic: str
    payload: str
    qos: int
    retain: bool


@dataclass
class FakeBroker:
    """Both connections in memory; ``lose`` and ``reach`` cut and make them."""

    sent: list[Sent] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    reachable: bool = True
    connected: bool = False
    will: Will | None = None
    subscriptions: Sequence[tuple[str, int]] = ()
    subscriber_starts: bool = True
    _on_hearing: Callable[[bool], None] = lambda _connected: None
    open: int = 0
    """Connections that were made and not ended."""
    hears: bool = True
    """The subscribing connection is made when the other is; where not, by ``hear``."""
    hangs: bool = False
    """Nothing that is handed over is ever accepted."""

    def publisher(self, will: Will, on_state: Callable[[bool], None]) -> Publisher:
        self.will = will
        self._on_state = on_state
        return _FakePublisher(self)

    def subscriber(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[Inbound], None],
        on_state: Callable[[bool], None],
    ) -> Connection:
        self.subscriptions = subscriptions
        self._on_message = on_message
        self._on_hearing = on_state
        return _FakeConnection(self)

    async def retained(self, filters: Sequence[str]) -> list[str]:
        await asyncio.sleep(0)
        return self.leftovers

    def reach(self) -> None:
        self.connected = True
        self._on_state(True)
        self.hear()

    def hear(self) -> None:
        """The subscribing connection is made."""
        if self.connected and self.hears:
            self._on_hearing(True)

    def lose(self) -> None:
        self.connected = False
        self._on_state(False)

    def send(
        self, topic: str, payload: str | bytes | dict[str, Any], qos: int = 0, *, retain: bool = False
    ) -> None:
        """A client publishes."""
        if isinstance(payload, dict):
            payload = json.dumps(payload)
        data = payload.encode() if isinstance(payload, str) else payload
        self._on_message(Inbound(topic, data, qos, retain))

    def on(self, topic: str) -> list[str]:
        return [message.payload for message in self.sent if message.topic == topic]


class _FakeConnection:
    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    @property
    def connected(self) -> bool:
        return self._broker.connected and self._broker.hears

    async def start(self, *, required: bool = True) -> None:
        if not self._broker.subscriber_starts:
            raise BrokerUnreachable("no")
        self._broker.open += 1
        self._broker.hear()

    async def stop(self) -> None:
        self._broker.open -= 1


class _FakePublisher(_FakeConnection):
    unacknowledged = dropped = 0

    @property
    def connected(self) -> bool:
        return self._broker.connected

    async def start(self, *, required: bool = True) -> None:
        if self._broker.reachable:
            self._broker.open += 1
            self._broker.reach()
        elif required:
            raise BrokerUnreachable("no")

    async def send(
        self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False
    ) -> asyncio.Future[None]:
        assert self._broker.connected, "nothing is handed to a connection that is lost"
        if self._broker.hangs:
            await asyncio.get_running_loop().create_future()
        text = payload if isinstance(payload, str) else payload.decode()
        self._broker.sent.append(Sent(topic, text, qos, retain))
        return asyncio.get_running_loop().create_future()


async def settle(station: Station) -> None:
    """Handles everything on the bus, and has the sender send."""
    for _ in range(20):
        station.bus.settle()
        await asyncio.sleep(0)
