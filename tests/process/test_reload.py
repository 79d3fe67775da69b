"""A configuration that is read again while cars charge: what it changes, and that it changes nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import structlog
from structlog.testing import capture_logs

from evse_daemon.config import RunConfig
from evse_daemon.config.document import Item
from evse_daemon.config.loading import load_with_lines
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.module import FAILURES
from evse_daemon.modules.energy_node.module import EnergyNode
from evse_daemon.process import reload
from evse_daemon.process.hangups import Hangups, Source
from evse_daemon.process.reload import Reloads, settled
from evse_daemon.process.run_station import _reload_when_asked
from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.fakes import FakeMqtt
from tests.support.recorder import Recorder
from tests.support.service_manager import FakeServiceManager
from tests.support.waiting import run, until
from tests.test_station import EVSE, STATION, World

TWO = STATION + EVSE.format(n=1) + EVSE.format(n=2)
FUSE = "fuse_limit_A: 63"
OPEN: list[ServiceManager] = []
"""Connections that a test leaves behind."""


class Running(World):
    """Two EVSEs whose configuration is a file, in virtual time."""

    def __init__(self, folder: Path, systemd: FakeServiceManager | None = None) -> None:
        self.file = folder / "config.yaml"
        self.file.write_text(TWO)
        self.clock = VirtualClock()
        self.mqtt = FakeMqtt()
        self.seen = Recorder(self.clock)
        self.station = Station(self.read()[0], self.clock, MemoryJournal(), lambda _: None)
        self.station.build(self.mqtt)
        self.station.bus.taps.append(self.seen)
        self.service = ServiceManager({} if systemd is None else systemd.environ)
        OPEN.append(self.service)
        self.service.ready()
        self.runs = threading.Event()
        """The file was said to be what runs."""
        self.reloads = Reloads(self.station, self.service, self.read, self.runs.set)
        self.logged: list[Any] = []
        self.station.begin()
        self.advance(2)

    def read(self) -> tuple[RunConfig, Item]:
        return load_with_lines(self.file, {})

    def edit(self, *edits: tuple[str, str]) -> None:
        text = self.file.read_text()
        for before, after in edits:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        self.file.write_text(text)

    def reload(self, *edits: tuple[str, str]) -> None:
        """The file is edited and read again; no time passes."""
        self.edit(*edits)
        self.reload_as_it_is()

    def reload_as_it_is(self) -> None:
        with capture_logs() as logged:
            run(self.reloads.reload(asyncio.Event()))
            self.advance(0)
        self.logged += logged

    def said(self, text: str) -> list[Any]:
        return [entry for entry in self.logged if text in entry["event"]]

    def offered_a(self, number: int) -> float:
        """What the car is told it may take."""
        (found,) = (each for each in self.station.explain()["evses"] if each["evse"] == f"evse_{number}")
        return float(found["offered_A"])

    def course(self, number: int) -> list[Any]:
        """Everything that an EVSE and its board said and were told, but for the ids of its session."""
        self.station.bus._show_all()
        return [
            (entry.at_s, entry.kind, entry.module_id, entry.name, value_of(entry.value))
            for entry in self.seen.entries
            if entry.module_id in (f"evse_{number}", f"board_{number}")
            and entry.kind in ("var", "call", "error")
        ]


def value_of(value: Any) -> Any:
    return value.event if hasattr(value, "event") else None if hasattr(value, "uuid") else repr(value)[:40]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeServiceManager]:
    fake = FakeServiceManager(tmp_path)
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()
    logging_setup.set_level("debug")
    structlog.reset_defaults()


# What is taken over, and what notices.


def test_a_session_does_not_notice_what_does_not_concern_it(tmp_path: Path) -> None:
    """The whole recording of both EVSEs is what it is without a reload."""
    courses: list[list[Any]] = []
    for edits in ((), (("connection_timeout: 30", "connection_timeout: 60"), ("sleep: 0.25", "sleep: 1.5"))):
        folder = tmp_path / str(len(courses))
        folder.mkdir()
        world = Running(folder)
        world.charge()
        if edits:
            world.reload(*edits)
            assert len(world.said("taken over")) == 1
            assert len(world.said("need a restart")) == 1
        world.advance(30)
        assert world.charges(1)
        assert world.charges(2)
        assert "TransactionFinished" not in world.events(1) + world.events(2)
        courses.append([world.course(1), world.course(2)])
    assert courses[0] == courses[1]


def test_a_lower_fuse_counts_at_once_and_nobody_stops_charging(tmp_path: Path) -> None:
    world = Running(tmp_path)
    world.charge()
    assert world.offered_a(1) + world.offered_a(2) > 40
    world.advance(10)  # an earlier change of the PWM is older than 5 s
    world.reload((FUSE, "fuse_limit_A: 20"))
    world.advance(0.2)
    assert world.offered_a(1) + world.offered_a(2) <= 20.01
    world.advance(10)
    assert world.charges(1)
    assert world.charges(2)


def test_what_runs_is_kept_beside_the_state_once_all_of_the_file_runs(tmp_path: Path) -> None:
    """make-safe and doctor go by it, should the file be broken later."""
    world = Running(tmp_path)
    world.reload((FUSE, "fuse_limit_A: 32"), ("sleep: 0.25", "sleep: 1.5"))
    assert len(world.said("need a restart")) == 1
    assert not world.runs.is_set()
    world.reload(("sleep: 1.5", "sleep: 0.25"))
    assert world.runs.wait(10)


def test_a_higher_fuse_is_used_when_there_is_room(tmp_path: Path) -> None:
    world = Running(tmp_path)
    world.reload((FUSE, "fuse_limit_A: 16"))
    world.charge()
    assert world.offered_a(1) + world.offered_a(2) <= 16.01
    world.reload(("fuse_limit_A: 16", "fuse_limit_A: 32"))
    world.advance(30)
    assert world.offered_a(1) + world.offered_a(2) == pytest.approx(32, abs=0.1)
    told = world.seen.select("var", "grid", "external_limits", "capabilities")
    assert [each.value.max_current_A for each in told][-2:] == [16, 32]


def test_limits_that_are_expected_from_now_on_and_do_not_come_are_the_safe_ones(tmp_path: Path) -> None:
    world = Running(tmp_path)
    world.charge()
    limits = "daemon:\n  external_limits:\n    grid: {MaxReceiveTimeSec: 60, SafeCurrent: 12}\n"
    world.advance(10)
    world.reload(("\nactive_modules:", f"\n{limits}active_modules:"))
    world.advance(0.2)
    assert world.offered_a(1) + world.offered_a(2) <= 12.01
    world.reload((limits, ""))
    world.advance(30)
    assert world.offered_a(1) > 12


def test_the_options_of_the_energy_manager_count_from_the_next_round_on(tmp_path: Path) -> None:
    world = Running(tmp_path)
    world.charge()
    world.logged.clear()
    energy_manager = "    module: EnergyManager\n"
    world.reload((energy_manager, energy_manager + "    config_module: {debug: true}\n"))
    assert world.said("limits"), "the round after the reload tells its limits"


def test_more_is_logged_from_the_reload_on_by_loggers_that_there_were_before(tmp_path: Path) -> None:
    lines: list[str] = []
    with (tmp_path / "log").open("w") as stream:
        writer = logging_setup.configure("info", "console", stream)
        bound = structlog.get_logger().bind(module="x")
        bound.debug("not this")
        world = Running(tmp_path)
        world.edit(("\nactive_modules:", "\ndaemon: {log_level: debug}\nactive_modules:"))
        run(world.reloads.reload(asyncio.Event()))
        bound.debug("but this")
        world.edit(("log_level: debug", "log_level: error"))
        run(world.reloads.reload(asyncio.Event()))
        bound.warning("nor this")
        writer.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if " this" in line and "but this" not in line] == []
    assert any("but this" in line for line in lines)


# What is said.


def test_what_needs_a_restart_is_said_in_one_message_with_the_sessions_it_would_end(
    tmp_path: Path, systemd: FakeServiceManager
) -> None:
    world = Running(tmp_path, systemd)
    world.reload(("sleep: 0.25", "sleep: 1.5"))
    world.charge()
    world.reload(
        ("selection_algorithm: FindFirst", "selection_algorithm: FindFirst, ignore_connector_faults: true")
    )
    idle, charging = world.said("need a restart")
    assert (idle["charging"], charging["charging"]) == ("no car", ["evse_1", "evse_2"])
    assert charging["changes"] == (
        f"{world.file}:5 option sleep of validator/main (0.25 → 1.5); "
        f"{world.file}:8 option ignore_connector_faults of auth (False → True)"
    )
    assert "ends these sessions" in charging["remedy"]
    assert "ends" not in idle["remedy"]
    world.service.status("Charging.")
    assert systemd.heard[-1].startswith(f"STATUS=Restart needed for {world.file}:5 option sleep")
    assert systemd.heard[-1].endswith("Charging.")
    world.reload(("sleep: 1.5", "sleep: 0.25"), (", ignore_connector_faults: true", ""))
    assert systemd.heard[-1] == "STATUS=Charging.", "it is as it runs again"


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "a wrong word": lambda file: file.write_text(TWO.replace("connection_timeout", "connection_timeuot")),
    "half of it": lambda file: file.write_text(TWO[: TWO.index("EnergyManager") + 3]),
    "half of a word": lambda file: file.write_text(TWO[: TWO.index("TOKEN_2") - 4]),
    "nothing": lambda file: file.write_text(""),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\0"),
    "no file": lambda file: file.unlink(),
    "a folder": _folder,
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_cannot_be_used_changes_nothing_and_it_is_said_why(
    what: str, tmp_path: Path, systemd: FakeServiceManager
) -> None:
    world = Running(tmp_path, systemd)
    world.charge()
    before = world.station.config
    BROKEN[what](world.file)
    world.reload_as_it_is()
    assert world.station.config is before
    assert len(world.said("was not taken over")) == 1
    assert str(world.file) in world.said("configuration")[0]["where"]
    assert "The configuration was not taken over" in systemd.heard[-1]
    assert str(world.file) in systemd.heard[-1]
    assert world.charges(1)
    if world.file.is_dir():
        world.file.rmdir()
    world.file.write_text(TWO)
    world.reload_as_it_is()
    assert "not taken over" not in systemd.heard[-1], "it is mended"


def test_a_module_that_cannot_take_it_over_recovers_and_the_others_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Running(tmp_path)
    world.charge()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(EnergyNode, "reconfigure", broken)
        world.reload((FUSE, "fuse_limit_A: 20"), ("connection_timeout: 30", "connection_timeout: 60"))
    assert len(world.said("a module failed")) == 1
    auth: Any = world.station.modules["auth"]
    assert auth._state.settings.connection_timeout_s == 60
    assert world.charges(1)


def test_a_module_that_has_failed_for_good_is_said_to_need_a_restart(tmp_path: Path) -> None:
    world = Running(tmp_path)

    def broken() -> None:
        raise ZeroDivisionError("planted")

    for _ in range(FAILURES + 1):
        world.station.modules["grid"].context.inbox.put(broken)
    world.advance(1)
    world.reload((FUSE, "fuse_limit_A: 20"))
    (said,) = world.said("need a restart")
    assert "fuse_limit_A" in said["changes"]


# When it is asked for.


class Asked:
    """Reloads of a station, as signals ask for them; counts how often the file was read."""

    def __init__(self, folder: Path, systemd: FakeServiceManager) -> None:
        self.world = Running(folder, systemd)
        self.reads = 0
        self.may_read = threading.Event()
        self.may_read.set()
        self.ends = asyncio.Event()
        self.world.reloads = Reloads(self.world.station, self.world.service, self._read, lambda: None)

    def _read(self) -> tuple[RunConfig, Item]:
        self.reads += 1
        self.may_read.wait(10)
        return self.world.read()

    async def during(self, scenario: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        self.hangups.attach(loop, self.ends.set)
        runs = loop.create_task(self.world.reloads.run(self.hangups, self.ends))
        try:
            await scenario()
        finally:
            runs.cancel()

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGHUP)
        self.hangups = Hangups()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_read.set()
        signal.signal(signal.SIGHUP, self._before)


@pytest.fixture
def asked(tmp_path: Path, systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    monkeypatch.setattr(reload, "APART_S", 0.0)
    with Asked(tmp_path, systemd) as found:
        yield found


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def protocol(systemd: FakeServiceManager) -> list[str]:
    return [text.split("=")[0] for text in systemd.heard if not text.startswith("STATUS=")]


def test_systemd_is_told_when_it_begins_and_when_it_has_ended(
    asked: Asked, systemd: FakeServiceManager
) -> None:
    async def scenario() -> None:
        hang_up()
        await until(lambda: protocol(systemd) == ["READY", "RELOADING", "READY"])

    run(asked.during(scenario))
    (begun,) = (text for text in systemd.heard if text.startswith("RELOADING=1"))
    assert abs(int(begun.partition("\nMONOTONIC_USEC=")[2]) - time.monotonic() * 1e6) < 60e6


def test_a_hundred_signals_are_a_few_reloads_and_the_last_one_counts(
    asked: Asked, systemd: FakeServiceManager
) -> None:
    async def scenario() -> None:
        asked.may_read.clear()
        hang_up()
        await until(lambda: asked.reads == 1)
        for _ in range(100):
            hang_up()
            await asyncio.sleep(0)
        asked.world.edit((FUSE, "fuse_limit_A: 20"))
        hang_up()
        asked.may_read.set()
        await until(lambda: protocol(systemd).count("READY") == 3)

    run(asked.during(scenario))
    assert asked.reads == 2
    assert asked.world.station.config.modules["grid"].options.fuse_limit_A == 20  # type: ignore[attr-defined]  # an EnergyNode's
    assert protocol(systemd) == ["READY", "RELOADING", "READY", "RELOADING", "READY"]


def test_a_signal_before_the_station_has_begun_is_remembered(asked: Asked) -> None:
    asked.world.station.begun.clear()
    hang_up()
    hang_up()

    async def scenario() -> None:
        await asyncio.sleep(0.05)
        assert asked.reads == 0
        asked.world.station.begun.set()
        await until(lambda: asked.reads == 1)

    run(asked.during(scenario))


def test_a_station_that_is_not_up_yet_is_not_said_to_be_so(
    tmp_path: Path, systemd: FakeServiceManager
) -> None:
    service = ServiceManager(systemd.environ)
    with service.reloading():
        pass
    assert systemd.heard == []
    service.ready()
    with service.reloading():
        service.stopping()
    service.close()
    assert protocol(systemd) == ["READY", "RELOADING", "STOPPING"]


def test_a_station_that_ends_meanwhile_takes_nothing_over(asked: Asked) -> None:
    before = asked.world.station.config

    async def scenario() -> None:
        asked.world.edit((FUSE, "fuse_limit_A: 20"))
        asked.may_read.clear()
        hang_up()
        await until(lambda: asked.reads == 1)
        asked.ends.set()
        asked.may_read.set()
        hang_up()
        await asyncio.sleep(0.05)

    run(asked.during(scenario))
    assert asked.reads == 1
    assert asked.world.station.config is before


def test_a_disk_that_hangs_stops_nothing_and_is_said(
    asked: Asked, systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "READ_S", 0.05)

    async def scenario() -> None:
        asked.may_read.clear()
        hang_up()
        await until(lambda: protocol(systemd) == ["READY", "RELOADING", "READY"])

    run(asked.during(scenario))
    assert any("could not be read to its end" in text for text in systemd.heard)


def test_a_signal_after_the_loop_or_the_process_has_ended_is_harmless(asked: Asked) -> None:
    async def scenario() -> None:
        return

    run(asked.during(scenario))
    hang_up()
    asked.hangups.detach()
    hang_up()


# While it is written.


def test_half_a_file_is_not_taken_for_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there of it meanwhile is valid, and says another fuse: 6 instead of 63 A."""
    monkeypatch.setattr(reload, "SETTLED_S", 0.2)
    file = tmp_path / "config.yaml"
    text = TWO.replace("{fuse_limit_A: 63, phase_count: 3}", "\n      fuse_limit_A: 63")
    file.write_text(text)
    seen: list[float] = []

    def read() -> tuple[RunConfig, Item]:
        found = load_with_lines(file, {})
        seen.append(found[0].modules["grid"].options.fuse_limit_A)  # type: ignore[attr-defined]  # an EnergyNode's
        return found

    half = text.index("fuse_limit_A: 63") + len("fuse_limit_A: 6")
    head = text[:half] + text[half + 1 :]
    file.write_text(head)
    reading = threading.Thread(target=lambda: settled(file, read))
    reading.start()
    time.sleep(0.05)
    file.write_text(text)
    reading.join(10)
    assert seen == [63]


