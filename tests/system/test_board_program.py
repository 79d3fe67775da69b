"""The board of docs/examples/board_program.py, a process of its own, with the daemon over Mosquitto: sessions, and its death."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.mqtt.topics import everest_api_heard, everest_api_said
from tests.support.brokers import Mosquitto
from tests.system.clients import BEGIN, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import ROOT, START_S, configuration, until

PROGRAM = (sys.executable, str(ROOT / "docs" / "examples" / "board_program.py"))
POWER = everest_api_said("evse_board_support", "board", "allow_power_on")
EVENT = everest_api_heard("evse_board_support", "board", "event")
FAULT = "everest/modules/board/impl/main/error/evse_board_support/CommunicationFault"


def _configuration(folder: Path, port: int) -> Path:
    """The simulator's station, whose board is the program."""
    file = configuration(folder, port)
    document: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    modules = document["active_modules"]
    for module_id in ("yeti_driver", "ev_manager"):
        del modules[module_id]
    check = {"cfg_communication_check_to_s": 3}
    modules["board"] = {"module": "evse_board_support_API", "config_module": check}
    connections = modules["evse_manager"]["connections"]
    del connections["powermeter_grid_side"]
    for name, implementation in (("bsp", "main"), ("ac_rcd", "rcd"), ("connector_lock", "connector_lock")):
        connections[name] = [{"module_id": "board", "implementation_id": implementation}]
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def _power(client: Client, allowed: bool, since: int = 0) -> None:
    client.wait(POWER, lambda heard: heard.json["allow_power_on"] is allowed, since=since, timeout_s=START_S)


def test_a_whole_session_with_a_program_as_the_board(
    tmp_path: Path, mosquitto: Mosquitto, start: Start
) -> None:
    config = _configuration(tmp_path, mosquitto.port)
    with Client(mosquitto.port, "#") as client:
        station = start(["run", str(config), "--state-dir", str(tmp_path / "state")])
        client.wait(FAULT, lambda heard: heard.data["state"] == "Active", timeout_s=START_S)
        start(["--port", str(mosquitto.port), "--plug-in-after", "1", "--charge", "1"], program=PROGRAM)
        client.wait(FAULT, lambda heard: heard.data["state"] == "ClearedByModule", timeout_s=START_S)
        client.wait_event("SessionFinished", timeout_s=START_S)
        assert [name for name in client.events() if name != "Enabled"] == WHOLE
        until(lambda: json.loads(client.on(POWER)[-1].payload)["allow_power_on"] is False)
        assert [heard.json["event"] for heard in client.on(EVENT)][-1] == "PowerOff"
        station.process.terminate()
        assert station.ended() == 0, station.describe()


def _charges(client: Client, since: int = 0) -> None:
    _power(client, allowed=True, since=since)
    client.wait(EVENT, lambda heard: heard.json["event"] == "PowerOn", since=since, timeout_s=START_S)
    client.wait_event("ChargingStarted", since=since)


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_a_board_program_that_is_gone_while_a_car_charges_and_comes_back(
    tmp_path: Path, mosquitto: Mosquitto, start: Start, how: str
) -> None:
    config = _configuration(tmp_path, mosquitto.port)
    board = ["--port", str(mosquitto.port), "--plug-in-after", "0", "--charge", "1000"]
    with Client(mosquitto.port, "#") as client:
        station = start(["run", str(config), "--state-dir", str(tmp_path / "state")])
        program = start(board, program=PROGRAM)
        for name in BEGIN:
            client.wait_event(name, timeout_s=START_S)
        _charges(client)

        since = client.mark()
        if how == "killed":
            program.kill()
        else:
            program.process.send_signal(signal.SIGSTOP)
        client.wait(FAULT, lambda heard: heard.data["state"] == "Active", since=since)
        _power(client, allowed=False, since=since)
        client.wait_event("ChargingPausedEVSE", since=since)

        since = client.mark()
        if how == "killed":
            start(board, program=PROGRAM)
        else:
            program.process.send_signal(signal.SIGCONT)
        client.wait(
            FAULT, lambda heard: heard.data["state"] == "ClearedByModule", since=since, timeout_s=START_S
        )
        assert client.on(POWER, since)[0].json["allow_power_on"] is False
        _charges(client, since)

        since = client.mark()
        station.process.terminate()
        assert station.ended() == 0, station.describe()
        finished = client.wait_event("TransactionFinished", since=since)
        assert finished.data["transaction_finished"]["reason"] == "Reboot"
        assert "ContactorWelded" not in station.err


def test_a_broker_that_is_gone_while_a_car_charges_ends_charging_and_it_goes_on_by_itself(
    tmp_path: Path, mosquitto: Mosquitto, start: Start
) -> None:
    config = _configuration(tmp_path, mosquitto.port)
    board = ["--port", str(mosquitto.port), "--plug-in-after", "0", "--charge", "1000"]
    with Client(mosquitto.port, "#") as client:
        station = start(["run", str(config), "--state-dir", str(tmp_path / "state")])
        start(board, program=PROGRAM)
        for name in BEGIN:
            client.wait_event(name, timeout_s=START_S)
        _charges(client)

        since = client.mark()
        mosquitto.stop()
        until(lambda: "a program is lost" in station.err, what=station.describe)
        mosquitto.start()
        client.wait(
            FAULT, lambda heard: heard.data["state"] == "ClearedByModule", since=since, timeout_s=START_S
        )
        client.wait_event("ChargingPausedEVSE", since=since)
        _charges(client, since)
        told = [heard.json["allow_power_on"] for heard in client.on(POWER, since)]
        assert told[0] is False, "nothing of before the outage is told after it"
