"""Bad input on every topic that the daemon hears: it is answered or logged once, and the session goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evse_daemon.config import load
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.interface import Command
from evse_daemon.mqtt.topics import api_command, nodered_command
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.brokers import Mosquitto, start_mosquitto
from tests.support.fakes import FakeMqtt
from tests.system.clients import (
    BEGIN,
    CARSIM,
    CARSIM_MODIFY,
    END,
    EVENTS,
    LONG_SESSION,
    POWER_COMMAND,
    TOPICS,
    Client,
    Heard,
)
from tests.system.conftest import Start
from tests.system.processes import START_S, Daemon, run, simulate

ORIGIN = "vandal"
BOARD = TOPICS.var("yeti_driver", "board_support", "event")
METER = TOPICS.var("evse_manager", "evse", "powermeter")
PILOT_COMMAND = TOPICS.command("yeti_driver", "board_support", "cp_state_X1")
MEGABYTE = 1_000_000

NO_CALLS: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "binary": bytes(range(256)),
    "NUL": b"\0" * 1000,
    "a number": b"12",
    "null": b"null",
    "a list": b"[]",
    "no id": b'{"origin":"vandal","args":{}}',
    "no origin": b'{"id":"1","args":{}}',
    "an origin that is a topic": b'{"id":"1","origin":"a/b/#","args":{}}',
    "an id that is an object": b'{"id":{},"origin":"vandal","args":{}}',
    "a huge integer": b'{"id":"1","origin":"vandal","args":{"value":' + b"9" * 10_000 + b"}}",
    "deep nesting": b"[" * 200_000,
    "deep nesting in a call": b'{"id":"1","origin":"vandal","args":{"value":' + b'{"a":' * 50_000,
    "a megabyte": b"x" * MEGABYTE,
    "a megabyte of JSON": b'{"id":"1","origin":"vandal","args":{"value":"' + b"x" * MEGABYTE + b'"}}',
}
"""Payloads that name nobody who could be answered, or are not taken in: logged, rate-limited."""

BAD_CALLS: dict[str, str] = {
    "NaN": '{"id":"%s","origin":"vandal","args":{"value":NaN}}',
    "infinity": '{"id":"%s","origin":"vandal","args":{"value":-Infinity}}',
    "arguments that are a list": '{"id":"%s","origin":"vandal","args":[1]}',
    "arguments that are a text": '{"data":{"id":"%s","origin":"vandal","args":"x"},"msg_type":"Cmd"}',
    "another kind of message": '{"data":{"id":"%s","origin":"vandal","args":{}},"msg_type":"Var"}',
    "no kind of message": '{"data":{"id":"%s","origin":"vandal","args":{}}}',
}
"""Payloads that can be answered: each gets one error result."""

OTHER_TOKEN = json.dumps(
    {"id_token": {"value": "SOMEBODY", "type": "ISO14443"}, "authorization_type": "RFID"}
)
"""A valid token, for which no EVSE is free."""

WRONG: tuple[Any, ...] = (None, [], "x" * 70_000, 1e308)
"""Values that no argument of any command takes."""


class Target(NamedTuple):
    """A command that the running station knows."""

    module_id: str
    implementation_id: str
    command: str

    @property
    def topic(self) -> str:
        return TOPICS.command(*self)


class Bench(NamedTuple):
    broker: Mosquitto
    daemon: Daemon
    client: Client


@pytest.fixture(scope="module")
def built() -> tuple[Mapping[Target, Command[..., Any]], list[str]]:
    """What the station should hear: its commands, and its topics outside the tree."""
    import simulators

    config = load(Path(simulators.__file__).with_name("config-sim.yaml"), {})
    mqtt = FakeMqtt()
    station = Station(config, VirtualClock(), MemoryJournal(), lambda _: None)
    station.build(mqtt)
    commands = {
        Target(module_id, implementation_id, name): command
        for (module_id, implementation_id), found in station.bus.implementations.items()
        for name, command in found.interface.commands.items()
    }
    return commands, [topic for topic, _, _ in mqtt._subscriptions]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A station in the middle of a session."""
    folder = tmp_path_factory.mktemp("station")
    broker = start_mosquitto(folder)
    with Client(broker.port, "#") as client:
        daemon = simulate(folder / "daemon", broker, speed=5)
        try:
            client.wait_available()
            since = client.mark()
            client.publish(CARSIM, LONG_SESSION)
            client.wait_event("ChargingStarted", since)
            yield Bench(broker, daemon, client)
            # It can be ended as any other.
            client.publish(CARSIM_MODIFY, "unplug")
            client.wait_event("SessionFinished", since)
            assert tuple(client.events(since)) == (*BEGIN, *END)
        finally:
            daemon.end()
            broker.stop()


