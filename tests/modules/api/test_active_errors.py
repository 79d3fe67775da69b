"""everest_api/errors/var/active_errors (reference api.md §1.7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.api.module import API
from evse_daemon.modules.error_history.module import ErrorHistory
from tests.support.harness import World

TOPIC = "everest_api/errors/var/active_errors"


def world(tmp_path: Path, *, history: bool) -> World:
    found = World()
    found.fake("evse_1", evse=EvseManager)
    connections: dict[str, Any] = {"evse_manager": [("evse_1", "evse")]}
    if history:
        options = {"error_history": {"database_path": str(tmp_path / "errors.db")}}
        found.add(ErrorHistory, "error_history", impl_options=options)
        connections["error_history"] = [("error_history", "error_history")]
    found.add(API, "api", connections=connections)
    found.start()
    return found


def test_the_errors_that_are_active_are_published_each_second(tmp_path: Path) -> None:
    station = world(tmp_path, history=True)
    evse = station.bus.implementations["evse_1", "evse"]
    evse.raise_error("evse_manager/Inoperative", "the door is open", sub_type="EnclosureOpen")
    station.advance(1)
    (error,) = evse.errors.active
    assert json.loads(station.mqtt.payloads(TOPIC)[-1]) == [
        {
            "description": error.description,
            "message": "the door is open",
            "origin": {"implementation_id": "evse", "module_id": "evse_1"},
            "severity": "High",
            "state": "Active",
            "sub_type": "EnclosureOpen",
            "timestamp": error.timestamp,
            "type": "evse_manager/Inoperative",
            "uuid": error.uuid,
        }
    ]
    evse.clear_error("evse_manager/Inoperative", "EnclosureOpen")
    station.advance(1)
    assert station.mqtt.payloads(TOPIC)[-1] == "[]"
    assert len(station.mqtt.payloads(TOPIC)) == 3


def test_without_an_error_history_there_is_no_such_topic(tmp_path: Path) -> None:
    station = world(tmp_path, history=False)
    station.advance(2)
    assert station.mqtt.payloads(TOPIC) == []
