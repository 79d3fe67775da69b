"""The explanation on its topic: published when it changed, renewed, answered, never more than a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.clock import VirtualClock
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.explain_topic import ExplainTopic
from evse_daemon.mqtt.topics import Topics

TOPICS = Topics()


class Sent:
    """In the place of the sender."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any, bool]] = []

    def newest(self, topic: str, render: Callable[[], bytes], delivery: Any) -> None:
        self.messages.append((topic, json.loads(render()), delivery.retain))


class Bench:
    def __init__(self) -> None:
        self.now: dict[str, Any] = {"time": "1", "evses": [{"evse": "a", "sentence": "x", "drawn_A": 1.0}]}
        self.clock = VirtualClock()
        self.sent = Sent()
        self.topic = ExplainTopic(TOPICS, self.clock, lambda: self.now)
        self.topic.attached(self.sent)  # type: ignore[arg-type]  # as much of a sender as it uses

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds, lambda: None)

    def published(self) -> list[Any]:
        return [body for topic, body, retain in self.sent.messages if topic == TOPICS.explain and retain]

    def ask(self, payload: bytes, *, retain: bool = False) -> list[tuple[str, Any, bool]]:
        before = len(self.sent.messages)
        assert self.topic.receive(Inbound(TOPICS.explain_request, payload, 1, retain))
        return self.sent.messages[before:]


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.topic.begin()
    return found


def test_it_is_published_retained_at_the_start_and_when_it_changes_at_most_once_a_second(
    bench: Bench,
) -> None:
    assert len(bench.published()) == 1
    for number in range(30):
        bench.now = {"time": "2", "evses": [{"evse": "a", "sentence": str(number)}]}
        bench.advance(0.1)
    assert 3 <= len(bench.published()) <= 4
    bench.advance(1)
    assert bench.published()[-1]["evses"][0]["sentence"] == "29"


def test_what_passes_is_renewed_within_ten_seconds_and_not_published_by_itself(bench: Bench) -> None:
    for number in range(9):
        bench.now = {"time": str(number), "evses": [{"evse": "a", "sentence": "x", "drawn_A": float(number)}]}
        bench.advance(1)
    assert len(bench.published()) == 1
    bench.advance(1)
    assert len(bench.published()) == 2
    assert bench.published()[-1]["renewed_s"] == 10


def test_a_station_of_many_evses_takes_more_time(bench: Bench) -> None:
    for number in range(40):
        bench.now = {"time": "2", "evses": [{"sentence": str(number)}] * 100}
        bench.advance(0.5)
    assert len(bench.published()) <= 6
    assert bench.published()[-1]["evses"][0]["sentence"] != "0"


def test_after_a_reconnect_it_is_published_again(bench: Bench) -> None:
    bench.topic.reconnected()
    bench.advance(1)
    assert len(bench.published()) == 2


def test_who_asks_is_answered_at_once_with_what_is_so_now(bench: Bench) -> None:
    bench.now = {"time": "5", "evses": []}
    assert bench.ask(b"me-1") == [
        (TOPICS.explain_response("me-1"), {"time": "5", "evses": [], "renewed_s": 10.0}, False)
    ]


@pytest.mark.parametrize(
    ("payload", "retain"), [(b"", False), (b"a/b", False), (b"+", False), (b"x" * 65, False), (b"me", True)]
)
def test_a_request_without_a_good_id_or_retained_is_logged_and_not_answered(
    bench: Bench, payload: bytes, retain: bool
) -> None:
    with capture_logs() as logs:
        assert bench.ask(payload, retain=retain) == []
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_other_messages_are_not_taken(bench: Bench) -> None:
    assert not bench.topic.receive(Inbound("everest_api/connectors", b"", 1, False))


def test_a_mistake_in_the_explanation_ends_nothing(bench: Bench) -> None:
    def broken() -> dict[str, Any]:
        raise KeyError("x")

    bench.topic._explain = broken
    with capture_logs():
        assert "KeyError" in bench.ask(b"me")[0][1]["error"]
    bench.topic._explain = lambda: {"evses": [float("nan")]}
    with capture_logs() as logs:
        assert bench.ask(b"me") == []
    assert logs[0]["log_level"] == "error"
