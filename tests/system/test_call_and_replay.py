"""``evse-daemon call`` and ``evse-daemon replay`` against a running station, and against what stands in for others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from evse_daemon.exit_codes import ExitCode
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, EVENTS, LONG_SESSION, POWER_COMMAND, TOPICS, Client
from tests.system.conftest import Running, Start
from tests.system.processes import Daemon, until, where

EVSE = ["evse_manager", "evse"]
ENABLE = '{"connector_id":1,"cmd_source":{"enable_source":"LocalAPI","enable_state":"Enable","enable_priority":100}}'
CALL = TOPICS.command("other", "main", "do")
AT_ONCE_S = 8.0


def called(start: Start, broker: Mosquitto, *arguments: str, **how: Any) -> Daemon:
    daemon: Daemon = start(["call", *arguments, *where(broker)], **how)
    daemon.ended()
    assert "Traceback" not in daemon.err
    return daemon


# Calls to a station of ours.


@pytest.mark.parametrize("dialect", ["documented", "everest", "classic"])
def test_a_result_is_printed(running: Running, start: Start, dialect: str) -> None:
    daemon = called(start, running.broker, *EVSE, "enable_disable", ENABLE, "--dialect", dialect)
    assert (daemon.process.returncode, daemon.out, daemon.err) == (ExitCode.OK, "true\n", "")


def test_a_result_for_programs(running: Running, start: Start) -> None:
    daemon = called(start, running.broker, *EVSE, "get_evse", "--json")
    assert json.loads(daemon.out)["result"]["id"] == 1


def test_wrong_arguments_are_not_sent_and_what_is_expected_is_said(running: Running, start: Start) -> None:
    since = running.client.mark()
    daemon = called(start, running.broker, *EVSE, "enable_disable", '{"connector_id":"1","cmd_source":{}}')
    assert daemon.process.returncode == ExitCode.USAGE
    for words in ("connector_id: Input should be a valid", "enable_source", '"LocalAPI"', "such as '{"):
        assert words in daemon.err
    assert running.client.on(TOPICS.command("evse_manager", "evse", "enable_disable"), since) == []


@pytest.mark.parametrize("text", ["{", "5", '{"a": NaN}', '{"a": 1e999}', "[" * 50_000])
def test_arguments_that_are_no_json_object(text: str, start: Start, mosquitto: Mosquitto) -> None:
    daemon = called(start, mosquitto, "m", "i", "do", text)
    assert daemon.process.returncode == ExitCode.USAGE
    assert "JSON" in daemon.err


@pytest.mark.parametrize("name", ["", "a/b", "+", "#"])
def test_names_that_are_no_part_of_a_topic(name: str, start: Start, mosquitto: Mosquitto) -> None:
    assert called(start, mosquitto, "m", "i", name).process.returncode == ExitCode.USAGE


def test_a_command_that_does_not_exist_is_answered_by_the_station(running: Running, start: Start) -> None:
    daemon = called(start, running.broker, *EVSE, "enable_disabel")
    assert daemon.process.returncode == ExitCode.FAILED
    assert "No interface known here has a command enable_disabel" in daemon.err
    assert "SchemaValidationFailed: interface evse_manager has no command enable_disabel" in daemon.err


def test_hardware_is_not_called_past_the_kernel(running: Running, start: Start) -> None:
    argument = '{"value":{"allow_power_on":true,"reason":"FullPowerCharging"}}'
    daemon = called(
        start, running.broker, "yeti_driver", "board_support", "allow_power_on", argument, "--json"
    )
    assert daemon.process.returncode == ExitCode.FAILED
    assert json.loads(daemon.out)["error"]["type"] == "HandlerException"
    assert daemon.err == ""


def test_an_argument_too_many_is_told_and_ignored(running: Running, start: Start) -> None:
    daemon = called(start, running.broker, *EVSE, "get_evse", '{"evse": 1}')
    assert daemon.process.returncode == ExitCode.OK
    assert "evse_manager.get_evse has no argument evse: it is ignored" in daemon.err


@pytest.mark.parametrize("dialect", ["everest", "classic"])
def test_a_station_in_another_dialect_is_called_and_watched(
    dialect: str, mosquitto: Mosquitto, start: Start
) -> None:
    """Without being told which it is."""
    start(["simulate", *where(mosquitto), "--dialect", dialect]).says("Enabled")
    assert (
        called(start, mosquitto, *EVSE, "get_evse").out
        == '{"connectors":[{"id":1,"type":"Unknown"}],"id":1}\n'
    )
    failed = called(start, mosquitto, *EVSE, "force_unlok")
    assert "no command force_unlok; there are: authorize_response" in failed.err
    watch = start(["watch", *where(mosquitto), "--module", "evse_manager", "--json"])
    until(lambda: '"name":"powermeter"' in watch.out and '"name":"enforce_limits"' in watch.out)
    watch.ctrl_c()
    assert watch.ended(AT_ONCE_S) == ExitCode.OK
    messages = [json.loads(line) for line in watch.out.splitlines()]
    assert not any("problem" in message for message in messages)
    meters = [message["value"] for message in messages if message["name"] == "powermeter"]
    assert all(meter["energy_Wh_import"]["total"] >= 0 for meter in meters)


# Calls to others, and calls that nobody answers.


class Module:
    """Answers each call by a function of it, from a thread of paho's own."""

    def __init__(self, broker: Mosquitto, answer: Callable[[dict[str, Any]], str | None]) -> None:
        self.calls: list[dict[str, Any]] = []
        self._answer = answer
        self._client = Client(broker.port, CALL)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._client.__exit__(None, None, None)

    def _run(self) -> None:
        while not self._end.wait(0.01):
            for heard in self._client.on(CALL)[len(self.calls) :]:
                self.calls.append(heard.json)
                body = heard.json.get("data", heard.json)
                answer = self._answer(body)
                if answer is not None:
                    self._client.publish(f"{CALL}/response/{body['origin']}", answer, qos=2)


