"""The access list that broker-acl writes, in a real Mosquitto: a monitor sees everything and changes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from evse_daemon.access_list import access_list
from evse_daemon.config import load, load_text
from evse_daemon.mqtt.topics import api_command, service_command
from tests.support.brokers import Mosquitto, mosquitto_binary, start_mosquitto
from tests.system.clients import EVENTS, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, ROOT, START_S, clean_environment, configuration

pytestmark = pytest.mark.skipif(
    mosquitto_binary() is None or shutil.which("mosquitto_passwd") is None,
    reason="NOT TESTED: mosquitto and mosquitto_passwd are not installed (apt install mosquitto)",
)

USERS = ("evse-daemon", "monitor", "operator", "service")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    acl, passwords = tmp_path / "acl", tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for user in USERS:
        subprocess.run(
            ["mosquitto_passwd", "-b", passwords, user, f"{user}'s"], check=True, capture_output=True
        )
    (tmp_path / "mqtt-password").write_text("evse-daemon's\n")
    done = subprocess.run(
        [*PROGRAM, "broker-acl", configuration(tmp_path, 1883)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    acl.write_text(done.stdout)
    acl.chmod(0o600)
    # A test's broker has no listener but these; the harness itself knocks without a name.
    lines = f"allow_anonymous true\npassword_file {passwords}\nacl_file {acl}"
    started = start_mosquitto(tmp_path, lines)
    yield started
    started.stop()


@pytest.fixture
def station(broker: Mosquitto, start: Start, tmp_path: Path) -> None:
    document = yaml.safe_load(configuration(tmp_path, broker.port).read_text("utf-8"))
    document["daemon"] = {
        "broker": {"user": "evse-daemon", "password_file": str(tmp_path / "mqtt-password")},
        "state_dir": str(tmp_path / "state"),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document), "utf-8")
    start(["run", str(tmp_path / "config.yaml")])


def client(broker: Mosquitto, user: str) -> Client:
    return Client(broker.port, "#", login=(user, f"{user}'s"))


DISABLE = api_command("evse_manager", "disable")
TREE = TOPICS.command("evse_manager", "evse", "get_evse")
CALL = {"msg_type": "Cmd", "data": {"id": "1", "origin": "me", "args": {}}}


def test_a_monitor_sees_everything_and_changes_nothing(broker: Mosquitto, station: None) -> None:
    with client(broker, "monitor") as monitor, client(broker, "operator") as operator:
        monitor.wait_event("Enabled", timeout_s=START_S)
        mark = monitor.mark()
        monitor.publish(DISABLE, "0")
        monitor.publish(TREE, json.dumps(CALL))
        monitor.publish(EVENTS, '{"data": {"event": "SessionFinished"}, "msg_type": "Var"}')
        monitor.publish(service_command(TOPICS.name, "evse_manager", "clear_latched_errors"), "")
        # What an operator asks for later is answered: so all of that was handled before, had it come through.
        operator.publish(TOPICS.explain_request, "operator")
        operator.wait(TOPICS.explain_response("operator"), since=0)
        sent = {DISABLE, TREE, EVENTS, f"{TREE}/response/me"}
        assert [heard for heard in monitor.messages[mark:] if heard.topic in sent] == []

        operator.publish(TREE, json.dumps(CALL))
        operator.publish(DISABLE, "0")
        monitor.wait_event("Disabled", since=mark)
        assert not monitor.on(f"{TREE}/response/me"), "the tree's commands are not for operators"


def test_who_has_no_name_hears_nothing(broker: Mosquitto, station: None) -> None:
    with client(broker, "monitor") as monitor, Client(broker.port, "#") as nobody:
        monitor.wait_event("Enabled", timeout_s=START_S)
        nobody.publish(DISABLE, "0")
        time.sleep(0.2)
        assert nobody.messages == []
        assert "Disabled" not in monitor.events()


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("config-*.yaml")), ids=lambda file: file.name)
def test_programs_of_a_station_write_what_is_theirs_alone(file: Path) -> None:
    text = access_list(load(file, {}))
    for block in text.split("\n\n")[1:]:
        user = next(line.removeprefix("user ") for line in block.splitlines() if line.startswith("user "))
        writes = [
            line.split()[-1]
            for line in block.splitlines()
            if line.startswith(("topic write", "topic readwrite"))
        ]
        if user == "monitor":
            assert writes == []
        if user.startswith("module-"):
            name = user.removeprefix("module-")
            assert all(
                f"/{name}/" in topic or topic.count("/") == 1 or "query-modules" in topic for topic in writes
            )
            assert not any(topic.startswith("everest/") for topic in writes)


def test_prefixes_are_in_every_line() -> None:
    text = access_list(
        load_text(
            "settings: {mqtt_everest_prefix: left, mqtt_external_prefix: left_api/}\n"
            "active_modules:\n"
            "  one: {module: EvseManager, config_module: {connector_id: 1, evse_id: A}, "
            "connections: {bsp: [{module_id: board, implementation_id: board_support}]}}\n"
            "  board: {module: YetiDriver}\n"
        )
    )
    topics = [line.split()[-1] for line in text.splitlines() if line.startswith("topic")]
    assert topics
    ours = ("left/", "left_api/", "evse_daemon/left/", "+/device/evse_daemon-left/")
    assert all(topic.startswith(ours) for topic in topics)
    assert "topic write left_api/everest_api/one/cmd/+" in text


def test_a_bad_configuration_gives_no_list(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evse_daemon", "broker-acl", tmp_path / "none.yaml"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot be read" in done.stderr
