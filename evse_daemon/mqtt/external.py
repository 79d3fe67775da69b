"""Topics outside the module tree (everest_api/…, everest_external/…): ExternalMqtt over the two connections."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from evse_daemon.framework.bus import Inbox
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.module import Message
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.outbox import already
from evse_daemon.mqtt.sender import Sender

MAX_PAYLOAD_BYTES = 64 * 1024
SUBSCRIPTION_QOS = 2
ANY = "/+"
"""Ends a subscription to all topics of one level."""

MAX_BEHIND = 1000
"""A module that is further behind gets no messages from outside, so that no client can fill its inbox."""

log = structlog.get_logger(__name__)

Handler = Callable[[Message], None]


class ExternalTopics:
    """What modules publish and hear outside the tree.

    Args:
        prefix: the external prefix; it is put before each topic as it is, without a slash, as in EVerest.
        closed: why nothing is taken from outside at present; None where it is.
    """

    def __init__(self, prefix: str, sender: Sender, closed: Callable[[], CallError | None]) -> None:
        self._prefix = prefix
        self._sender = sender
        self._closed = closed
        self._handlers: dict[str, list[tuple[Inbox, Handler, bool]]] = {}
        self._retained: dict[str, tuple[bytes, int]] = {}
        self._fixed = False
        self._seldom = RateLimitedLog(log)

    @property
    def connected(self) -> bool:
        """See ExternalMqtt."""
        return self._sender.connected

    def publish(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 0,
        retain: bool = False,
        latest: bool = False,
        volatile: bool = False,
    ) -> None:
        """See ExternalMqtt. What is retained is published again at each connection."""
        topic = self._prefix + topic
        data = payload.encode("utf-8", "replace")
        delivery = Delivery(qos, retain)
        if retain:
            self._retained[topic] = (data, qos)
        if volatile:
            self._sender.telemetry(topic, already(data), delivery)
        elif latest:
            self._sender.newest(topic, already(data), delivery)
        else:
            self._sender.event(topic, already(data), delivery)

    def subscribe(self, topic: str, inbox: Inbox, handler: Handler, *, order: bool = True) -> None:
        """See ExternalMqtt.

        Raises:
            ValueError: the topic is a filter with other wildcards than a last level ``+``.
            RuntimeError: the connection is there already; modules subscribe when they are initialised.
        """
        exact = topic.removesuffix(ANY)
        if "+" in exact or "#" in exact:
            raise ValueError(f"only exact topics can be subscribed to, or all of one level below: {topic}")
        if self._fixed:
            raise RuntimeError(f"{inbox.module_id} subscribes to {topic} too late: do it in init()")
        self._handlers.setdefault(self._prefix + topic, []).append((inbox, handler, order))

    def subscriptions(self) -> list[tuple[str, int]]:
        """What the subscribing connection has to hear; there can be no more afterwards."""
        self._fixed = True
        return [(topic, SUBSCRIPTION_QOS) for topic in self._handlers]

    def refresh(self) -> None:
        """After a connection: what is retained may be gone with the broker."""
        for topic, (data, qos) in self._retained.items():
            self._sender.newest(topic, already(data), Delivery(qos, retain=True))

    def receive(self, message: Inbound) -> None:
        """A message on a topic that was subscribed to, or on any other: that is ignored."""
        above = message.topic.rpartition("/")[0]
        handlers = self._handlers.get(message.topic) or self._handlers.get(above + ANY)
        if handlers is None:
            return
        problem, text = self._judge(message)
        if problem:
            self._refuse(message.topic, problem)
            return
        closed = self._closed()
        for inbox, handler, order in handlers:
            if closed is not None and (order or closed.type != "Shutdown"):
                self._refuse(message.topic, closed.message)
            elif len(inbox) > MAX_BEHIND:
                self._refuse(message.topic, f"module {inbox.module_id} is {MAX_BEHIND} messages behind")
            else:
                inbox.put(handler, Message(message.topic.removeprefix(self._prefix), text))

    def _refuse(self, topic: str, reason: str) -> None:
        self._seldom.warning(topic, "message from MQTT refused", topic=topic[:200], reason=reason)

    def _judge(self, message: Inbound) -> tuple[str, str]:
        """What is wrong with a message, or its text."""
        if message.retain:
            return "it is retained: nobody knows how old it is", ""
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            return f"it has {len(message.payload)} bytes, more than {MAX_PAYLOAD_BYTES}", ""
        try:
            return "", message.payload.decode("utf-8")
        except UnicodeDecodeError:
            return "it is not UTF-8", ""