@pytest.fixture
def charging(station: Bench) -> Iterator[Bench]:
    """The station charges before and after the test, and nothing has happened in between."""
    client = station.client
    client.wait(METER, charges, since=client.mark())
    since = client.mark()
    yield station
    assert station.daemon.process.poll() is None, station.daemon.describe()
    client.wait(METER, charges, since=client.mark())
    assert client.on(EVENTS, since) == []
    assert client.on(BOARD, since) == []
    # Written without spaces it is the daemon's own.
    commands = [*client.on(POWER_COMMAND, since), *client.on(PILOT_COMMAND, since)]
    assert [heard for heard in commands if '"origin":"evse_manager"' in heard.payload] == []


def charges(heard: Heard) -> bool:
    return bool(heard.data["power_W"]["total"] > 10_000)


def commands_of(client: Client) -> set[Target]:
    """Every command there is, as the running station tells who asks for one that there is not."""
    found = set()
    for module_id in there_are(client, "nobody", "x", "y"):
        for implementation_id in there_are(client, module_id, "nobody", "y"):
            for command in there_are(client, module_id, implementation_id, "nobody"):
                found.add(Target(module_id, implementation_id, command))
    return found


def there_are(client: Client, *address: str) -> list[str]:
    call = {"id": "-".join(address), "origin": ORIGIN, "args": {}}
    error = client.call(TOPICS.command(*address), call, ORIGIN).data["error"]
    assert error["event"] == "SchemaValidationFailed"
    names = re.fullmatch(r".*; there are: (.*)", error["msg"])
    assert names is not None, error
    return [] if names[1] == "none" else names[1].split(", ")


def flush(client: Client) -> None:
    """Until everything that was published is handled: a last call is answered."""
    call = {"id": f"flush {client.mark()}", "origin": "flush", "args": {}}
    client.call(TOPICS.command("evse_manager", "evse", "get_evse"), call, "flush")


def log_lines(daemon: Daemon) -> int:
    """How long the log is; there is no crash in it."""
    assert "Traceback" not in daemon.err
    return len(daemon.err.splitlines())


