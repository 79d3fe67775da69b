"""Programs on EVerest's API beside a running charger, over Mosquitto: they find it, present a token, watch and drive it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import yaml

from evse_daemon.mqtt.topics import everest_api_heard, everest_api_query, everest_api_said
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, LONG_SESSION, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration

REPLY_TO = "panel/replies"
TOKEN = {"id_token": {"value": "04A1B2C3", "type": "ISO14443"}, "authorization_type": "RFID"}


def _configuration(folder: Path, port: int) -> Path:
    """The simulator's station, with programs in the place of the token provider, and a panel."""
    file = configuration(folder, port)
    document: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    modules = document["active_modules"]
    modules["token_provider"] = {"module": "auth_token_provider_API"}
    history = {"error_history": {"database_path": "errors.db"}}
    modules["error_history"] = {"module": "ErrorHistory", "config_implementation": history}
    modules["store"] = {"module": "PersistentStore"}
    store = {"module_id": "store", "implementation_id": "main"}
    modules["evse_manager"]["connections"]["store"] = [store]
    for name, kind, requirement, place in (
        ("panel", "evse_manager_consumer", "evse_manager", ("evse_manager", "evse")),
        ("home", "external_energy_limits_consumer", "energy_node", ("evse_manager_sink", "external_limits")),
        ("service", "error_history_consumer", "error_history", ("error_history", "error_history")),
    ):
        connection = {"module_id": place[0], "implementation_id": place[1]}
        modules[name] = {"module": f"{kind}_API", "connections": {requirement: [connection]}}
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def _ask(client: Client, topic: str, payload: Any = None) -> Any:
    since = client.mark()
    request = {"headers": {"replyTo": REPLY_TO}} | ({} if payload is None else {"payload": payload})
    client.publish(topic, json.dumps(request))
    return client.wait(REPLY_TO, since=since).json


def _panel(name: str) -> str:
    return everest_api_heard("evse_manager_consumer", "panel", name)


def test_programs_present_a_token_watch_and_drive_a_charger(
    tmp_path: Path, mosquitto: Mosquitto, start: Start
) -> None:
    config = _configuration(tmp_path, mosquitto.port)
    state = tmp_path / "state"
    events = everest_api_said("evse_manager_consumer", "panel", "session_event")
    infos = everest_api_said("evse_manager_consumer", "panel", "session_info")

    def happened(name: str, since: int = 0) -> None:
        client.wait(events, lambda heard: heard.json["event"] == name, since=since)

    with Client(mosquitto.port, "#") as client:
        daemon = start(["run", str(config), "--state-dir", str(state)])
        client.wait("everest_api/ready_beacon", timeout_s=START_S)
        (api,) = _ask(client, everest_api_query("evse_manager_consumer"))["apis"]
        assert (api["type"], api["module_id"]) == ("evse_manager_consumer", "panel")
        client.publish(
            everest_api_heard("auth_token_provider", "token_provider", "communication_check"), "true"
        )

        client.publish(CARSIM, LONG_SESSION)
        happened("AuthRequired")
        client.publish(
            everest_api_heard("auth_token_provider", "token_provider", "provided_token"), json.dumps(TOKEN)
        )
        happened("ChargingStarted")
        client.wait(infos, lambda heard: heard.json["state"] == "Charging")
        session_id = _ask(client, _panel("session_event/get"))["uuid"]
        stored = sqlite3.connect(state / "everest_persistent_store.db")
        row = stored.execute("SELECT VALUE, TYPE FROM KVS WHERE KEY = 'evse_manager_session'").fetchone()
        stored.close()
        assert row == (session_id, "std::string")
        assert _ask(client, _panel("get_evse"))["id"] == 1

        limit = {"value": 8.0, "source": "home"}
        entry = {
            "timestamp": "2026-01-01T00:00:00Z",
            "limits_to_root": {},
            "limits_to_leaves": {"ac_max_current_A": limit},
        }
        limits = {"schedule_import": [entry], "schedule_export": [], "schedule_setpoints": []}
        client.publish(
            everest_api_heard("external_energy_limits_consumer", "home", "set_external_limits"),
            json.dumps(limits),
        )
        enforced = everest_api_said("evse_manager_consumer", "panel", "enforced_limits")
        client.wait(
            enforced,
            lambda heard: heard.json["limits_root_side"].get("ac_max_current_A", {}).get("value") == 8.0,
        )

        assert _ask(client, _panel("pause_charging")) is True
        happened("ChargingPausedEVSE")
        since = client.mark()
        assert _ask(client, _panel("resume_charging")) is True
        happened("ChargingStarted", since)
        assert _ask(client, _panel("stop_transaction"), {"reason": "Remote"}) is True
        happened("TransactionFinished")

        asked = everest_api_heard("error_history_consumer", "service", "active_errors")
        active = _ask(client, asked)["errors"]
        assert "token_provider" not in {error["origin"]["module_id"] for error in active}
        assert {"panel", "home", "service"} <= {error["origin"]["module_id"] for error in active}
        daemon.kill()
        assert (state / "errors.db").exists()

        start(["run", str(config), "--state-dir", str(state)])
        since = client.mark()
        client.wait("everest_api/ready_beacon", since=since, timeout_s=START_S)
        get = everest_api_heard("error_history_consumer", "service", "get_errors")
        former = _ask(client, get, {"state_filter": "ClearedByReboot"})["errors"]
        assert {error["uuid"] for error in active} <= {error["uuid"] for error in former}
