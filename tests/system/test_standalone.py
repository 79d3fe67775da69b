"""Two processes over Mosquitto: the station, and the board of its EVSE, which dies and comes back while a car charges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.brokers import Mosquitto
from tests.system.clients import BEGIN, CARSIM, LONG_SESSION, POWER_COMMAND, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration

FAULT = TOPICS.error("yeti_driver", "board_support", "evse_board_support/CommunicationFault")


def _configuration(folder: Path, port: int, messages: str) -> Path:
    """The simulator's station without its board: that is of another process."""
    file = configuration(folder, port)
    text = file.read_text("utf-8")
    old = "    module: YetiSimulator\n"
    assert old in text
    daemon = f"daemon:\n  mqtt_dialect: everest\n  config_messages: {messages}\n"
    file.write_text(daemon + text.replace(old, old + "    standalone: true\n"), "utf-8")
    return file


def _session_event(client: Client, name: str, since: int = 0) -> None:
    topic = TOPICS.var("evse_manager", "evse", "session_event")
    client.wait(topic, lambda heard: heard.data["data"]["event"] == name, since=since, timeout_s=START_S)


@pytest.mark.parametrize("messages", ["GetConfig", "ConfigurationRequest"])
def test_a_board_of_another_process_is_killed_while_a_car_charges(
    tmp_path: Path, mosquitto: Mosquitto, start: Start, messages: str
) -> None:
    config = _configuration(tmp_path, mosquitto.port, messages)
    board = ["join", "--module", "yeti_driver", "--broker", f"127.0.0.1:{mosquitto.port}"]
    with Client(mosquitto.port, "#") as client:
        station = start(["run", str(config), "--state-dir", str(tmp_path / "state")])
        client.wait(TOPICS.definition("module_names"), timeout_s=START_S)
        first = start(board)
        client.wait(TOPICS.ready, timeout_s=START_S)
        client.wait(FAULT, lambda heard: heard.data["state"] == "ClearedByModule")
        client.publish(CARSIM, LONG_SESSION)
        for name in BEGIN:
            _session_event(client, name)

        since = client.mark()
        first.kill()
        client.wait(FAULT, lambda heard: heard.data["state"] == "Active", since=since)
        since = client.mark()
        second = start(board)
        power = client.wait(POWER_COMMAND, since=since, timeout_s=START_S)
        assert power.data["args"]["value"]["allow_power_on"] is False
        client.wait(
            FAULT, lambda heard: heard.data["state"] == "ClearedByModule", since=since, timeout_s=START_S
        )
        client.wait(TOPICS.ready, since=since)

        station.process.terminate()
        assert station.ended() == 0, station.describe()
        if messages == "ConfigurationRequest":
            assert second.ended() == 0, second.describe()
        else:  # that generation has no shutdown of standalone modules
            assert second.process.poll() is None
            second.process.terminate()
            assert second.ended() == 0, second.describe()
    with Client(mosquitto.port, "everest/#") as after:
        assert [message.topic for message in after.messages if message.retain] == []
