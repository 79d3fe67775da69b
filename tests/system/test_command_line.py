"""Starting and ending: what is said, with which exit status, and that nothing is left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evse_daemon.exit_codes import ExitCode
from evse_daemon.mqtt.topics import api_var
from tests.support.brokers import MISSING, Mosquitto, free_port, mosquitto_binary
from tests.system.clients import (
    CARSIM,
    CARSIM_MODIFY,
    LONG_SESSION,
    POWER_COMMAND,
    SESSION,
    TOPICS,
    Client,
)
from tests.system.conftest import Start
from tests.system.processes import (
    ELSEWHERE,
    START_S,
    Daemon,
    clean_environment,
    configuration,
    run,
    until,
    where,
)

needs_mosquitto = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)
AT_ONCE_S = 8.0
"""Less than station.END_S, which something that did not end would take; how long it takes is a benchmark's matter."""


def port_is_free(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


# Starting.


def test_it_refuses_to_publish_beside_a_live_station(mosquitto: Mosquitto, start: Start) -> None:
    start(["simulate", *where(mosquitto), "--speed", "10"])
    with Client(mosquitto.port, "#") as client:
        client.wait_available()
        first_heard = client.mark()
        second = start(["simulate", *where(mosquitto)])
        assert second.ended() == 5
        assert "a station is online there" in second.err
        assert "--prefix everest_2 --external-prefix everest_2_api/" in second.err
        assert "Traceback" not in second.err
        client.wait(api_var("evse_manager", "session_info"), since=client.mark())
        assert client.events(first_heard) == []
        assert client.on(TOPICS.status, first_heard) == []
    third = start(["simulate", *where(mosquitto), "--prefix", "everest_2"])
    third.says("-t 'everest_2/#'")
    third.says("there is no external prefix")
    third.says("Enabled")


def test_it_refuses_beside_a_station_that_only_publishes(mosquitto: Mosquitto, start: Start) -> None:
    """As EVerest's own does, which has no status topic."""
    daemon = start(["simulate", *where(mosquitto)])
    with Client(mosquitto.port) as everest:
        while daemon.process.poll() is None:
            assert time.monotonic() < daemon.started_s + START_S, daemon.describe()
            everest.publish(TOPICS.var("some_evse", "evse", "limits"), "{}", qos=0)
            time.sleep(0.05)
    assert daemon.process.returncode == ExitCode.STATION_ONLINE, daemon.describe()
    assert "something is publishing below everest/ there" in daemon.err
    assert "--prefix" in daemon.err


@pytest.mark.parametrize("how", ["argument", "variables", "socket", "configuration"])
def test_a_configured_broker_that_does_not_answer_ends_it_at_once(
    how: str, tmp_path: Path, start: Start
) -> None:
    port = free_port()
    match how:
        case "argument":
            daemon = start(["simulate", "--broker", f"127.0.0.1:{port}"])
        case "variables":
            daemon = start(
                ["simulate"], environ={"EV_MQTT_BROKER_HOST": "127.0.0.1", "EV_MQTT_BROKER_PORT": str(port)}
            )
        case "socket":
            daemon = start(["simulate", "--socket", str(tmp_path / "nothing.sock")])
        case _:
            daemon = start(
                ["run", str(configuration(tmp_path, port)), "--state-dir", str(tmp_path / "state")]
            )
    assert daemon.ended(START_S) == 4
    assert ("nothing.sock" if how == "socket" else f"127.0.0.1:{port}") in daemon.err
    assert "EV_MQTT_BROKER_" in daemon.err
    assert "Traceback" not in daemon.err
    assert len(daemon.err.strip().splitlines()) <= 3
    assert daemon.out == ""


@pytest.mark.parametrize("command", ["run", "simulate", "check-config"])
def test_a_bad_configuration_is_refused_with_each_problem_and_its_line(
    command: str, tmp_path: Path, start: Start
) -> None:
    file = configuration(tmp_path, free_port())
    text = file.read_text("utf-8").replace("fuse_limit_A: 32", "fuse_limit_A: lots")
    file.write_text(text.replace("module_id: yeti_driver", "module_id: yeti_diver", 1), "utf-8")
    daemon = start([command, *(["--config"] if command == "simulate" else []), str(file)])
    assert daemon.ended() == 3
    said = daemon.out if command == "check-config" else daemon.err
    for words in ("yeti_diver", "fuse_limit_A", f"{file}:"):
        assert words in said
    assert "Traceback" not in daemon.err


@pytest.mark.parametrize(
    "arguments", [[], ["simulat"], ["run"], ["simulate", "--speed", "0"], ["simulate", "--sped"]]
)
def test_wrong_usage(arguments: list[str], start: Start) -> None:
    daemon = start(arguments)
    assert daemon.ended() == 2
    assert "usage: evse-daemon" in daemon.err


def test_help_and_version(start: Start) -> None:
    told = start(["--help"]), start(["simulate", "--help"]), start(["--version"])
    for daemon in told:
        assert daemon.ended() == ExitCode.OK
        assert daemon.err == ""
    assert "examples:" in told[0].out
    assert "--prefix" in told[1].out
    assert told[2].out.startswith("evse-daemon ")


# Ending.


@needs_mosquitto
def test_ctrl_c_in_a_session_ends_it_at_once_and_leaves_nothing_running(start: Start) -> None:
    port = free_port()
    daemon = start([str(port), "simulate", "--speed", "10"], program=ELSEWHERE)
    daemon.says("Enabled")
    with Client(port, "#") as client:
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        children = daemon.children()
        assert [child.name() for child in children] == ["mosquitto"]
        since = client.mark()
        daemon.ctrl_c()
        assert daemon.ended(AT_ONCE_S) == ExitCode.OK, daemon.describe()
        # The broker ends with the simulator: clients need not get the last that was said.
        commands = client.on(POWER_COMMAND, since)
        assert not any(heard.data["args"]["value"]["allow_power_on"] for heard in commands)
    assert not any(child.is_running() for child in children)
    assert port_is_free(port)
    assert daemon.out.splitlines()[-1] == "Ended; power is off."
    assert daemon.err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_switches_power_off_and_leaves_only_the_status_offline(
    number: signal.Signals, mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    daemon = start(run(tmp_path, mosquitto))
    with Client(mosquitto.port, "#") as client:
        client.wait_available()
        client.publish(CARSIM, LONG_SESSION.replace("sleep 1;", ""))
        client.wait_event("ChargingStarted")
        since = client.mark()
        daemon.process.send_signal(number)
        assert daemon.ended(AT_ONCE_S) == ExitCode.OK
        client.wait(TOPICS.status, lambda heard: heard.payload == "offline", since=since)
        commands = client.on(POWER_COMMAND, since)
        assert commands
        assert not any(heard.data["args"]["value"]["allow_power_on"] for heard in commands)
    with Client(mosquitto.port, "#") as late:
        late.wait(TOPICS.status)
        # Nothing is retained that says there is a station.
        assert {(heard.topic, heard.payload) for heard in late.messages if heard.retain} == {
            (TOPICS.status, "offline"),
            (TOPICS.var("evse_manager", "evse", "ready"), '{"data":false,"msg_type":"Var"}'),
        }


@needs_mosquitto
@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.4, 0.55])
def test_ctrl_c_while_it_starts(after_s: float, start: Start) -> None:
    port = free_port()
    daemon = start([str(port), "simulate"], program=ELSEWHERE)
    until(lambda: psutil.Process(daemon.process.pid).cpu_times().user > 0.05)
    time.sleep(after_s)  # to hit it at some place, whichever
    daemon.ctrl_c()
    # Python may end itself by the signal: the shell shows 130 for both.
    assert daemon.ended(AT_ONCE_S) in {ExitCode.OK, ExitCode.INTERRUPTED, -signal.SIGINT}, daemon.describe()
    assert daemon.err == ""
    assert port_is_free(port)
    assert left_behind(daemon) == []


