"""The page as it is negotiated, kept for a moment, and made in parts; and the lag of the event loop."""

from __future__ import annotations

import asyncio
import builtins
import time
from typing import Any

import psutil
import pytest

from evse_daemon.metrics.loop_lag import WINDOW_S, LoopLag
from tests.metrics.scrape import OPENMETRICS, Scrape, collector_of, scrape
from tests.support.waiting import run, until
from tests.test_station import World


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html,*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=x", "text/plain; version=0.0.4; charset=utf-8"),
        (",;=,=;text/plain;version=", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_form_is_negotiated(accept: str, content_type: str) -> None:
    async def scenario() -> None:
        collector = collector_of(World().station)
        found, body = await collector.page(accept)
        assert found == content_type
        assert body.endswith(b"# EOF\n") == ("openmetrics" in content_type)
        assert body.count(b"# EOF") <= 1
        assert Scrape(body.decode(), strict="openmetrics" in content_type).samples

    run(scenario())


def test_who_asks_again_within_a_second_gets_the_same_and_costs_nothing() -> None:
    async def scenario() -> None:
        collector = collector_of(World().station)
        pages = await asyncio.gather(*(collector.page("") for _ in range(20)))
        assert len({body for _, body in pages}) == 1
        assert collector._collections == 1
        collector._taken_s -= 2
        _, body = await collector.page("")
        assert Scrape(body.decode()).one("evse_daemon_metrics_collections_total") == 2

    run(scenario())


def test_a_client_that_asks_for_ever_other_versions_fills_no_memory() -> None:
    async def scenario() -> None:
        collector = collector_of(World().station)
        for number in range(50):
            await collector.page(f"application/openmetrics-text;version=1.{number}.0")
        assert len(collector._pages) <= 4

    run(scenario())


def test_a_scraper_that_is_gone_meanwhile_does_not_lock_out_the_next() -> None:
    async def scenario() -> None:
        collector = collector_of(World().station)
        first = asyncio.ensure_future(collector.page(""))
        await asyncio.sleep(0)
        first.cancel()
        assert (await collector.page(""))[1]

    run(scenario())


# The process


def test_the_start_of_the_process_is_by_the_clock_of_now_and_needs_nothing_that_systemd_hides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain_open, started = builtins.open, psutil.Process().create_time()

    def guarded(file: Any, *arguments: Any, **more: Any) -> Any:
        assert str(file) != "/proc/stat", "ProcSubset=pid"
        return plain_open(file, *arguments, **more)

    monkeypatch.setattr(builtins, "open", guarded)
    collector = collector_of(World().station)
    assert scrape(collector).one("process_start_time_seconds") == pytest.approx(started, abs=2)
    assert scrape(collector).one("process_open_fds") > 0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 1e8)
    assert scrape(collector).one("process_start_time_seconds") == pytest.approx(started + 1e8, abs=2)


# The lag of the event loop


def test_lags_are_counted_in_their_buckets() -> None:
    lag = LoopLag()
    for lag_s in (-0.001, 0.0005, 0.001, 0.02, 0.3, 9.0):
        lag.observe(lag_s, 1.0)
    assert dict(lag.cumulative()) == {
        "0.001": 3, "0.005": 3, "0.01": 3, "0.025": 4, "0.05": 4, "0.1": 4, "0.25": 4,
        "0.5": 5, "1.0": 5, "2.5": 5, "5.0": 5, "+Inf": 6,
    }  # fmt: skip
    assert lag.sum_s == pytest.approx(9.3215)


def test_the_largest_lag_is_told_for_one_to_two_minutes() -> None:
    lag = LoopLag()
    lag._window_ends_s = WINDOW_S
    lag.observe(0.7, 10.0)
    lag.observe(0.1, WINDOW_S + 1)
    assert lag.max_s == 0.7
    lag.observe(0.2, 2 * WINDOW_S + 2)
    assert lag.max_s == 0.2
    lag.observe(0.3, 2 * WINDOW_S + 3)
    lag.observe(0.0, 9 * WINDOW_S)
    assert lag.max_s == 0.0, "what was long ago is not the last minute"


def test_a_loop_that_stands_still_is_seen() -> None:
    async def scenario() -> None:
        lag = LoopLag()
        task = asyncio.ensure_future(lag.run())
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 - it is what is to be seen
        await until(lambda: lag.cumulative()[-1][1])
        assert lag.max_s >= 0.2
        task.cancel()

    run(scenario())
