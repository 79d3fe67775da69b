"""The gateway between bus and broker: everything on the bus appears on the topics, calls come in from them.

The bus is the truth, the broker its mirror (design rule 3): nothing here is ever waited for by a module. The gateway
is a tap of the bus. A station uses it so:

    gateway = Gateway(bus, topics, "documented", MqttBroker(settings, topics.name))
    bus.taps.append(gateway)
    …                                   # construct modules, with gateway.external as their ExternalMqtt
    gateway.module_created(module_id, class_name)
    …                                   # init() of a module
    gateway.module_ready(module_id)
    await gateway.start()               # the two connections; subscriptions are fixed from here on
    gateway.all_ready()                 # calls are taken
    …
    gateway.begin_shutdown()            # calls are answered with Shutdown
    await gateway.stop()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial
from typing import Any, Protocol

import structlog

from evse_daemon import metric_names as names
from evse_daemon.framework.bus import Bus, Implementation
from evse_daemon.framework.calls import Call, CallError
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Kind, Var
from evse_daemon.framework.measures import Measure
from evse_daemon.mqtt.client import BrokerUnreachable, Inbound, Will
from evse_daemon.mqtt.connections import Broker, Connection
from evse_daemon.mqtt.dialects import DIALECTS, Delivery, DialectName, Documented, to_json
from evse_daemon.mqtt.external import ExternalTopics
from evse_daemon.mqtt.outbox import Rank, Render, already
from evse_daemon.mqtt.own_topics import OwnTopics
from evse_daemon.mqtt.remote_calls import RemoteCalls, outcome_as_json
from evse_daemon.mqtt.sender import Sender
from evse_daemon.mqtt.topics import Topics

STOP_WITHIN_S = 2.0
COMMAND_QOS = 2

_PRESENCE = Delivery(1, retain=True)
_ONLINE, _OFFLINE = b"online", b"offline"
_EMPTY = b""

log = structlog.get_logger(__name__)


class Peers(Protocol):
    """Modules of other processes; see evse_daemon/standalone."""

    def attached(self, sender: Sender, connected: Callable[[], bool]) -> None:
        """How to reach them."""

    def subscriptions(self) -> list[tuple[str, int]]:
        """What has to be heard of them, and which calls."""

    def leftovers(self) -> tuple[str, ...]:
        """Filters of what a run that died may have left retained for them."""

    def receive(self, message: Inbound) -> bool:
        """Takes a message; False where it is none of theirs."""

    def owns(self, module_id: str) -> bool:
        """Whether a module is of another process: it speaks on the broker itself."""

    def said(self, error: Error) -> bool:
        """Whether a change of an error was told on the broker by its module."""

    def missing(self) -> list[str]:
        """Those that have not told yet that they are ready."""

    def reconnected(self) -> None:
        """There is a connection, the first or another; the broker may have forgotten everything."""

    def stopping(self) -> None:
        """The station ends, its outputs are safe: the last word to them."""


class _Phase(Enum):
    STARTING = auto()
    READY = auto()
    STOPPING = auto()


class Gateway:
    """The station on the broker.

    Args:
        bus: whose tap it is; append it to ``bus.taps``.
        topics: names of everything.
        dialect: the form of what is published.
        broker: where the connections come from.
        now: monotonic real seconds.
    """

    def __init__(
        self,
        bus: Bus,
        topics: Topics,
        dialect: DialectName,
        broker: Broker,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._topics = topics
        self._dialect = DIALECTS[dialect]
        self._broker = broker
        self._phase = _Phase.STARTING
        self._ready: dict[str, Render] = {}
        self._peers: Peers | None = None
        self._own: list[OwnTopics] = []
        self._connections = 0
        self._hearings = 0
        self._told_online = False
        self._sender = Sender(self._connected)
        self._calls = RemoteCalls(bus, topics, self._dialect, self._sender, self._closed, now)
        self._subscriber: Connection | None = None
        self.external = ExternalTopics(topics.external_prefix, self._sender, self._closed)
        """For modules: topics outside the tree."""

    @property
    def connected(self) -> bool:
        """Whether both connections stand."""
        return self._sender.connected and self._subscriber is not None and self._subscriber.connected

    @property
    def waiting(self) -> int:
        """Messages that wait for the broker."""
        return self._sender.waiting

    @property
    def dropped(self) -> int:
        """Messages given up because too many waited."""
        return self._sender.dropped

    def measures(self) -> Iterator[Measure]:
        """See framework.measures."""
        for name, connection, made in (
            ("publisher", self._sender, self._connections),
            ("subscriber", self._subscriber, self._hearings),
        ):
            yield names.MQTT_CONNECTED.of(connection is not None and connection.connected, name)
            yield names.MQTT_RECONNECTS.of(max(0, made - 1), name)
        yield from self._sender.measures()
        yield names.CALLS_IN_FLIGHT.of(self._calls.in_progress)
        yield names.CALLS_TAKEN.of(self._calls.taken)
        for reason, count in self._calls.refused.items():
            yield names.CALLS_REFUSED.of(count, reason)

    # Lifecycle

    def attach(self, peers: Peers) -> None:
        """There are modules of other processes; before ``start``."""
        self._peers = peers
        peers.attached(self._sender, lambda: self.connected)

    def attach_topics(self, own: OwnTopics) -> None:
        """The daemon has something to say by itself; before ``start``."""
        self._own.append(own)
        own.attached(self._sender)

    def module_created(self, module_id: str, class_name: str) -> None:
        """A module and its implementations exist."""
        interfaces = {
            implementation_id: implementation.interface.interface_name
            for (owner, implementation_id), implementation in self._bus.implementations.items()
            if owner == module_id
        }
        metadata = self._dialect.metadata(class_name, interfaces)
        if metadata is not None:
            topic = self._topics.module_metadata(module_id)
            self._sender.event(topic, partial(to_json, metadata), self._dialect.command_delivery)

    def module_ready(self, module_id: str) -> None:
        """A module is initialised."""
        self._publish_ready(self._topics.module_ready(module_id), self._dialect.module_ready())

    def all_ready(self, announce: bool = True) -> None:
        """Every module is initialised: from now on calls are taken, unless the end has begun.

        Args:
            announce: False where everybody on the broker knows.
        """
        if self._phase is _Phase.STOPPING:
            return
        self._phase = _Phase.READY
        for own in self._own:
            own.begin()
        if announce:
            self._publish_ready(self._topics.ready, self._dialect.all_ready())

    async def start(self, *, required: bool = True) -> None:
        """Makes the connections; what was published before follows at once.

        Args:
            required: False where the station may begin without its broker; it is tried for in the background.

        Raises:
            BrokerUnreachable: the text tells the user why and what to do.
        """
        will = Will(self._topics.status, _OFFLINE, _PRESENCE.qos, _PRESENCE.retain)
        publisher = self._broker.publisher(will, self._sender.state_changed)
        spoken = [(self._topics.all_commands, COMMAND_QOS)]
        if self._peers is not None:
            spoken = self._peers.subscriptions()
        heard = [subscription for own in self._own for subscription in own.subscriptions()]
        subscriptions = [*spoken, *heard, *self.external.subscriptions()]
        await self._sender.start(publisher, self._clear_leftovers, required=required)
        self._subscriber = self._broker.subscriber(subscriptions, self._receive, self._hearing)
        try:
            await self._subscriber.start(required=required)
        except BrokerUnreachable:
            await self._sender.stop(0)
            raise

    def begin_shutdown(self) -> None:
        """Calls from the broker are refused from now on; what is published still goes out."""
        self._phase = _Phase.STOPPING

    async def stop(self, timeout_s: float = STOP_WITHIN_S) -> None:
        """Answers who still waits, says that the station is gone, sends what waits, ends the connections.

        It takes at most ``timeout_s`` and a second for acknowledgements, and no time without a connection.
        """
        self.begin_shutdown()
        if self._subscriber is not None:
            await self._subscriber.stop()
        self._calls.close()
        self._bus.settle()  # what the modules have said last, and these answers
        if self._peers is not None:
            self._peers.stopping()
        denials = self._denials()
        for topic in self._retained():
            self._sender.event(topic, denials.get(topic, already(_EMPTY)), _PRESENCE, Rank.KEEP)
        self._sender.event(self._topics.status, already(_OFFLINE), _PRESENCE, Rank.KEEP)
        await self._sender.stop(timeout_s)

    # Tap of the bus

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if self._elsewhere(source.module_id):
            return
        topic = self._topics.var(source.module_id, source.implementation_id, var.name)
        render = partial(_var_as_json, self._dialect, var, value)
        delivery = self._dialect.var_delivery(var)
        match var.kind:
            case Kind.TELEMETRY:
                self._sender.telemetry(topic, render, delivery)
            case Kind.STATE:
                self._sender.state(topic, render, delivery)
            case Kind.EVENT:
                # Seed 000 has transactions at QoS 2; that marks what must not be lost, in every dialect.
                rank = Rank.KEEP if var.qos == 2 else Rank.EVENT
                self._sender.event(topic, render, delivery, rank)

    def call_made(self, call: Call[Any]) -> None:
        target = call.target
        if call.external or self._elsewhere(target.module_id):
            return
        topic = self._topics.command(target.module_id, target.implementation_id, call.command.name)
        render = partial(_call_as_json, self._dialect, call)
        self._sender.event(topic, render, self._dialect.command_delivery, Rank.MIRROR)

    def call_finished(self, call: Call[Any]) -> None:
        if call.external:
            self._calls.finished(call)
            return
        target = call.target
        if self._elsewhere(target.module_id):
            return
        topic = self._topics.response(
            target.module_id, target.implementation_id, call.command.name, call.origin
        )
        render = partial(_result_as_json, self._dialect, call)
        self._sender.event(topic, render, self._dialect.command_delivery, Rank.MIRROR)

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        if self._peers is not None and self._peers.said(error):
            return
        topic = self._topics.error(source.module_id, source.implementation_id, error.type)
        render = partial(_error_as_json, self._dialect, error)
        self._sender.event(topic, render, self._dialect.error_delivery, Rank.KEEP)

    # Inside

    def _closed(self) -> CallError | None:
        match self._phase:
            case _Phase.STARTING:
                missing = [] if self._peers is None else self._peers.missing()
                waits = f"; it waits for {', '.join(missing)}" if missing else ""
                return CallError("NotReady", f"the station is starting: not all modules are ready{waits}")
            case _Phase.STOPPING:
                return CallError("Shutdown", "the station is shutting down")
            case _Phase.READY:
                return None

    def _elsewhere(self, module_id: str) -> bool:
        return self._peers is not None and self._peers.owns(module_id)

    def _receive(self, message: Inbound) -> None:
        if self._peers is not None and self._peers.receive(message):
            return
        if any(own.receive(message) for own in self._own):
            return
        topic = self._topics.parse(message.topic)
        if topic is not None and topic.kind == "cmd":
            self._calls.receive(message, topic)
        else:
            self.external.receive(message)

    def _publish_ready(self, topic: str, message: Any) -> None:
        render = partial(to_json, message)
        self._ready[topic] = render
        self._sender.newest(topic, render, self._dialect.ready_delivery)

    def _retained(self) -> list[str]:
        """The topics on which the broker keeps what this run has said."""
        found = [*self._ready] if self._dialect.ready_delivery.retain else []
        found += [topic for own in self._own for topic in own.retained()]
        return found + [
            self._topics.var(source.module_id, source.implementation_id, name)
            for source in self._bus.implementations.values()
            for name in source.last_values
            if self._dialect.var_delivery(source.interface.vars[name]).retain
        ]

    def _denials(self) -> dict[str, Render]:
        """What takes back a variable that the broker keeps, by topic: "false", since all of them say what is ready.

        An empty payload clears any topic; those who listen to a variable cannot read it.
        """
        return {
            self._topics.var(source.module_id, source.implementation_id, var.name): partial(
                _var_as_json, self._dialect, var, False
            )
            for source in self._bus.implementations.values()
            for var in source.interface.vars.values()
            if self._dialect.var_delivery(var).retain
        }

    def _connected(self) -> None:
        """A connection is made: what waits goes out, and behind it the present state.

        The broker may have come back empty, and clean sessions have missed what was said.
        """
        self._connections += 1
        self._told_online = False
        self._say_online()
        self.external.refresh()
        for own in self._own:
            own.reconnected()
        if self._peers is not None:
            self._peers.reconnected()
        for source in self._bus.implementations.values():
            if source.lost:
                continue
            for name, value in source.last_values.items():
                var = source.interface.vars[name]
                if var.kind == Kind.STATE:
                    self.var_published(source, var, value)
            if self._connections > 1 and not self._elsewhere(source.module_id):
                for error in source.errors.active:
                    self.error_changed(source, error)

    def _hearing(self, connected: bool) -> None:
        """The subscribing connection is made, or lost."""
        if connected:
            self._hearings += 1
            self._say_online()

    def _say_online(self) -> None:
        """Once at each connection, and not before calls are heard: whoever reads it may call at once."""
        if self._told_online or not self.connected:
            return
        self._told_online = True
        self._sender.first(self._topics.status, already(_ONLINE), _PRESENCE)
        # EVerest's modules take a second GlobalReady amiss.
        if self._connections > 1 and self._dialect.ready_delivery.retain:
            for topic, render in self._ready.items():
                self._sender.newest(topic, render, self._dialect.ready_delivery)

    async def _clear_leftovers(self) -> None:
        """What a run that died, of whichever dialect, has left retained on the broker goes before the new."""
        try:
            others = () if self._peers is None else self._peers.leftovers()
            ours = (topic for own in self._own for topic in own.leftovers())
            filters = (*self._topics.can_be_retained, *others, *ours)
            leftovers = await self._broker.retained(filters) if filters else []
        except BrokerUnreachable as error:
            log.warning("retained messages of a former run could not be looked for", reason=str(error))
            return
        denials = self._denials()
        kept = {topic for own in self._own for topic in own.kept()}
        for topic in (topic for topic in leftovers if topic not in kept):
            self._sender.first(topic, denials.get(topic, already(_EMPTY)), _PRESENCE)


def _var_as_json(dialect: Documented, var: Var[Any], value: Any) -> bytes:
    return to_json(dialect.var(var.to_jsonable(value)))


def _call_as_json(dialect: Documented, call: Call[Any]) -> bytes:
    return to_json(dialect.command(call.id, call.origin, call.command.arguments_to_jsonable(call.arguments)))


def _result_as_json(dialect: Documented, call: Call[Any]) -> bytes:
    return outcome_as_json(dialect, call, call.id)


def _error_as_json(dialect: Documented, error: Error) -> bytes:
    return to_json(dialect.error(error))
