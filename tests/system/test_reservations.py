"""Reservations and a list of tokens at a daemon of its own, which is killed: what it knows when it is back."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import yaml

from evse_daemon.framework.clock import timestamp
from evse_daemon.mqtt.topics import api_command, api_var
from tests.support.brokers import Mosquitto
from tests.system.clients import EVENTS, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration

OWNER, STRANGER, UNKNOWN = "04A1B2C3D4E5F6", "0411223344AABB", "04DEADBEEF0001"
STATUS = TOPICS.var("auth", "main", "token_validation_status")
UPDATE = TOPICS.var("auth", "reservation", "reservation_update")


def station(folder: Path, port: int) -> Path:
    """The simulator's with a store, a list of tokens, and no card that comes by itself."""
    file = configuration(folder, port)
    document: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    modules = document["active_modules"]
    del modules["token_provider"]
    auth = modules["auth"]["connections"]
    auth["token_provider"] = [{"module_id": "dummy_token_provider", "implementation_id": "main"}]
    auth["token_validator"] = [{"module_id": "allowlist", "implementation_id": "token_validator"}]
    auth["kvs"] = [{"module_id": "persistent_store", "implementation_id": "main"}]
    del modules["token_validator"]
    allowlist = folder / "allowlist.txt"
    allowlist.write_text(f"# two cards\n{OWNER.lower()}\n{STRANGER} 1\n", "utf-8")
    allowlist.chmod(0o600)
    modules["allowlist"] = {
        "module": "LocalAllowlistTokenValidator",
        "config_module": {"allowlist_file": str(allowlist)},
    }
    modules.setdefault("persistent_store", {"module": "PersistentStore"})
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def call(client: Client, command: str, **arguments: Any) -> Any:
    message = {"id": "1", "origin": "external", "args": arguments}
    answer = client.call(TOPICS.command("auth", "reservation", command), message)
    return answer.data.get("retval", answer.data)


def swipe(client: Client, token: str) -> str:
    """Presents a card; gives what became of it."""
    since = client.mark()
    card = {"id_token": {"value": token, "type": "ISO14443"}, "authorization_type": "RFID"}
    client.publish(api_command("dummy_token_provider", "provide"), json.dumps(card))
    ends = ("Rejected", "UsedToStart", "UsedToStop")
    return str(client.wait(STATUS, lambda heard: heard.data["status"] in ends, since=since).data["status"])


def test_a_reservation_outlives_kill_9_and_no_log_tells_a_token(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    command = ["run", str(station(tmp_path, mosquitto.port)), "--state-dir", str(tmp_path / "state")]
    until = timestamp(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    with Client(mosquitto.port, "#") as client:
        daemon = start(command)
        client.wait_available()
        asked = {"reservation_id": 7, "id_token": OWNER, "expiry_time": until, "evse_id": 1}
        assert call(client, "reserve_now", request=asked) == "Accepted"
        daemon.kill()
        killed = client.mark()

        daemon = start(command)
        client.wait(
            EVENTS, lambda heard: heard.data["event"] == "ReservationStart", since=killed, timeout_s=START_S
        )
        client.wait(
            api_var("evse_manager", "session_info"),
            lambda heard: heard.json["state"] == "Reserved",
            since=killed,
        )
        assert (
            call(client, "exists_reservation", request={"id_token": OWNER, "evse_id": 1})
            == "ReservedForToken"
        )
        assert swipe(client, STRANGER) == "Rejected"
        assert swipe(client, UNKNOWN) == "Rejected"
        assert swipe(client, OWNER) == "UsedToStart"
        started = client.wait_event("SessionStarted", killed)
        assert started.data["session_started"]["reservation_id"] == 7
        assert call(client, "cancel_reservation", reservation_id=7) is False

        daemon.kill()
        killed = client.mark()
        daemon = start(command)
        client.wait(TOPICS.ready, since=killed, timeout_s=START_S)
        client.wait_event("Enabled", killed)
        assert swipe(client, STRANGER) == "UsedToStart"
        assert not [heard for heard in client.on(EVENTS, killed) if heard.data["event"] == "ReservationStart"]
        wrong = {"request": {"id_token": [UNKNOWN], "reservation_id": "x", "expiry_time": until}}
        refused = call(client, "reserve_now", **wrong)
        assert "reservation_id" in str(refused)
        assert UNKNOWN not in str(refused)
    for file in (tmp_path / "daemon").iterdir():
        text = file.read_text("utf-8")
        for token in (OWNER, STRANGER, UNKNOWN):
            assert token.lower() not in text.lower(), f"{file.name} tells a token"


def test_the_list_of_tokens_can_be_changed_while_the_station_runs(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    command = ["run", str(station(tmp_path, mosquitto.port)), "--state-dir", str(tmp_path / "state")]
    with Client(mosquitto.port, "#") as client:
        start(command)
        client.wait_available()
        assert swipe(client, UNKNOWN) == "Rejected"
        new = tmp_path / "new"
        new.write_text(UNKNOWN, "utf-8")
        new.chmod(0o600)
        os.replace(new, tmp_path / "allowlist.txt")  # noqa: PTH105 - what a careful script does
        assert swipe(client, OWNER) == "Rejected"
        assert swipe(client, UNKNOWN) == "UsedToStart"