def everest(outcome: dict[str, Any]) -> Callable[[dict[str, Any]], str]:
    def answer(call: dict[str, Any]) -> str:
        inner = {"id": call["id"], "origin": "other", **outcome}
        return json.dumps({"data": {"data": inner, "type": "result"}, "msg_type": "CmdResult"})

    return answer


def test_a_module_of_the_real_everest_is_understood(mosquitto: Mosquitto, start: Start) -> None:
    with Module(mosquitto, everest({"retval": {"ok": [1.5]}})) as module:
        daemon = called(start, mosquitto, "other", "main", "do", '{"a": 1}')
    assert (daemon.process.returncode, daemon.out) == (ExitCode.OK, '{"ok":[1.5]}\n')
    (call,) = module.calls
    assert call["msg_type"] == "Cmd"
    assert call["data"]["args"] == {"a": 1}


def test_its_error_is_printed_with_its_type(mosquitto: Mosquitto, start: Start) -> None:
    error = {"__everest__error_type": "HandlerException", "__everest__error_msg": "kaboom"}
    with Module(mosquitto, everest({"error": error})):
        daemon = called(start, mosquitto, "other", "main", "do")
    assert daemon.process.returncode == ExitCode.FAILED
    assert daemon.err.splitlines()[-1] == "HandlerException: kaboom"
    assert daemon.out == ""


def test_the_classic_form_has_no_envelope(mosquitto: Mosquitto, start: Start) -> None:
    def answer(call: dict[str, Any]) -> str:
        return json.dumps({"name": "do", "type": "result", "data": {"id": call["id"], "retval": None}})

    with Module(mosquitto, answer) as module:
        daemon = called(start, mosquitto, "other", "main", "do", "--dialect", "classic")
    assert (daemon.process.returncode, daemon.out) == (ExitCode.OK, "null\n")
    assert module.calls[0].keys() == {"id", "origin", "args"}


def test_an_answer_to_another_call_is_not_ours(mosquitto: Mosquitto, start: Start) -> None:
    def answer(call: dict[str, Any]) -> str:
        return everest({"retval": 1})({**call, "id": "another"})

    with Module(mosquitto, answer):
        daemon = called(start, mosquitto, "other", "main", "do", "--timeout", "0.5")
    assert daemon.process.returncode == ExitCode.FAILED
    assert "Timeout: no answer from other/main within 0.5 s" in daemon.err


def test_nobody_answers(mosquitto: Mosquitto, start: Start) -> None:
    daemon = called(start, mosquitto, "other", "main", "do", "--timeout", "0.2")
    assert daemon.process.returncode == ExitCode.FAILED
    assert "No evse-daemon is known at everest/ on this broker: check --prefix" in daemon.err
    with Client(mosquitto.port) as client:
        client.publish(TOPICS.status, "offline", retain=True)
    daemon = called(start, mosquitto, "other", "main", "do", "--timeout", "0.2", "--json")
    error = json.loads(daemon.out)["error"]
    assert error["type"] == "Timeout"
    assert "The station is offline" in error["message"]


def test_a_broker_that_goes_while_an_answer_is_awaited(mosquitto: Mosquitto, start: Start) -> None:
    """It is not sent again: nobody knows whether it was carried out."""
    with Client(mosquitto.port, CALL) as client:
        daemon = start(["call", "other", "main", "do", *where(mosquitto), "--timeout", "60"])
        client.wait(CALL)
    mosquitto.stop()
    assert daemon.ended() == ExitCode.FAILED
    assert "whether the command was carried out is not known" in daemon.err


def test_ctrl_c_while_an_answer_is_awaited(mosquitto: Mosquitto, start: Start) -> None:
    with Client(mosquitto.port, CALL) as client:
        daemon = start(["call", "other", "main", "do", *where(mosquitto), "--timeout", "60"])
        client.wait(CALL)
    daemon.ctrl_c()
    assert daemon.ended(AT_ONCE_S) == ExitCode.INTERRUPTED
    assert "Traceback" not in daemon.err


# Recording and replay.


