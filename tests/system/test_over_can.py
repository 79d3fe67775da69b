"""The whole charger over CAN: YetiCanDriver and the simulated board, with an slcan adapter on a pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evse_daemon.mqtt.topics import service_command
from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.system.clients import CARSIM, CARSIM_MODIFY, TOPICS, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration, where
from tests.system.test_over_serial import LONG, SHORT, BoardProgram

pytestmark = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)

LOST = TOPICS.error("yeti_driver", "board_support", "evse_board_support/CommunicationFault")
FAULT = service_command(TOPICS.name, "yeti_driver_firmware", "fault")


def test_a_whole_session_over_can(mosquitto: Mosquitto, start: Start) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(["simulate", "--wire", "can", *where(mosquitto)])
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE
        assert client.on(LOST) == []
        daemon.end()
        assert daemon.err == ""


@pytest.mark.parametrize(
    ("fault", "mended"), [("hang 4", ""), ("port off", "port on"), ("mute on", "mute off")]
)
def test_a_board_that_is_lost_stops_charging_and_comes_back(
    fault: str, mended: str, mosquitto: Mosquitto, start: Start
) -> None:
    with Client(mosquitto.port, "#") as client:
        start(["simulate", "--wire", "can", *where(mosquitto)])
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, LONG)
        client.wait_event("ChargingStarted")
        client.publish(FAULT, fault)
        client.wait(LOST, lambda heard: heard.data["state"] == "Active")
        client.wait_event("ChargingPausedEVSE")
        mark = client.mark()
        if mended:
            client.publish(FAULT, mended)
        client.wait(LOST, lambda heard: heard.data["state"] != "Active")
        client.wait_event("ChargingStarted", since=mark)
        client.publish(CARSIM_MODIFY, "unplug")
        client.wait_event("SessionFinished", since=mark)


def test_two_programs_on_one_bus(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    document = yaml.safe_load(configuration(tmp_path, mosquitto.port).read_text("utf-8"))
    modules = document["active_modules"]
    del modules["ev_manager"]
    modules["yeti_driver"] |= {
        "module": "YetiCanDriver",
        "config_module": {"can_interface": "slcan", "can_device": str(tmp_path / "yeti")},
    }
    (tmp_path / "charger.yaml").write_text(yaml.safe_dump(document), "utf-8")
    program = BoardProgram(tmp_path / "board", "--wire", "can", "--link", str(tmp_path / "yeti"))
    try:
        program.says(f"Board: {tmp_path / 'yeti'}")
        with Client(mosquitto.port, "#") as client:
            start(["run", str(tmp_path / "charger.yaml"), "--state-dir", str(tmp_path / "state")])
            client.wait_event("Enabled", timeout_s=START_S)
            program.tell(SHORT)
            client.wait_event("SessionFinished", timeout_s=30)
            assert client.events() == WHOLE
            assert client.on(LOST) == []
    finally:
        program.end()
