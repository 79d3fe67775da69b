"""However much happens outside, the log stays short: it tells that something began and ended, and counts the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

import simulators
from evse_daemon.config import load
from evse_daemon.event_log import EventLog
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt import client as client_module
from evse_daemon.mqtt.client import MqttConnection
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import api_command, carsim_command, service_command
from tests.drivers.generic_powermeter.test_session import Metered
from tests.fuzz.station import FuzzStation
from tests.soak.wire_noise import BOARD, Watch
from tests.support.virtual_station import VirtualStation

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged from level info on, as ``evse-daemon run`` logs it."""
    before = structlog.get_config()
    capture = LogCapture()
    structlog.configure(
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        cache_logger_on_first_use=False,
    )
    yield capture.entries
    structlog.configure(**before)


def told(lines: Lines) -> str:
    return "\n".join(
        f"{count:5} {event}" for event, count in Counter(line["event"] for line in lines).most_common()
    )


def counted(lines: Lines) -> int:
    return sum(1 + line.get("more", 0) + line.get("others", 0) for line in lines)


def bad_calls(station: FuzzStation, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """What a client may think of that wants to fill the disk of a charger."""
    topics, commands = station.topics, sorted(station.commands)
    for number in itertools.count():
        call = {"id": str(number), "origin": f"o{number}", "args": {f"a{number}": number}}
        reservation = {"id": str(number), "origin": "api", "args": {"reservation_id": number}}
        yield chance.choice(
            (
                (chance.choice(commands), b"no JSON %d" % number),
                (chance.choice(commands), json.dumps(call).encode()),
                (
                    topics.command("auth", "reservation", "cancel_reservation"),
                    json.dumps(reservation).encode(),
                ),
                (topics.command(f"m{number}", "i", "c"), json.dumps(call).encode()),
                (chance.choice(station.heard).replace("+", f"x{number}"), b"{%d" % number),
                (service_command("everest", "evse_manager", "clear_latched_error"), b"e%d" % number),
                (api_command("evse_manager", "enable_disable"), b'{"x":%d}' % number),
            )
        )


def test_a_client_that_calls_ten_thousand_times_a_minute_and_means_no_good(lines: Lines) -> None:
    station = FuzzStation("documented")
    try:
        lines.clear()
        for topic, payload in itertools.islice(bad_calls(station, random.Random(1)), 10_000):
            station.send(topic, payload, 1, retain=False)
            station.clock.advance(0.006, station.station.bus.settle)
        station.flush()
    finally:
        station.close()
    assert 5 < len(lines) <= 150, told(lines)
    assert max(len(str(line)) for line in lines) < 2000


def test_a_board_behind_a_bad_line(lines: Lines) -> None:
    """Five minutes of it."""
    watch = Watch()
    watch.station.bus.taps.append(EventLog(watch.clock.now_s))
    watch.begin()
    watch.advance(2)
    watch.send(service_command("everest", BOARD, "fault"), "noise 1")
    lines.clear()
    for _ in range(5):
        watch.send(
            carsim_command(1, "execute_charging_session"),
            "sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 30;unplug",
        )
        watch.advance(60)
    ours = [line for line in lines if line.get("module") != BOARD]  # the simulated board tells what it does
    assert len(ours) <= 5 * 20, told(lines)


def test_a_reader_that_reads_the_same_card_ten_times_a_second(lines: Lines) -> None:
    station = _charger()
    for _ in range(3000):
        station.send(api_command("dummy_token_provider", "provide"), _card("04A1B2C3"))
        station.advance(0.1)
    assert len(lines) <= 150, told(lines)  # ten sessions begin and end, too: authorized, and no car comes
    assert counted(lines) > 1000


def test_a_reader_that_makes_up_a_card_ten_times_a_second(lines: Lines) -> None:
    station = _charger()
    for number in range(3000):
        station.send(api_command("dummy_token_provider", "provide"), _card(f"{number:08X}"))
        station.advance(0.1)
    assert len(lines) <= 350, told(lines)


def _charger() -> VirtualStation:
    station = VirtualStation(load(Path(simulators.__file__).with_name("config-sim.yaml"), {}))
    station.station.bus.taps.append(EventLog(station.clock.now_s))
    station.begin()
    station.advance(2)
    return station


def _card(number: str) -> str:
    return json.dumps({"id_token": {"value": number, "type": "ISO14443"}, "authorization_type": "RFID"})


def test_a_meter_that_does_not_answer_any_more(lines: Lines) -> None:
    world = Metered()
    world.bus.taps.append(EventLog(world.clock.now_s))
    world.device.fault = "silence"
    lines.clear()
    world.advance(900)
    assert 1 <= len(lines) <= 12, told(lines)
    world.device.fault = "none"
    world.advance(10)
    assert "the meter is read again" in [line["event"] for line in lines]


def test_a_meter_that_comes_and_goes(lines: Lines) -> None:
    world = Metered()
    world.bus.taps.append(EventLog(world.clock.now_s))
    lines.clear()
    for number in range(90):
        world.device.fault = "silence" if number % 2 else "none"
        world.advance(10)
    assert len(lines) <= 120, told(lines)


def test_an_hour_without_a_broker(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts pass at once; why they fail alternates, as where a network comes and goes."""
    now = [1000.0]
    attempts = [0]
    ended = asyncio.Event()

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def connect() -> None:
        attempts[0] += 1
        if now[0] > 1000.0 + 3600.0:
            ended.set()
            await asyncio.Event().wait()
        raise (OSError(111, "refused"), TimeoutError(), RuntimeError(f"odd {attempts[0]}"))[attempts[0] % 3]

    async def scenario() -> None:
        connection = MqttConnection("commands", "c", BrokerSettings(), clean=True)
        connection._seldom = RateLimitedLog(client_module._log, now=lambda: now[0])
        monkeypatch.setattr(connection, "_connect", connect)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        connection._lost.set()
        task = asyncio.create_task(connection._keep_connected())
        await asyncio.wait_for(ended.wait(), 60)
        task.cancel()

    asyncio.run(scenario())
    assert attempts[0] > 3000
    assert 3 <= len(lines) <= 40, told(lines)


def test_an_outage_that_follows_another_at_once_is_told_too(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    told_s: list[float] = []
    ended = asyncio.Event()
    connection: MqttConnection

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def connect() -> None:
        told_s.extend([now[0]] * (len(lines) - len(told_s)))
        if now[0] > 1060:
            ended.set()
            await asyncio.Event().wait()
        if not 1002 < now[0] < 1003:
            raise OSError(111, "refused")
        connection._lost.clear()
        asyncio.get_running_loop().call_soon(connection._lost.set)

    async def scenario() -> None:
        nonlocal connection
        connection = MqttConnection("commands", "c", BrokerSettings(), clean=True)
        connection._seldom = RateLimitedLog(client_module._log, now=lambda: now[0])
        monkeypatch.setattr(connection, "_connect", connect)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        connection._lost.set()
        task = asyncio.create_task(connection._keep_connected())
        await asyncio.wait_for(ended.wait(), 60)
        task.cancel()

    asyncio.run(scenario())
    failed = [
        moment
        for line, moment in zip(lines, told_s, strict=True)
        if line["event"] == "MQTT broker not reached, trying on"
    ]
    assert failed[0] < 1002
    assert 1010 < failed[1] < 1013
    assert len(failed) == 2
