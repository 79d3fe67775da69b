"""The station is told to end: each module may end what it does, and none can hold it up for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from evse_daemon import station as station_module
from evse_daemon.config import load
from evse_daemon.framework.clock import RealClock
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.fakes import FakeMqtt
from tests.system.processes import ROOT

End = Callable[[Callable[[], None]], None]


def ends(
    monkeypatch: pytest.MonkeyPatch, end: End, *, at_once_s: float | None = None, within_s: float = 0.3
) -> tuple[float, list[str]]:
    """How long it takes until the station has ended, and what was done in which order."""
    done: list[str] = []
    monkeypatch.setattr(station_module, "END_S", within_s)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        config = load(ROOT / "config" / "config-sim.yaml", {})
        station = Station(config, RealClock(), MemoryJournal(), loop.call_soon)
        station.build(FakeMqtt())
        car = station.modules["ev_manager"]

        def ending(has_ended: Callable[[], None]) -> None:
            done.append("end")
            end(has_ended)

        def make_safe() -> None:
            done.append("safe")

        monkeypatch.setattr(car, "end", ending)
        monkeypatch.setattr(car, "make_safe", make_safe)
        until, at_once = asyncio.Event(), asyncio.Event()
        supervised = asyncio.create_task(station.supervise(until, at_once))
        await asyncio.sleep(0.05)
        begun_s = loop.time()
        until.set()
        if at_once_s is not None:
            loop.call_later(at_once_s, at_once.set)
        await supervised
        return loop.time() - begun_s

    return asyncio.run(run()), done


def test_it_waits_for_what_a_module_has_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def later(has_ended: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(0.1, has_ended)

    took_s, done = ends(monkeypatch, later)
    assert 0.1 <= took_s < 0.3
    assert done[:2] == ["end", "safe"]


def test_a_module_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    took_s, done = ends(monkeypatch, lambda _: None)
    assert 0.3 <= took_s < 1.0
    assert done[:2] == ["end", "safe"]


def test_a_second_signal_cuts_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    took_s, done = ends(monkeypatch, lambda _: None, at_once_s=0.1, within_s=30)
    assert 0.1 <= took_s < 1.0
    assert done[:2] == ["end", "safe"]


def test_a_module_that_breaks_while_it_ends_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Any) -> None:
        raise RuntimeError("no")

    took_s, done = ends(monkeypatch, breaks, within_s=30)
    assert took_s < 1.0
    assert "safe" in done


def test_told_twice_that_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(has_ended: Callable[[], None]) -> None:
        has_ended()
        has_ended()

    assert ends(monkeypatch, twice, within_s=30)[0] < 1.0
