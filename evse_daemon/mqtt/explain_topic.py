"""The station's answer to "why is it not charging": retained on a topic, and to whoever asks (docs/explain.md).

It is no part of EVerest's tree: plain JSON, without an envelope, in every dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from evse_daemon.framework.clock import Clock
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Delivery, to_json
from evse_daemon.mqtt.outbox import already
from evse_daemon.mqtt.sender import Sender
from evse_daemon.mqtt.topics import Topics

PACE_S = 1.0
"""Least time between two looks at whether it has changed, and so between two publications."""

PACE_OF_AN_EVSE_S = 0.05
"""Each EVSE's part in that time: it takes 0.4 ms and 2 kB, and a station of many shall do other things."""

RENEWED_S = 10.0
"""At the latest it is published again, changed or not: what is older is from a station that hangs or is gone."""

PASSING = frozenset({"time", "heard", "until", "drawn_A"})
"""What changes all the time: it is renewed, and makes no publication of its own."""

QOS = 1

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = structlog.get_logger(__name__)


class ExplainTopic:
    """Publishes the explanation when it has changed, and answers requests.

    Args:
        topics: names of everything.
        clock: the control clock.
        explain: the explanation of now.
    """

    def __init__(self, topics: Topics, clock: Clock, explain: Callable[[], dict[str, Any]]) -> None:
        self._topics = topics
        self._clock = clock
        self._explain = explain
        self._sender: Sender | None = None
        self._told: Any = None
        self._told_at_s = 0.0
        self._pace_s = PACE_S
        self._seldom = RateLimitedLog(log)

    def attached(self, sender: Sender) -> None:
        """Where it is published."""
        self._sender = sender

    def subscriptions(self) -> list[tuple[str, int]]:
        return [(self._topics.explain_request, QOS)]

    def retained(self) -> tuple[str, ...]:
        return (self._topics.explain,)

    def leftovers(self) -> tuple[str, ...]:
        return ()

    def kept(self) -> frozenset[str]:
        return frozenset()

    def begin(self) -> None:
        """The station is ready."""
        self._due(self._clock.now_s())

    def reconnected(self) -> None:
        """The broker may have forgotten it."""
        self._told = None

    def receive(self, message: Inbound) -> bool:
        """Answers a request, whose payload names where; False where the message is none."""
        if message.topic != self._topics.explain_request:
            return False
        reply = message.payload[:100].decode("utf-8", "replace")
        if message.retain or not _ID.fullmatch(reply):
            reason = "it is retained" if message.retain else f"its payload is no id of a reply: {reply!r}"
            self._seldom.warning("refused", "request for an explanation refused", reason=reason)
            return True
        self._publish(self._topics.explain_response(reply), self._explanation(), retain=False)
        return True

    def _due(self, at_s: float) -> None:
        self._publish_changes()
        next_s = at_s + self._pace_s
        now_s = self._clock.now_s()
        if next_s <= now_s:
            next_s = now_s + self._pace_s
        self._clock.call_at(next_s, lambda: self._due(next_s))

    def _publish_changes(self) -> None:
        explanation, now_s = self._explanation(), self._clock.now_s()
        self._pace_s = min(max(PACE_S, PACE_OF_AN_EVSE_S * len(explanation["evses"])), RENEWED_S)
        lasting = _lasting(explanation)
        if lasting == self._told and now_s - self._told_at_s < RENEWED_S:
            return
        self._told, self._told_at_s = lasting, now_s
        self._publish(self._topics.explain, explanation, retain=True)

    def _explanation(self) -> dict[str, Any]:
        try:
            return {**self._explain(), "renewed_s": RENEWED_S}
        except Exception as error:  # noqa: BLE001 - it only tells: a mistake in it may end nothing
            self._seldom.error("failed", "the station cannot explain itself", exc_info=error)
            return {"error": f"it cannot be explained: {type(error).__name__}", "evses": []}

    def _publish(self, topic: str, explanation: Mapping[str, Any], *, retain: bool) -> None:
        assert self._sender is not None
        try:
            payload = to_json(explanation)
        except ValueError as error:
            self._seldom.error("json", "an explanation cannot be written as JSON", reason=str(error))
            return
        self._sender.newest(topic, already(payload), Delivery(QOS, retain))


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in PASSING}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
