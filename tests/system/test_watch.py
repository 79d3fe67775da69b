"""``evse-daemon watch``: everything is shown, nobody is disturbed, and it ends when told."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from evse_daemon.exit_codes import ExitCode
from evse_daemon.mqtt.topics import Topics, api_var
from tests.support.brokers import Mosquitto, free_port
from tests.system.clients import EVENTS, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import Daemon, until, where

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
AT_ONCE_S = 2.0
VAR = TOPICS.var("m", "i", "x")


def watching(start: Start, broker: Mosquitto, *arguments: str, **how: Any) -> Daemon:
    """A watch that hears already."""
    daemon: Daemon = start(["watch", *where(broker), *arguments], **how)
    until(lambda: "Watching everest/" in daemon.err, what=daemon.describe)
    return daemon


def ends(daemon: Daemon) -> str:
    daemon.ctrl_c()
    assert daemon.ended(AT_ONCE_S) == ExitCode.OK, daemon.describe()
    assert "Traceback" not in daemon.err
    return daemon.out


def var(value: object) -> str:
    return json.dumps({"data": value, "msg_type": "Var"})


def test_each_kind_of_message_is_a_line(mosquitto: Mosquitto, start: Start) -> None:
    daemon = watching(start, mosquitto)
    error = {"type": "a/B", "state": "Active", "severity": "High", "message": "too hot", "sub_type": "left"}
    with Client(mosquitto.port) as client:
        client.publish(VAR, var({"a": 1}))
        client.publish(TOPICS.command("m", "i", "do"), '{"id":"1","origin":"me","args":{"b":2}}')
        client.publish(
            TOPICS.response("m", "i", "do", "me"),
            '{"data":{"type":"result","data":{"id":"1","origin":"m","retval":true}},"msg_type":"CmdResult"}',
        )
        client.publish(
            TOPICS.response("m", "i", "do", "me"),
            '{"data":{"id":"1","origin":"m","error":{"event":"Timeout","msg":"late"}},"name":"do","type":"result"}',
        )
        client.publish(TOPICS.error("m", "i", "a/B"), json.dumps({"data": error, "msg_type": "RaiseError"}))
        client.publish(VAR, "{")
        client.publish(TOPICS.status, "online")
        daemon.says("online")
    lines = [re.sub(r"^[0-9:.]{12} +", "", line) for line in ends(daemon).splitlines()]
    assert [re.sub(" +", " ", line) for line in lines] == [
        'm/i var x {"a":1}',
        'm/i cmd do {"b":2} from me',
        "m/i result do for me: true",
        "m/i result do for me: Timeout: late",
        "m/i error a/B/left Active (High): too hot",
        "m/i var x cannot be read, it is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1): {",
        "evse_daemon/everest/status online",
    ]


def test_filters_choose_what_is_shown(mosquitto: Mosquitto, start: Start) -> None:
    daemon = watching(
        start, mosquitto, "--module", "evse_*", "--implementation", "evse", "--kind", "var", "--kind", "error",
        "--name", "session_event", "--name", "ready",
    )  # fmt: skip
    with Client(mosquitto.port) as client:
        for number, topic in enumerate(
            (
                TOPICS.var("yeti", "evse", "ready"),
                TOPICS.var("evse_manager", "other", "ready"),
                TOPICS.var("evse_manager", "evse", "limits"),
                TOPICS.command("evse_manager", "evse", "ready"),
                TOPICS.var("evse_manager", "evse", "ready"),
                EVENTS,
            )
        ):
            client.publish(topic, var(number))
        daemon.says("session_event 5")
    assert [line.split()[-1] for line in ends(daemon).splitlines()] == ["4", "5"]


def test_json_for_programs_tells_all_of_a_message(mosquitto: Mosquitto, start: Start) -> None:
    daemon = watching(start, mosquitto, "--json", "--topic", "everest_api/#")
    with Client(mosquitto.port) as client:
        client.publish(VAR, var("\x9bé"), qos=0)
        client.publish(api_var("evse_manager", "datetime"), "x", qos=2)
        daemon.says("datetime")
    first, second = [json.loads(line) for line in ends(daemon).splitlines()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "topic": VAR, "qos": 0, "retain": False, "kind": "var", "name": "x", "module": "m",
        "implementation": "i", "value": "\x9bé",
    }  # fmt: skip
    assert (second["kind"], second["value"], second["qos"]) == ("other", "x", 2)


def test_a_message_cannot_command_the_terminal(mosquitto: Mosquitto, start: Start) -> None:
    daemon = watching(start, mosquitto)
    with Client(mosquitto.port) as client:
        client.publish(VAR, '{"data":"\x9b2J\x7f"}')
        client.publish(TOPICS.status, "\x1b]0;title\x07\nfaked line")
        daemon.says("faked")
    out = ends(daemon)
    assert "\\x9b2J\\x7f" in out
    assert "\\x1b]0;title\\x07\\nfaked line" in out
    assert len(out.splitlines()) == 2


def test_a_session_of_the_real_everest_is_shown(mosquitto: Mosquitto, start: Start) -> None:
    file = GOLDEN / "05_error_rcd.jsonl.gz"
    if not file.exists():
        pytest.skip(f"NOT TESTED: the recordings of EVerest are not at {GOLDEN}")
    daemon = watching(start, mosquitto, "--json")
    with gzip.open(file, "rt", encoding="utf-8") as lines, Client(mosquitto.port) as client:
        messages = [message for message in map(json.loads, lines) if message["topic"].startswith("everest/")]
        for message in messages:
            client.publish(message["topic"], message["payload"], qos=message["qos"])
        client.publish(TOPICS.status, "the end")
        daemon.says("the end")
    shown = [json.loads(line) for line in ends(daemon).splitlines()][:-1]
    assert [line["topic"] for line in shown] == [message["topic"] for message in messages]
    assert not any("problem" in line for line in shown)
    events = [line["value"]["event"] for line in shown if line["name"] == "session_event"]
    assert events[0] == "Enabled"
    assert {"TransactionStarted", "ChargingPausedEVSE", "TransactionFinished"} <= set(events)
    raised = [line for line in shown if line["kind"] == "error"]
    assert {line["value"]["state"] for line in raised} == {"Active", "ClearedByModule"}


def test_it_leaves_no_trace_on_the_broker(mosquitto: Mosquitto, start: Start) -> None:
    """A clean session without a will, nothing published: neither while it runs nor when it is killed."""
    with Client(mosquitto.port, "#") as client:
        since = client.mark()
        daemon = watching(start, mosquitto)
        other = watching(start, mosquitto)
        ends(daemon)
        other.kill()
        client.publish(VAR, var(1))
        client.wait(VAR)
        assert [heard.topic for heard in client.messages[since:]] == [VAR]
    log = mosquitto.log_file.read_text("utf-8")
    connected = [line for line in log.splitlines() if "connected" in line and "evse-daemon-watch" in line]
    assert len([line for line in connected if "(p2, c1," in line]) == 2, connected
    assert "Will message specified" not in log


# A broker that goes, a reader that does not read, the end.


def test_a_broker_that_goes_away_is_said_and_comes_back(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    recording = tmp_path / "session.log"
    daemon = watching(start, mosquitto, "--record", str(recording))
    mosquitto.restart()
    until(lambda: "MQTT broker reached again" in daemon.err, what=daemon.describe)
    assert "MQTT connection lost" in daemon.err
    with Client(mosquitto.port) as client:
        client.publish(VAR, var("after"))
        daemon.says("after")
    told = len(daemon.err)
    mosquitto.stop()
    # So soon after the first time it is not said that it is lost, only that it is not there.
    until(lambda: "MQTT broker not reached" in daemon.err[told:], what=daemon.describe)
    ends(daemon)
    lost, message, again = recording.read_text("utf-8").splitlines()
    assert lost == again == "# messages may be missing: the connection to the broker was lost"
    assert message.endswith(var("after"))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for number in (reading, writing):
        try:
            os.close(number)
        except OSError:
            continue


def test_a_reader_that_does_not_read_costs_messages_not_memory(
    mosquitto: Mosquitto, start: Start, pipe: tuple[int, int]
) -> None:
    """Of 100 MB that are published while nobody reads it holds 16, and it says how many messages are lost."""
    reading, writing = pipe
    daemon = start(["watch", *where(mosquitto), "--json"], output=writing)
    os.close(writing)
    large, count = var("x" * 100_000), 1000
    read = os.read(reading, 65536)
    assert read.startswith(b"Watching")
    process = psutil.Process(daemon.process.pid)
    with Client(mosquitto.port) as client:
        before = process.memory_info().rss
        for _ in range(count):
            client.publish(VAR, large)
        grown = process.memory_info().rss - before
        assert grown < 60e6
    text, shown, dropped = b"", 0, 0
    while shown + dropped < count:
        text += os.read(reading, 1 << 20)
        shown = text.count(VAR.encode())
        dropped = sum(map(int, re.findall(rb'\{"dropped":(\d+)\}\n', text)))
    assert shown + dropped == count
    assert dropped > 100
    daemon.ctrl_c()
    assert daemon.ended(AT_ONCE_S) == ExitCode.OK


def test_ctrl_c_ends_it_though_its_output_is_blocked(
    mosquitto: Mosquitto, start: Start, pipe: tuple[int, int]
) -> None:
    reading, writing = pipe
    daemon = start(["watch", *where(mosquitto)], output=writing)
    os.close(writing)
    with Client(mosquitto.port) as client:
        assert os.read(reading, 65536).startswith(b"Watching")
        for _ in range(10):
            client.publish(VAR, var("x" * 100_000))
    daemon.ctrl_c()
    assert daemon.ended(AT_ONCE_S) == ExitCode.OK


def test_it_ends_when_its_reader_has_gone(mosquitto: Mosquitto, start: Start, pipe: tuple[int, int]) -> None:
    """evse-daemon watch | head -1."""
    reading, writing = pipe
    daemon = start(["watch", *where(mosquitto)], output=writing)
    os.close(writing)
    assert os.read(reading, 65536).startswith(b"Watching")
    os.close(reading)
    with Client(mosquitto.port) as client:
        client.publish(VAR, var(1))
        assert daemon.ended() == ExitCode.OK


def test_sigterm_ends_it_as_ctrl_c_does(mosquitto: Mosquitto, start: Start) -> None:
    daemon = watching(start, mosquitto)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.ended(AT_ONCE_S) == ExitCode.OK


@pytest.mark.parametrize("command", [["watch"], ["call", "m", "i", "c"], ["replay", os.devnull]])
def test_a_broker_that_is_not_there_is_said(command: list[str], start: Start) -> None:
    port = free_port()
    daemon = start([*command, "--broker", f"127.0.0.1:{port}"])
    assert daemon.ended() == ExitCode.BROKER
    assert f"127.0.0.1:{port}" in daemon.err
    assert "Traceback" not in daemon.err


@pytest.mark.parametrize("command", [["watch"], ["call", "m", "i", "c"], ["replay", os.devnull]])
def test_ctrl_c_while_it_waits_for_the_broker(command: list[str], start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon = start([*command, "--broker", f"127.0.0.1:{silent.getsockname()[1]}"])
        silent.settimeout(15)
        with silent.accept()[0] as connection:
            connection.settimeout(15)
            assert connection.recv(100)
            daemon.ctrl_c()
            assert daemon.ended(AT_ONCE_S) in {ExitCode.INTERRUPTED, -signal.SIGINT}
    assert "Traceback" not in daemon.err


def test_the_broker_and_prefix_of_a_configuration_and_of_the_environment(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    station = Topics("one/two")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"settings: {{mqtt_broker_host: 127.0.0.1, mqtt_broker_port: {mosquitto.port}, mqtt_everest_prefix: one/two}}\n"
        "active_modules: {token_validator: {module: DummyTokenValidator}}\n",
        "utf-8",
    )
    by_config = start(["watch", "--config", str(config)])
    by_environment = start(
        ["watch"],
        environ={"EV_MQTT_BROKER_SOCKET_PATH": mosquitto.socket_path, "EV_MQTT_EVEREST_PREFIX": "one/two/"},
    )
    for daemon in (by_config, by_environment):
        until(lambda daemon=daemon: "Watching one/two/" in daemon.err, what=daemon.describe)  # type: ignore[misc]
    with Client(mosquitto.port) as client:
        client.publish(VAR, var("of another station"))
        client.publish(station.var("m", "i", "x"), var("ours"))
        for daemon in (by_config, by_environment):
            daemon.says("ours")
            assert "another" not in ends(daemon)