def test_on_the_topic_of_every_command(
    charging: Bench, built: tuple[Mapping[Target, Command[..., Any]], list[str]]
) -> None:
    client, daemon = charging.client, charging.daemon
    commands, _ = built
    assert commands_of(client) == set(commands)
    nowhere = [
        Target("nobody", "x", "y"),
        Target("evse_manager", "x", "y"),
        Target("evse_manager", "evse", "y"),
    ]
    targets = [*commands, *nowhere]

    def round_of_bad_input(number: int) -> set[tuple[str, str]]:
        wanted = set()
        for target in targets:
            for payload in NO_CALLS.values():
                if number == 1 or len(payload) < MEGABYTE:
                    client.publish(target.topic, payload, qos=0)
            for name, text in BAD_CALLS.items():
                call_id = f"{number} {name}"
                client.publish(target.topic, text % call_id, qos=0)
                wanted.add((f"{target.topic}/response/{ORIGIN}", call_id))
            arguments = commands[target].arguments if target in commands else {}
            for index, value in enumerate(WRONG if arguments else ()):
                call_id = f"{number} wrong {index}"
                call = {"id": call_id, "origin": ORIGIN, "args": dict.fromkeys(arguments, value)}
                client.publish(target.topic, json.dumps(call), qos=index % 3)
                wanted.add((f"{target.topic}/response/{ORIGIN}", call_id))
            if arguments:
                call_id = f"{number} no arguments"
                client.publish(target.topic, json.dumps({"id": call_id, "origin": ORIGIN}), qos=0)
                wanted.add((f"{target.topic}/response/{ORIGIN}", call_id))
        flush(client)
        return wanted

    since, before = client.mark(), log_lines(daemon)
    wanted = round_of_bad_input(1)
    answers = [heard for heard in client.messages[since:] if heard.topic.endswith(f"/response/{ORIGIN}")]
    answered = [
        (heard.topic, (heard.data if "msg_type" in heard.json else heard.json["data"])["id"])
        for heard in answers
    ]
    assert wanted <= set(answered)
    assert len(answered) == len(set(answered))
    assert [(heard.topic, heard.data["id"]) for heard in answers if "error" not in heard.data] == []

    lines = log_lines(daemon) - before
    assert lines < 3 * len(targets)
    round_of_bad_input(2)
    assert log_lines(daemon) - before < lines * 1.5


def test_commands_of_the_hardware_are_refused_from_outside(
    charging: Bench, built: tuple[Mapping[Target, Command[..., Any]], list[str]]
) -> None:
    client = charging.client
    value: dict[str, Any] = {
        "allow_power_on": {"value": {"allow_power_on": False, "reason": "PowerOff"}},
        "enable": {"value": False},
        "pwm_on": {"value": 10.0},
        "cp_state_X1": {},
        "cp_state_F": {},
        "unlock": {},
        "stop_transaction": {"transaction_id": "x"},
        "reset": {},
    }
    since = client.mark()
    hardware = [
        target
        for target in built[0]
        if target.module_id == "yeti_driver"
        and target.implementation_id in {"board_support", "connector_lock", "powermeter", "rcd"}
        and target.command in value
    ]
    assert len(hardware) == len(value)
    for target in hardware:
        call = {"id": "1", "origin": "evse_manager", "args": value[target.command]}
        for payload in (call, {"data": call, "msg_type": "Cmd"}):
            answer = client.call(target.topic, payload, "evse_manager")
            assert "hardware" in answer.data["error"]["msg"]
            assert answer.data["error"]["event"] == "HandlerException"
    client.wait(METER, since=since)


def test_on_the_topics_outside_the_tree(
    charging: Bench, built: tuple[Mapping[Target, Command[..., Any]], list[str]]
) -> None:
    client, daemon = charging.client, charging.daemon
    log = charging.broker.log_file.read_text("utf-8")
    heard = set(re.findall(r"evse_daemon-everest-subscribe 2 (\S+)", log))
    assert heard == {TOPICS.all_commands, *built[1]}
    # Any payload pauses, resumes or stops, or unlocks connector 1: that is what seed 003 says.
    any_payload = {
        api_command("evse_manager", name)
        for name in ("pause_charging", "resume_charging", "stop_charging", "force_unlock")
    } | {
        # Buttons of Node-RED's flow send what they like (api.md §4.4).
        nodered_command(1, name)
        for name in ("enable", "disable", "pause_charging", "resume_charging")
    }
    everything = {
        "unknown keys": b'{"connector_id":0,"state":"Disable","boom":1}',
        "NaN for a number": b'{"connector_id":NaN,"state":"Disable"}',
        "wrong types": b'{"connector_id":"0","source":7,"state":[],"priority":{}}',
        "an unknown statement": b"explode 1,2;sleep nan",
        "numbers that are none": b"-1",
        **NO_CALLS,
    }
    not_taken = {
        name: everything[name] for name in ("binary", "a megabyte", "a megabyte of JSON", "deep nesting")
    }
    orders = (
        {  # to connector 12; a limit; a duration
            api_command("evse_manager", name): {"a number"}
            for name in ("enable", "disable", "uk_random_delay_set_max_duration_s")
        }
        | {
            api_command("evse_manager", name): {"a number", "numbers that are none"}
            for name in ("set_limit_amps", "set_limit_watts")
        }
        | {
            nodered_command(1, name): {"a number", "numbers that are none"}
            for name in ("set_max_current", "set_max_watt")
        }
    )

    def round_of_bad_input() -> None:
        for topic in built[1]:
            for name, payload in (not_taken if topic in any_payload else everything).items():
                if name not in orders.get(topic, ()):
                    client.publish(topic, payload)
        flush(client)

    before = log_lines(daemon)
    round_of_bad_input()
    lines = log_lines(daemon) - before
    assert len(built[1]) <= lines < 3 * len(built[1])
    for _ in range(5):
        round_of_bad_input()
    assert log_lines(daemon) - before < lines * 1.5


