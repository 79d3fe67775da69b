"""What systemd hears of a station, and when it hears nothing any more."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from evse_daemon.config import load_text
from evse_daemon.framework.bus import Inbox
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import FAILURES
from evse_daemon.modules.evse_manager import module as evse_manager
from evse_daemon.process import supervision
from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.process.supervision import supervised
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.fakes import FakeMqtt
from tests.support.service_manager import FakeServiceManager
from tests.support.waiting import run, until

WATCHDOG_S = 0.2

CONFIG = """
active_modules:
  evse:
    module: EvseManager
    mapping: {module: {evse: 1}}
    config_module: {connector_id: 1, evse_id: "DE*PNX*E1"}
    connections: {bsp: [{module_id: board, implementation_id: board_support}]}
  board:
    module: YetiSimulator
    config_module: {connector_id: 1}
"""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeServiceManager]:
    fake = FakeServiceManager(tmp_path, WATCHDOG_S)
    yield fake
    fake.close()


@asynccontextmanager
async def watched(systemd: FakeServiceManager, within_s: float = 10.0) -> AsyncIterator[Station]:
    """A station of which systemd has heard that it is ready."""
    loop = asyncio.get_running_loop()
    station = Station(load_text(CONFIG, {}), RealClock(), MemoryJournal(), loop.call_soon)
    station.build(FakeMqtt())
    ends = asyncio.Event()
    runs = loop.create_task(station.supervise(ends, at_once=ends))
    service = ServiceManager(systemd.environ)
    told = loop.create_task(supervised(station, service, within_s))
    try:
        await until(lambda: "READY=1" in systemd.heard)
        yield station
    finally:
        told.cancel()
        service.close()
        ends.set()
        await runs


def fed(systemd: FakeServiceManager) -> int:
    return systemd.heard.count("WATCHDOG=1")


def test_it_is_ready_when_the_evse_is(systemd: FakeServiceManager) -> None:
    async def scenario() -> None:
        async with watched(systemd) as station:
            assert station.not_ready() == []

    run(scenario())
    assert [text for text in systemd.heard if text != "WATCHDOG=1"][-2:] == ["STATUS=ready", "READY=1"]


def test_systemctl_status_shows_why_it_does_not_charge(
    systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "PACE_S", 0.02)

    def broken() -> None:
        raise RuntimeError("broken")

    async def scenario() -> None:
        async with watched(systemd) as station:
            expected = station.explain()["evses"][0]["sentence"]
            assert "car" in expected
            await until(lambda: f"STATUS={expected}" in systemd.heard)
            station.modules["evse"].explain = broken  # type: ignore[method-assign]
            await until(lambda: "STATUS=runs" in systemd.heard)
            count = len([text for text in systemd.heard if text.startswith("STATUS=")])
            await asyncio.sleep(0.1)
            assert len([text for text in systemd.heard if text.startswith("STATUS=")]) == count, (
                "told when it changes"
            )

    run(scenario())


def test_it_is_ready_without_an_evse_whose_board_says_nothing(
    systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with watched(systemd, within_s=0.1) as station:
            assert station.not_ready() == ["evse"]

    monkeypatch.setattr(evse_manager.EvseManager, "ready", lambda _: None)
    run(scenario())
    assert [text for text in systemd.heard if text != "WATCHDOG=1"] == [
        "STATUS=waits for evse", "STATUS=ready, without evse", "READY=1",
    ]  # fmt: skip


def test_the_watchdog_is_fed_while_the_modules_work(systemd: FakeServiceManager) -> None:
    async def scenario() -> None:
        async with watched(systemd):
            await until(lambda: fed(systemd) >= 3)

    run(scenario())


def test_a_kernel_that_does_not_get_on_is_not_fed(
    systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop runs, and what the kernel is sent waits."""

    async def scenario() -> None:
        async with watched(systemd) as station:
            await until(lambda: fed(systemd) >= 1)
            put, evse = Inbox.put, station.modules["evse"].context.inbox
            monkeypatch.setattr(Inbox, "put", lambda self, *what: None if self is evse else put(self, *what))
            hung = fed(systemd)
            await asyncio.sleep(2 * WATCHDOG_S)
            assert fed(systemd) <= hung + 1, "an answer may have been under way"

    run(scenario())


def test_a_module_that_failed_for_good_does_not_restart_the_others(systemd: FakeServiceManager) -> None:
    """Its outputs are off; another EVSE may be charging."""

    def broken() -> None:
        raise RuntimeError("broken")

    async def scenario() -> None:
        async with watched(systemd) as station:
            inbox = station.modules["board"].context.inbox
            for _ in range(FAILURES + 1):
                inbox.put(broken)
            await until(lambda: inbox.closed)
            failed = fed(systemd)
            await until(lambda: fed(systemd) >= failed + 3)

    run(scenario())


def test_without_systemd_nothing_is_told() -> None:
    service = ServiceManager({})
    assert not service.listens
    service.ready()
    service.status("ready")


def test_a_service_manager_that_is_gone_harms_nothing(tmp_path: Path) -> None:
    assert not ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).listens
    fake = FakeServiceManager(tmp_path)
    service = ServiceManager(fake.environ)
    fake.close()
    service.ready()
    service.close()


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(f"\0evse-daemon-test-{os.getpid()}")
        service = ServiceManager({"NOTIFY_SOCKET": f"@evse-daemon-test-{os.getpid()}"})
        service.status("two\nlines")
        assert hears.recv(100) == b"STATUS=two lines"
        service.close()


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_time_is_the_units(environ: dict[str, str], watchdog_s: float | None) -> None:
    assert ServiceManager(environ).watchdog_s == watchdog_s
    assert environ == {}, "a child process is not meant"