def left_behind(daemon: Daemon) -> list[int]:
    """Processes that an ended daemon has left in its group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == daemon.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


@needs_mosquitto
def test_kill_9_leaves_no_broker_behind(start: Start) -> None:
    port = free_port()
    daemon = start([str(port), "simulate", "--speed", "10"], program=ELSEWHERE)
    daemon.says("Enabled")
    (broker,) = daemon.children()
    daemon.kill()
    until(lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE, AT_ONCE_S)
    until(lambda: port_is_free(port), AT_ONCE_S)


# An output that nobody reads.


@pytest.fixture
def blocked() -> Iterator[int]:
    """The writing end of a pipe that is full, and never read."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


def test_a_blocked_output_does_not_delay_a_power_off_nor_the_end(
    mosquitto: Mosquitto, start: Start, blocked: int
) -> None:
    daemon = start(["simulate", *where(mosquitto), "--speed", "20", "--log-level", "debug"], output=blocked)
    with Client(mosquitto.port, "#") as client:
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        since = client.mark()
        client.publish(CARSIM_MODIFY, "unplug")
        board = TOPICS.var("yeti_driver", "board_support", "event")
        gone = client.wait(board, lambda heard: heard.data["event"] == "A", since=since)
        off = client.wait(
            POWER_COMMAND, lambda heard: not heard.data["args"]["value"]["allow_power_on"], since=since
        )
        assert abs(off.at_s - gone.at_s) < 0.2
        client.wait_event("SessionFinished", since)
        daemon.ctrl_c()
        assert daemon.ended(AT_ONCE_S) == ExitCode.OK
        client.wait(TOPICS.status, lambda heard: heard.payload == "offline", since=since)


def test_a_reader_that_goes_away_ends_nothing(mosquitto: Mosquitto, start: Start) -> None:
    """evse-daemon simulate | head -1."""
    reading, writing = os.pipe()
    daemon = start(["simulate", *where(mosquitto), "--speed", "20"], output=writing)
    os.close(writing)
    assert os.read(reading, 100).startswith(b"Broker: the configured broker")
    os.close(reading)
    with Client(mosquitto.port, "#") as client:
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, SESSION)
        client.wait_event("SessionFinished")
        daemon.ctrl_c()
        daemon.ended(AT_ONCE_S)
        client.wait(TOPICS.status, lambda heard: heard.payload == "offline")


def test_the_console_command_is_the_module() -> None:
    """The other tests start ``python -m evse_daemon``; what users type is the same."""
    command = Path(sys.executable).with_name("evse-daemon")
    if not command.exists():
        pytest.skip(
            f"NOT TESTED: there is no {command.name} beside {sys.executable}: the package is not installed"
        )
    told = [
        subprocess.run([*program, "--help"], check=True, capture_output=True, env=clean_environment()).stdout
        for program in ([str(command)], [sys.executable, "-m", "evse_daemon"])
    ]
    assert told[0] == told[1]
