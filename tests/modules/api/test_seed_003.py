"""Seed 003 from its first line to its last, as a table, against the simulator's whole station in virtual time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulators
from evse_daemon.config import load
from evse_daemon.mqtt.topics import api_command, carsim_command
from tests.support.virtual_station import VirtualStation

CONFIG = Path(simulators.__file__).with_name("config-sim.yaml")
CAR = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 36000"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

STATES = {
    "Unplugged", "Disabled", "Preparing", "Reserved", "AuthRequired", "Charging", "ChargingPausedEV",
    "ChargingPausedEVSE", "Finished", "FinishedEV", "FinishedEVSE", "AuthTimeout",
}  # fmt: skip

PHASES = {"L1": 0.0, "L2": 0.0, "L3": 0.0}

EVERY_SECOND: dict[str, Any] = {
    "everest_api/connectors": ["evse_manager"],
    "everest_api/evse_manager/var/datetime": RFC_3339,
    "everest_api/evse_manager/var/hardware_capabilities": {
        "max_current_A_export": 16.0, "max_current_A_import": 32.0, "max_phase_count_export": 3,
        "max_phase_count_import": 3, "min_current_A_export": 0.0, "min_current_A_import": 6.0,
        "min_phase_count_export": 1, "min_phase_count_import": 1,
        "supports_changing_phases_during_charging": True,
    },
    "everest_api/evse_manager/var/session_info": {
        "charged_energy_wh": 0, "charging_duration_s": 84, "datetime": RFC_3339, "discharged_energy_wh": 0,
        "latest_total_w": 0.0, "permanent_fault": False, "state": "Unplugged",
        "active_enable_disable_source": {"source": "Unspecified", "state": "Enable", "priority": 5000},
        "last_enable_disable_source": "Unspecified",
    },
    "everest_api/evse_manager/var/limits": {
        "max_current": 16.0, "nr_of_phases_available": 1, "uuid": "evse_manager",
    },
    "everest_api/evse_manager/var/telemetry": {
        "fan_rpm": 0.0, "rcd_current": 0.0991784930229187, "relais_on": False,
        "supply_voltage_12V": 11.950915336608887, "supply_voltage_minus_12V": -11.94166374206543,
        "temperature": 30.729248046875,
    },
    "everest_api/evse_manager/var/powermeter": {
        "current_A": {**PHASES, "N": 0.2}, "energy_Wh_import": {**PHASES, "total": 4611.95},
        "frequency_Hz": PHASES, "meter_id": "YETI_POWERMETER", "phase_seq_error": False,
        "power_W": {**PHASES, "total": 10807.6}, "timestamp": RFC_3339, "voltage_V": PHASES,
    },
    "everest_api/ocpp/var/connection_status": re.compile("unknown"),
}  # fmt: skip
"""Topics with an example of the seed; the powermeter's timestamp is EVerest's text, not the seed's number."""


class Simulator:
    """The simulator's station; ``now`` is what session_info says."""

    def __init__(self) -> None:
        self.station = VirtualStation(load(CONFIG, {}))
        self.station.begin()
        self.station.advance(5)

    def send(self, command: str, payload: Any = "", wait_s: float = 3.0) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.station.send(api_command("evse_manager", command), text)
        self.station.advance(wait_s)

    def charge(self) -> None:
        self.station.send(carsim_command(1, "execute_charging_session"), CAR)
        self.station.advance(15)
        assert self.now["state"] == "Charging"

    def last(self, topic: str) -> Any:
        return json.loads(self.station.mqtt.payloads(f"everest_api/evse_manager/var/{topic}")[-1])

    @property
    def now(self) -> Any:
        return self.last("session_info")


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


def fits(example: Any, given: Any, place: str) -> None:
    """Every key of the example is there, with a value of its kind: no other number, no text for a number."""
    match example:
        case re.Pattern():
            assert isinstance(given, str), place
            assert example.fullmatch(given), f"{place}: {given}"
        case dict():
            for key, value in example.items():
                assert key in given, f"{place} has no {key}"
                fits(value, given[key], f"{place}.{key}")
        case bool() | str() | list() | int():
            assert type(given) is type(example), f"{place}: {given}"
        case float():
            assert type(given) in (float, int), f"{place}: {given}"


@pytest.mark.parametrize("topic", EVERY_SECOND)
@pytest.mark.parametrize("charging", [False, True])
def test_what_is_published_every_second_has_the_names_and_kinds_that_are_printed(
    simulator: Simulator, topic: str, charging: bool
) -> None:
    if charging:
        simulator.charge()
    mqtt = simulator.station.mqtt
    before = len(mqtt.payloads(topic))
    simulator.station.advance(10)
    found = mqtt.payloads(topic)[before:]
    assert len(found) >= 10
    example = EVERY_SECOND[topic]
    for text in found:
        fits(example, text if isinstance(example, re.Pattern) else json.loads(text), topic)


def test_the_states_are_those_of_the_list(simulator: Simulator) -> None:
    simulator.charge()
    simulator.send("pause_charging", "", 20)
    simulator.send("resume_charging", "", 20)
    simulator.send("stop_charging", "", 20)
    simulator.station.send(carsim_command(1, "modify_charging_session"), "unplug")
    simulator.station.advance(5)
    told = simulator.station.mqtt.payloads("everest_api/evse_manager/var/session_info")
    seen = [json.loads(text)["state"] for text in told]
    assert set(seen) - STATES <= {"Unknown"}, "before the first event only"
    assert seen[-1] == "Unplugged"
    assert {"AuthRequired", "Charging", "ChargingPausedEVSE", "FinishedEVSE"} <= set(seen)


