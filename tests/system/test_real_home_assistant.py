"""A real Home Assistant beside the daemon, where the environment names a Python that has it (CONTRIBUTING.md)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.mqtt.topics import carsim_error
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, LONG_SESSION, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, until
from tests.system.test_home_assistant import write

VARIABLE = "EVSE_TEST_HOME_ASSISTANT"
PYTHON = os.environ.get(VARIABLE)

pytestmark = pytest.mark.skipif(
    not PYTHON, reason=f"NOT TESTED: a real Home Assistant ({VARIABLE} names no Python that has it)"
)


class RealHomeAssistant:
    """The process of real_home_assistant.py."""

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        folder.mkdir()
        script = Path(__file__).with_name("real_home_assistant.py")
        with (folder / "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                [str(PYTHON), str(script), str(broker.port), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                text=True,
            )

    def ask(self, *what: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def use(self, domain: str, service: str, entity: str, **data: object) -> None:
        self.ask("call", domain, service, {"entity_id": f"{domain}.evse_manager_{entity}", **data})

    def state(self, entity: str) -> str:
        domain, _, name = entity.partition(".")
        found: list[Any] = self.ask("states").get(f"{domain}.evse_manager_{name}", ["nothing"])
        return str(found[0])

    def shows(self, entity: str, state: str) -> None:
        until(lambda: self.state(entity) == state, START_S, lambda: f"{entity}: {self.ask('states')}")

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def home(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[RealHomeAssistant]:
    found = RealHomeAssistant(mosquitto, tmp_path / "home_assistant")
    yield found
    found.end()


def test_a_session(home: RealHomeAssistant, mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    daemon = start(write(tmp_path, mosquitto))
    home.shows("sensor.state", "Unplugged")
    home.shows("switch.enabled", "on")
    with Client(mosquitto.port) as car:
        car.publish(CARSIM, LONG_SESSION)
        home.shows("binary_sensor.charging", "on")
        home.shows("sensor.state", "Charging")
        home.use("number", "set_value", "current_limit", value=10)
        home.shows("number.current_limit", "10.0")
        home.shows("sensor.allowed_current", "10.0")
        home.use("button", "press", "pause_charging")
        home.shows("sensor.state", "ChargingPausedEVSE")
        home.use("button", "press", "resume_charging")
        home.shows("sensor.state", "Charging")
        car.publish(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "true"}))
        home.shows("binary_sensor.problem", "on")
    states = home.ask("states")
    assert "unavailable" not in [state for state, _ in states.values()], "a fault is a state"
    assert states["binary_sensor.evse_manager_problem"][1]["errors"] == ["evse_board_support/DiodeFault"]
    assert states["sensor.evse_manager_energy"][1]["state_class"] == "total_increasing"
    home.use("switch", "turn_off", "enabled")
    home.shows("switch.enabled", "off")
    daemon.kill()
    home.shows("sensor.state", "unavailable")
    assert {state for state, _ in home.ask("states").values()} == {"unavailable"}
    assert home.ask("log") == []


def test_removal(home: RealHomeAssistant, mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    daemon = start(write(tmp_path, mosquitto))
    home.shows("switch.enabled", "on")
    daemon.end()
    home.shows("switch.enabled", "unavailable")
    daemon = start(write(tmp_path, mosquitto, commands=False))
    home.shows("sensor.state", "Unplugged")
    home.shows("switch.enabled", "nothing")
    daemon.end()
    assert home.ask("log") == []
    start(write(tmp_path, mosquitto, enabled=False))
    until(lambda: home.ask("states") == {})
