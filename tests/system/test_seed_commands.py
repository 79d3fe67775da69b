"""The commands printed in EVerest's descriptions (seeds 000, 001, 003) do what is printed there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evse_daemon.mqtt.topics import API_CONNECTORS, api_command, api_var
from tests.system.clients import BEGIN, CARSIM, CARSIM_MODIFY, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Running

EVSE = "evse_manager"
ENABLE_DISABLE = TOPICS.command(EVSE, "evse", "enable_disable")
CALL_ID = "550e8400-e29b-41d4-a716-446655440000"

AS_PRINTED = {"id": CALL_ID, "origin": "external", "args": {"connector_id": 1, "cmd_source": {"type": "API"}}}
"""Seed 000, "Using mosquitto_pub"; it lacks fields that EVerest's type requires."""


def source(state: str, priority: int = 42) -> dict[str, Any]:
    return {"enable_source": "LocalAPI", "enable_state": state, "enable_priority": priority}


def corrected(state: str) -> dict[str, Any]:
    return {**AS_PRINTED, "args": {"connector_id": 1, "cmd_source": source(state)}}


def session_info(client: Client, since: int, **wanted: Any) -> Any:
    """What the API tells once it has the wanted values."""
    return client.wait(
        api_var(EVSE, "session_info"),
        lambda heard: wanted.items() <= heard.json.items(),
        since=since,
    ).json


def api(client: Client, command: str, payload: str) -> int:
    """Publishes on a topic of the API; the place in what is heard from then on."""
    since = client.mark()
    client.publish(api_command(EVSE, command), payload)
    return since


@pytest.mark.parametrize(
    "topic",
    [
        "everest/modules/evse_manager/impl/evse/var/session_event",
        "everest/modules/evse_manager/impl/evse/var/ready",
        "everest/modules/evse_manager/impl/evse/var/limits",
        "everest/modules/yeti_driver/impl/board_support/var/event",
        "everest/modules/yeti_driver/impl/board_support/var/telemetry",
        "everest/modules/yeti_driver/impl/board_support/var/capabilities",
        "everest/modules/yeti_driver/impl/board_support/cmd/enable",
        "everest/modules/yeti_driver/impl/board_support/cmd/allow_power_on",
        "everest_api/connectors",
        "everest_api/ocpp/var/connection_status",
        *(
            f"everest_api/evse_manager/var/{name}"
            for name in (
                "datetime", "hardware_capabilities", "session_info", "limits", "telemetry", "powermeter",
            )
        ),
    ],
)  # fmt: skip
def test_the_topics_of_the_seeds_are_the_topics_that_appear(running: Running, topic: str) -> None:
    if topic.endswith("board_support/var/event"):  # it tells of a car
        running.client.publish(CARSIM, "iec_wait_pwr_ready;sleep 1;unplug")
        running.client.wait(topic)
        running.client.wait_event("SessionFinished")
    running.client.wait(topic)


def test_the_bare_call_of_seed_000_is_told_every_field_that_it_lacks(running: Running) -> None:
    answer = running.client.call(ENABLE_DISABLE, AS_PRINTED)
    assert answer.topic == "everest/modules/evse_manager/impl/evse/cmd/enable_disable/response/external"
    assert answer.json.keys() == {"name", "type", "data"}
    assert (answer.json["name"], answer.json["type"]) == ("enable_disable", "result")
    assert answer.data.keys() == {"id", "error", "origin"}
    assert (answer.data["id"], answer.data["origin"]) == (CALL_ID, EVSE)
    assert answer.data["error"]["event"] == "SchemaValidationFailed"
    for field in ("enable_source", "enable_state", "enable_priority"):
        assert field in answer.data["error"]["msg"]


def test_the_bare_call_corrected_is_answered_in_the_form_of_seed_000(running: Running) -> None:
    client = running.client
    for state, enabled in (("Disable", False), ("Enable", True)):
        since = client.mark()
        answer = client.call(ENABLE_DISABLE, corrected(state))
        assert answer.json == {
            "name": "enable_disable",
            "type": "result",
            "data": {"id": CALL_ID, "retval": enabled, "origin": EVSE},
        }
        client.wait_event("Enabled" if enabled else "Disabled", since)


def test_the_enveloped_call_of_seed_001_is_answered_in_its_form(running: Running) -> None:
    client = running.client
    for state, enabled in (("Disable", False), ("Enable", True)):
        since = client.mark()
        answer = client.call(ENABLE_DISABLE, {"data": corrected(state), "msg_type": "Cmd"})
        assert answer.json == {
            "data": {"id": CALL_ID, "origin": EVSE, "retval": enabled},
            "msg_type": "CmdResult",
        }
        client.wait_event("Enabled" if enabled else "Disabled", since)


def test_the_enveloped_call_with_missing_fields_is_answered_in_its_form(running: Running) -> None:
    answer = running.client.call(ENABLE_DISABLE, {"data": AS_PRINTED, "msg_type": "Cmd"}).json
    assert answer["msg_type"] == "CmdResult"
    assert answer["data"].keys() == {"id", "error", "origin"}
    assert answer["data"]["error"]["event"] == "SchemaValidationFailed"


