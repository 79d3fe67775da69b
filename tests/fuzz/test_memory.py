"""A daemon keeps nothing of what strangers publish, however many names they think of."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator

import psutil
import pytest

from evse_daemon.mqtt.topics import Topics, api_command, carsim_command, carsim_error, service_command
from tests.fuzz.messages import EVSE
from tests.fuzz.station import FuzzStation, LogLines
from tests.fuzz.test_fuzz import CASES, log

__all__ = ["log"]

WARM_UP = 7500
"""Messages after which what is bounded is full: the last calls at QoS 1, the names of ignored arguments."""

TOPICS = Topics()

OUTSIDE = (
    service_command(TOPICS.name, EVSE, "clear_latched_error"),
    carsim_error(1),
    carsim_command(1, "execute_charging_session"),
    carsim_command(1, "modify_charging_session"),
    api_command("dummy_token_provider", "provide"),
    api_command(EVSE, "enable_disable"),
)


def messages(number: int) -> Iterator[tuple[str, bytes, int]]:
    """Some messages in which every name, id and text is new."""
    new = f"n{number}"
    yield TOPICS.command(new, new, new), json.dumps({"id": new, "origin": new}).encode(), 1
    yield TOPICS.command(EVSE, "evse", "get_evse"), json.dumps({"id": number, "origin": new}).encode(), 1
    unknown = {"id": new, "origin": new, "args": {new: new}}
    yield TOPICS.command(EVSE, "evse", "get_evse"), json.dumps(unknown).encode(), 2
    yield TOPICS.command(EVSE, "evse", "reserve"), json.dumps(unknown).encode(), 1
    yield TOPICS.command("yeti_driver", "board_support", "pwm_on"), json.dumps(unknown).encode(), 0
    yield TOPICS.command(EVSE, "evse", "reserve"), new.encode(), 1
    yield OUTSIDE[number % len(OUTSIDE)], f"explode {new}".encode(), 2


def kept_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_memory_is_flat_over_messages_that_are_never_the_same(
    log: LogLines, traced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    station = FuzzStation("documented")
    sent = number = begun_bytes = begun_rss = 0
    while sent < WARM_UP + CASES:
        for topic, payload, qos in messages(number):
            station.send(topic, payload, qos, retain=False)
            sent += 1
        number += 1
        if number % 10 == 0:
            station.pass_time(0.1)
        if sent >= WARM_UP and not begun_bytes:
            begun_bytes, begun_rss = kept_bytes(), psutil.Process().memory_info().rss
    kept = kept_bytes() - begun_bytes
    rss = psutil.Process().memory_info().rss - begun_rss
    assert station.charging()
    station.close()
    with capsys.disabled():
        print(
            f"\nmemory after {CASES} messages more: {kept / 1000:+.0f} kB in use, {rss / 1000:+.0f} kB of RSS"
        )
    assert kept < 100_000 + 10 * CASES
    assert log.failures == []