def replayed(start: Start, broker: Mosquitto, file: Path, *arguments: str) -> Daemon:
    daemon: Daemon = start(["replay", str(file), *where(broker), *arguments])
    assert daemon.ended() == ExitCode.OK, daemon.describe()
    return daemon


def test_a_recording_is_replayed_in_order_and_changes_nothing_in_the_daemon(
    running: Running, start: Start, tmp_path: Path
) -> None:
    """A session in which the board said that a car came and drew power: told again, the station stays as it is."""
    file = tmp_path / "session.log"
    broker, client = running.broker, running.client
    watch = start(["watch", *where(broker), "--record", str(file), "--json"])
    until(lambda: "Watching" in watch.err)
    since = client.mark()
    client.publish(CARSIM, LONG_SESSION.replace("sleep 100000", "sleep 2"))
    client.wait_event("SessionFinished", since)
    until(lambda: "SessionFinished" in file.read_text("utf-8"))
    watch.ctrl_c()
    assert watch.ended(AT_ONCE_S) == ExitCode.OK
    board = TOPICS.var("yeti_driver", "board_support", "event")
    told = [heard.payload for heard in client.on(board, since)]
    assert len(told) > 3

    since = client.mark()
    daemon = replayed(
        start, broker, file, "--speed", "20", "--name", "event", "--name", "session_event", "--module", "*r"
    )
    assert "of other kinds or names left out" in daemon.err
    until(lambda: "SessionFinished" in client.events(since))
    again = client.messages[since:]
    assert [heard.payload for heard in again if heard.topic == board] == told
    # The evse's own events are the replayed ones; it calls nothing, and says nothing new.
    assert client.on(POWER_COMMAND, since) == []
    assert not any(heard.retain for heard in again)
    events = client.events(since)
    assert events.count("SessionStarted") == events.count("SessionFinished") == 1
    assert called(start, broker, *EVSE, "get_evse").process.returncode == ExitCode.OK


def test_commands_are_replayed_only_where_they_are_asked_for(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "session.log"
    var, error = TOPICS.var("m", "i", "x"), TOPICS.error("m", "i", "a/B")
    lines = [
        "# 5 messages are missing: the disk was too slow",
        f'{TOPICS.ready} {{"data":true,"msg_type":"GlobalReady"}}',
        f"{TOPICS.shutdown} true",
        f'{CALL} {{"data":{{"id":"1","origin":"me","args":{{}}}},"msg_type":"Cmd"}}',
        f'{var} {{"data":1,"msg_type":"Var"}}',
        f'{error} {{"data":{{"type":"a/B"}},"msg_type":"RaiseError"}}',
        f"{CARSIM} unplug",
    ]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    with Client(mosquitto.port, "#") as client:
        daemon = replayed(start, mosquitto, file, "--speed", "100")
        client.wait(error)
        assert [heard.topic for heard in client.messages] == [var, error]
        assert "session.log:1: 5 messages are missing" in daemon.err
        assert "2 messages were replayed, 4 of other kinds or names left out." in daemon.err
        since = client.mark()
        replayed(start, mosquitto, file, "--speed", "100", "--kind", "cmd")
        client.wait(CALL)
        assert [heard.topic for heard in client.messages[since:]] == [CALL]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\n", "session.log:1: not UTF-8"),
        (b"# comment\neverest/# 1\n", "session.log:2: not TIME TOPIC PAYLOAD"),
        (b"x" * 2_000_000, "session.log:1: longer than"),
    ],
)
def test_what_is_no_recording_is_refused(
    content: bytes, problem: str, mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "session.log"
    file.write_bytes(content)
    daemon = start(["replay", str(file), *where(mosquitto)])
    assert daemon.ended() == ExitCode.FAILED
    assert problem in daemon.err
    assert "Traceback" not in daemon.err


def test_ctrl_c_ends_a_replay_and_says_how_far_it_was(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "session.log"
    file.write_text(
        f'2026-01-01T00:00:00Z {EVENTS} {{"data":1}}\n2026-01-02T00:00:00Z {EVENTS} {{"data":2}}\n'
    )
    with Client(mosquitto.port, EVENTS) as client:
        daemon = start(["replay", str(file), *where(mosquitto)])
        client.wait(EVENTS)
        daemon.ctrl_c()
        assert daemon.ended(AT_ONCE_S) == ExitCode.INTERRUPTED
    assert "1 messages were replayed" in daemon.err


def test_a_recording_that_cannot_be_written_is_said(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    missing = start(["watch", *where(mosquitto), "--record", str(tmp_path / "no" / "file")])
    assert missing.ended() == ExitCode.FAILED
    assert "cannot be written: No such file or directory" in missing.err
    if not Path("/dev/full").exists():
        pytest.skip("NOT TESTED: there is no /dev/full")
    full = start(["watch", *where(mosquitto), "--record", "/dev/full"])
    until(lambda: "Watching" in full.err)
    with Client(mosquitto.port) as client:
        client.publish(EVENTS, '{"data":1}')
        assert full.ended() == ExitCode.FAILED
    assert "The recording ends: No space left on device." in full.err