def test_the_random_delay_is_told_only_while_it_runs(simulator: Simulator) -> None:
    simulator.send("uk_random_delay_set_max_duration_s", "600")
    simulator.send("uk_random_delay", "enable")
    simulator.charge()
    simulator.station.advance(700)
    assert "uk_random_delay" not in simulator.now
    simulator.send("set_limit_amps", "8", 2)
    fits(
        {"remaining_s": 34, "current_limit_after_delay_A": 16.0, "current_limit_during_delay_A": 0.0,
         "start_time": RFC_3339},
        simulator.now["uk_random_delay"], "uk_random_delay",
    )  # fmt: skip
    simulator.send("uk_random_delay", "cancel")
    assert "uk_random_delay" not in simulator.now
    simulator.send("uk_random_delay", "disable")
    simulator.send("set_limit_amps", "10", 7)
    assert simulator.last("limits")["max_current"] == 10.0


def order(source: str, state: str, priority: int, connector: int = 0) -> dict[str, Any]:
    return {"connector_id": connector, "source": source, "state": state, "priority": priority}


TABLES: list[tuple[list[dict[str, Any]], str]] = [
    ([order("LocalAPI", "Enable", 42)], "Unplugged"),
    ([order("LocalAPI", "disable", 42)], "Disabled"),
    ([order("LocalAPI", "disable", 42), order("LocalKeyLock", "enable", 0)], "Unplugged"),
    (
        [
            order("LocalAPI", "disable", 42),
            order("LocalKeyLock", "enable", 0),
            order("LocalKeyLock", "unassigned", 0),
        ],
        "Disabled",
    ),
    ([order("LocalAPI", "unassigned", 0)], "Unplugged"),
    ([order("CSMS", "enable", 7), order("MobileApp", "disable", 7)], "Disabled"),
    ([order("MobileApp", "disable", 7), order("CSMS", "enable", 7)], "Disabled"),
    *(
        ([order(source, "Disable", 5)], "Disabled")
        for source in (
            "Unspecified", "LocalAPI", "LocalKeyLock", "ServiceTechnician", "RemoteKeyLock", "MobileApp",
            "FirmwareUpdate", "CSMS",
        )
    ),
]  # fmt: skip
"""The seed's own tables, and each of its sources."""


@pytest.mark.parametrize(("orders", "state"), TABLES)
def test_enable_disable_is_evaluated_by_priority(
    simulator: Simulator, orders: list[dict[str, Any]], state: str
) -> None:
    for each in orders:
        simulator.send("enable_disable", each, 0.5)
    simulator.station.advance(2)
    assert simulator.now["state"] == state
    if state == "Disabled":
        decides = [each for each in orders if each["state"].lower() == "disable"][-1]
        assert simulator.now["last_enable_disable_source"] == decides["source"]
        assert simulator.now["active_enable_disable_source"] == {
            "source": decides["source"],
            "state": "Disable",
            "priority": decides["priority"],
        }


@pytest.mark.parametrize("connector", ["0", "1"])
def test_the_legacy_commands_enable_and_disable_with_priority_100(
    simulator: Simulator, connector: str
) -> None:
    simulator.send("disable", connector)
    assert simulator.now["state"] == "Disabled"
    assert simulator.now["active_enable_disable_source"] == {
        "source": "LocalAPI",
        "state": "Disable",
        "priority": 100,
    }
    simulator.send("enable", connector)
    assert simulator.now["state"] == "Unplugged"


@pytest.mark.parametrize("payload", ["", "true", "{}", "any text at all", "\x00"])
def test_charging_is_paused_resumed_and_stopped_by_any_payload(simulator: Simulator, payload: str) -> None:
    simulator.charge()
    for command, state in (
        ("pause_charging", "ChargingPausedEVSE"),
        ("resume_charging", "Charging"),
        ("stop_charging", "FinishedEVSE"),
    ):
        simulator.send(command, payload, 20)
        assert simulator.now["state"] == state


LIMITS: list[tuple[str, Any, Callable[[Simulator], Any], Any]] = [
    ("set_limit_amps", "10.0", lambda s: s.last("limits")["max_current"], 10.0),
    ("set_limit_amps", "6", lambda s: s.last("limits")["max_current"], 6.0),
    ("set_limit_amps", "-10", lambda s: s.now["state"], "ChargingPausedEVSE"),
    ("set_limit_watts", "6900", lambda s: s.last("limits")["max_current"], 10.0),
    ("set_limit_watts", "-6900", lambda s: s.now["state"], "ChargingPausedEVSE"),
    ("set_limit_amps_phases", {"amps": 8.0, "phases": 3}, lambda s: s.last("limits")["max_current"], 8.0),
    (
        "set_limit_amps_phases",
        {"amps": 8.0, "phases": 1},
        lambda s: s.last("limits")["nr_of_phases_available"],
        1,
    ),
    ("set_limit_amps_phases", {"amps": -8.0, "phases": 3}, lambda s: s.now["state"], "ChargingPausedEVSE"),
]


@pytest.mark.parametrize(("command", "payload", "told", "value"), LIMITS)
def test_limits_are_considered_by_the_energy_management(
    simulator: Simulator, command: str, payload: Any, told: Callable[[Simulator], Any], value: Any
) -> None:
    simulator.charge()
    simulator.send(command, payload, 40)
    assert told(simulator) == pytest.approx(value) if isinstance(value, float) else told(simulator) == value


@pytest.mark.parametrize("payload", ["1", "", "not a number", "0"])
def test_force_unlock_takes_connector_1_where_none_is_named(simulator: Simulator, payload: str) -> None:
    simulator.charge()
    simulator.send("force_unlock", payload, 10)
    assert simulator.now["state"] == "Finished"
    assert simulator.station.station.modules["yeti_driver"].locked is False  # type: ignore[attr-defined]
