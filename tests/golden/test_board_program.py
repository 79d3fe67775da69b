"""The recordings once more, with the simulated board behind EVerest's API: the same session events and states."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config import load_text
from evse_daemon.framework.bus import Client, Inbox
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.mqtt.topics import everest_api_heard, everest_api_said
from evse_daemon.types.evse_board_support import PowerOnOff
from tests.golden.test_golden import HERE, SHARED, check, configuration, stimuli
from tests.support.virtual_station import VirtualStation

KIND, BOARD, SIMULATED = "evse_board_support", "board", "connector_1_powerpath"
SAID = everest_api_said(KIND, BOARD, "")
RUNS = (
    "01_ac_full_session",
    "02_evse_pause_resume",
    "03_ev_pause_resume",
    "04_disable_enable",
    "05_error_rcd",
    "08_stop_transaction",
    "09_auth_manual",
)

pytestmark = pytest.mark.skipif(
    not (SHARED / "golden").is_dir(), reason="the recordings of the real EVerest are not beside this checkout"
)


def station_with_a_program(state_dir: Path) -> VirtualStation:
    document: dict[str, Any] = yaml.safe_load(configuration("everest", state_dir))
    modules = document["active_modules"]
    modules[BOARD] = {"module": "evse_board_support_API"}
    connections = modules["connector_1"]["connections"]
    for name, implementation in (("bsp", "main"), ("ac_rcd", "rcd"), ("connector_lock", "connector_lock")):
        connections[name] = [{"module_id": BOARD, "implementation_id": implementation}]
    return VirtualStation(load_text(yaml.safe_dump(document)))


class Program:
    """Does with the simulated board what the station tells it, and tells what that board says."""

    def __init__(self, station: VirtualStation) -> None:
        self._mqtt = station.mqtt
        bus = station.station.bus
        inbox = Inbox(bus, "program")
        self._board: Client[Any] = Client(bus.implementations[SIMULATED, "board_support"], inbox)
        self._rcd: Client[Any] = Client(bus.implementations[SIMULATED, "rcd"], inbox)
        self._lock: Client[Any] = Client(bus.implementations[SIMULATED, "connector_lock"], inbox)
        self._told: dict[str, tuple[str, str]] = {}
        variables: tuple[tuple[str, Var[Any]], ...] = (
            ("event", EvseBoardSupport.event),
            ("capabilities", EvseBoardSupport.capabilities),
        )
        for name, var in variables:
            self._board.subscribe(var, partial(self._say_of, name, var))
        for client in (self._board, self._rcd):
            client.subscribe_errors(self._error)
        publish = station.mqtt.publish

        def published(topic: str, payload: str, **how: Any) -> None:
            publish(topic, payload, **how)
            if topic.startswith(SAID):
                inbox.put(self._hear, topic[len(SAID) :], payload)

        station.mqtt.publish = published  # type: ignore[method-assign]

    def _say_of(self, name: str, var: Var[Any], value: Any) -> None:
        self._say(name, var.to_jsonable(value))

    def _say(self, name: str, value: Any) -> None:
        self._mqtt.send(everest_api_heard(KIND, BOARD, name), json.dumps(value))

    def _error(self, error: Error) -> None:
        name = error.type.partition("/")[2]
        self._say("raise_error" if error.active else "clear_error", {"type": name, "message": error.message})

    def _hear(self, name: str, payload: str) -> None:
        if name == "heartbeat":
            self._say("communication_check", True)
            return
        slot = "pilot" if name.startswith(("pwm", "cp_")) else "lock" if name.endswith("lock") else name
        if self._told.get(slot) == (name, payload):
            return  # told again, as each second
        self._told[slot] = (name, payload)
        value = json.loads(payload or "null")
        match name:
            case "allow_power_on":
                self._board.call(EvseBoardSupport.allow_power_on, PowerOnOff(**value))
            case "ac_overcurrent_limit":
                self._board.call(EvseBoardSupport.ac_set_overcurrent_limit_A, value)
            case "ac_switch_three_phases_while_charging":
                self._board.call(
                    EvseBoardSupport.ac_switch_three_phases_while_charging, value == "ThreePhases"
                )
            case "lock" | "unlock":
                self._lock.call(ConnectorLock.commands[name])
            case "self_test":
                self._rcd.call(AcRcd.self_test)
            case _:
                command = EvseBoardSupport.commands[name]
                self._board.call(command, *(() if value is None else (value,)))


@pytest.mark.parametrize("run", RUNS)
def test_a_session_with_a_program_as_the_board_is_that_of_the_real_everest(run: str, tmp_path: Path) -> None:
    station = station_with_a_program(tmp_path)
    Program(station)
    station.begin()
    for at_s, topic, payload in stimuli(run):
        station.advance(max(0.0, at_s - station.clock.now_s()))
        if topic:
            station.send(topic, payload)
    recording = tmp_path / "run.jsonl"
    station.save(recording)
    accepted = HERE / "permitted" / f"{run}.txt"
    permitted = ["--permitted", str(accepted)] if accepted.exists() else []
    golden = str(SHARED / "golden" / f"{run}.jsonl.gz")
    result = check("compare.py", str(recording), golden, "--only", "events", "--only", "states", *permitted)
    assert result.returncode == 0, result.stdout + result.stderr