def test_a_file_that_is_written_without_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SETTLED_S", 0.01)
    monkeypatch.setattr(reload, "READ_S", 0.1)
    file = tmp_path / "config.yaml"

    def read() -> tuple[RunConfig, Item]:
        file.write_text(f"# {time.monotonic_ns()}{TWO}")
        return load_with_lines(file, {})

    file.write_text(TWO)
    with pytest.raises(TimeoutError):
        settled(file, read)


def test_a_process_whose_files_are_of_another_version_says_that_it_needs_a_restart(
    asked: Asked, systemd: FakeServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade that was refused the old process runs beside the new files."""
    world = asked.world
    source = Source(asked.hangups, world.read, lambda: None)

    async def scenario() -> None:
        asked.hangups.attach(asyncio.get_running_loop(), asked.ends.set)
        reloads = asyncio.create_task(
            _reload_when_asked(world.station, world.service, source, asked.ends, None)
        )
        with monkeypatch.context() as broken, capture_logs() as logged:
            broken.setitem(sys.modules, "evse_daemon.process.reload", None)
            hang_up()
            await until(lambda: any("systemctl restart" in text for text in systemd.heard))
            assert "cannot be read again by this process" in logged[0]["event"]
        hang_up()
        await until(lambda: "RELOADING" in protocol(systemd))
        assert not reloads.done()
        reloads.cancel()

    run(scenario())