def test_a_variable_has_the_envelope_of_seed_001(running: Running) -> None:
    for topic in (TOPICS.var(EVSE, "evse", "ready"), TOPICS.var(EVSE, "evse", "session_event")):
        assert running.client.wait(topic).json.keys() == {"data", "msg_type"}
        assert running.client.wait(topic).json["msg_type"] == "Var"


def test_ready_is_retained_for_those_who_come_later(running: Running) -> None:
    with Client(running.broker.port, "everest/#") as late:
        for topic in (TOPICS.ready, TOPICS.module_ready(EVSE), TOPICS.var(EVSE, "evse", "ready")):
            heard = late.wait(topic)
            assert heard.retain
            assert heard.data is True


def test_enable_disable_of_the_api(running: Running) -> None:
    """Seed 003: lower case in its text, upper case in its example; both are taken."""
    client = running.client
    for state, shown in (("disable", "Disabled"), ("Enable", "Unplugged")):
        order = {"connector_id": 0, "source": "LocalAPI", "state": state, "priority": 42}
        since = api(client, "enable_disable", json.dumps(order))
        info = session_info(client, since, state=shown)
        assert info["active_enable_disable_source"] == {
            "source": "LocalAPI",
            "state": state.capitalize(),
            "priority": 42,
        }
        assert info["last_enable_disable_source"] == "LocalAPI"


def test_enable_and_disable_of_the_api_with_a_bare_number(running: Running) -> None:
    client = running.client
    since = api(client, "disable", "0")
    assert session_info(client, since, state="Disabled")["active_enable_disable_source"]["priority"] == 100
    client.wait_event("Disabled", since)
    since = api(client, "enable", "0")
    session_info(client, since, state="Unplugged")
    client.wait_event("Enabled", since)


def test_pause_resume_and_stop_of_the_api(running: Running) -> None:
    client = running.client
    since = client.mark()
    client.publish(CARSIM, LONG_SESSION)
    client.wait_event("ChargingStarted", since)
    session_info(client, since, state="Charging")
    paused = api(client, "pause_charging", "whatever")
    assert client.wait_event("ChargingPausedEVSE", paused).data["charging_paused_evse"] == {
        "reasons": ["UserPause"]
    }
    session_info(client, paused, state="ChargingPausedEVSE")
    resumed = api(client, "resume_charging", "")
    client.wait_event("ChargingStarted", resumed)
    session_info(client, resumed, state="Charging")
    stopped = api(client, "stop_charging", "{}")
    finished = client.wait_event("TransactionFinished", stopped).data["transaction_finished"]
    assert finished["reason"] == "Local"
    session_info(client, stopped, state="FinishedEVSE")
    client.publish(CARSIM_MODIFY, "unplug")
    client.wait_event("SessionFinished", stopped)
    session_info(client, stopped, state="Unplugged")
    assert tuple(client.events(since)[: len(BEGIN)]) == BEGIN


def test_the_api_publishes_what_seed_003_shows(running: Running) -> None:
    """Every key of the examples is there, with a value of its kind; keys that EVerest's code adds may be, too."""
    client = running.client
    phases = dict.fromkeys(("L1", "L2", "L3"), 0.0)
    shown: dict[str, dict[str, Any]] = {
        "hardware_capabilities": {
            **dict.fromkeys(
                (
                    "max_current_A_export", "max_current_A_import", "min_current_A_export",
                    "min_current_A_import",
                ),
                0.0,
            ),
            **dict.fromkeys(
                (
                    "max_phase_count_export", "max_phase_count_import", "min_phase_count_export",
                    "min_phase_count_import",
                ),
                0,
            ),
            "supports_changing_phases_during_charging": True,
        },
        "session_info": {
            "charged_energy_wh": 0, "charging_duration_s": 0, "datetime": "", "discharged_energy_wh": 0,
            "latest_total_w": 0.0, "permanent_fault": False, "state": "", "last_enable_disable_source": "",
            "active_enable_disable_source": {"source": "", "state": "", "priority": 0},
        },
        "limits": {"max_current": 0.0, "nr_of_phases_available": 0, "uuid": ""},
        "telemetry": {
            "fan_rpm": 0.0, "relais_on": False, "supply_voltage_12V": 0.0, "supply_voltage_minus_12V": 0.0,
            "temperature": 0.0,
        },
        "powermeter": {
            "current_A": {**phases, "N": 0.0}, "energy_Wh_import": {**phases, "total": 0.0},
            "frequency_Hz": phases, "power_W": {**phases, "total": 0.0}, "voltage_V": phases,
            "meter_id": "", "phase_seq_error": False, "timestamp": None,
        },
    }  # fmt: skip
    for name, example in shown.items():
        check(example, client.wait(api_var(EVSE, name)).json, name)
    assert client.wait(API_CONNECTORS).json == ["evse_manager"]
    assert client.wait(api_var(EVSE, "datetime")).payload[-1] == "Z"
    assert client.wait("everest_api/ocpp/var/connection_status").payload == "unknown"


def check(example: Any, given: Any, place: str) -> None:
    if isinstance(example, dict):
        for key, value in example.items():
            assert key in given, f"{place} has no {key}"
            check(value, given[key], f"{place}.{key}")
    elif isinstance(example, bool) or isinstance(given, bool):
        assert isinstance(given, bool) is isinstance(example, bool), place
    elif isinstance(example, float):
        assert isinstance(given, int | float), place
    elif example is not None:
        assert isinstance(given, type(example)), place