def test_a_flood_of_bad_input_does_not_flood_the_log(charging: Bench) -> None:
    client, daemon = charging.client, charging.daemon
    before = log_lines(daemon)
    topic = TOPICS.command("evse_manager", "evse", "enable_disable")
    for number in range(1000):
        client.publish(topic, b"{", qos=0)
        client.publish(TOPICS.command(f"module{number}", "x", "y"), b"{", qos=0)
        client.publish(api_command("evse_manager", "enable_disable"), b"{", qos=0)
        client.publish(CARSIM_MODIFY, b"explode", qos=0)
        client.publish(api_command("dummy_token_provider", "provide"), OTHER_TOKEN, qos=0)
    flush(client)
    assert log_lines(daemon) - before < 20


def test_retained_commands_are_not_executed(tmp_path: Path, start: Start) -> None:
    """They stand on the broker before the daemon comes, and come again whenever it reconnects."""
    broker = start_mosquitto(tmp_path, persistent=True)
    disable = {"enable_source": "LocalAPI", "enable_state": "Disable", "enable_priority": 0}
    call = {"id": "old", "origin": "external", "args": {"connector_id": 0, "cmd_source": disable}}
    retained = {
        TOPICS.command("evse_manager", "evse", "enable_disable"): json.dumps(call),
        TOPICS.command(
            "evse_manager", "evse", "pause_charging"
        ): '{"id":"old","origin":"external","args":{}}',
        POWER_COMMAND: '{"id":"old","origin":"external","args":{"value":{"allow_power_on":true,"reason":"PowerOff"}}}',
        api_command("evse_manager", "disable"): "0",
        api_command("evse_manager", "stop_charging"): "x",
        CARSIM: "sleep 1;iec_wait_pwr_ready",
        CARSIM_MODIFY: "unplug",
    }
    try:
        with Client(broker.port, "#") as client:
            for topic, payload in retained.items():
                client.publish(topic, payload, retain=True)
            daemon = start(run(tmp_path, broker))
            client.wait_available()
            flush(client)
            for _ in range(2):
                assert client.events() == []
                assert not [heard for heard in client.messages if heard.topic.endswith("/response/external")]
                since = client.mark()
                broker.restart()
                client.wait(TOPICS.status, lambda heard: not heard.retain, since=since, timeout_s=START_S)
                client.wait(METER, since=client.mark())
                flush(client)
            said = [line for line in daemon.err.splitlines() if "it is retained" in line]
            assert {topic for topic in retained if any(topic in line for line in said)} == set(retained)
            assert len(said) == len(retained)
            client.publish(CARSIM, "iec_wait_pwr_ready;sleep 1;unplug")
            client.wait_event("SessionStarted")
    finally:
        broker.stop()
