"""From SIGTERM on nobody's orders are taken, while the session is brought to its end."""

from __future__ import annotations

import signal
from pathlib import Path

from evse_daemon.config import environment
from evse_daemon.mqtt.topics import api_command
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, EVENTS, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import ROOT

CONFIG = ROOT / "config" / "config-sim.yaml"

STUBBORN = LONG_SESSION.replace("draw_power_regulated", "draw_power_fixed")
"""A car that goes on drawing power: the end takes seconds."""


def test_calls_are_answered_with_shutdown(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(
            ["run", str(CONFIG), "--state-dir", str(tmp_path / "state")],
            environ={environment.HOST: mosquitto.host, environment.PORT: str(mosquitto.port)},
        )
        client.wait_event("Enabled")
        client.publish(CARSIM, STUBBORN)
        client.wait_event("ChargingStarted")
        daemon.process.send_signal(signal.SIGTERM)
        client.wait_event("StoppingCharging")
        command = TOPICS.command("evse_manager", "evse", "pause_charging")
        answer = client.call(
            command, {"data": {"id": "1", "origin": "external", "args": {}}, "msg_type": "Cmd"}
        )
        assert answer.data["error"] == {"event": "Shutdown", "msg": "the station is shutting down"}
        client.publish(api_command("evse_manager", "pause_charging"), "")
        assert daemon.ended() == 0, daemon.describe()
        told = [heard.data["event"] for heard in client.on(EVENTS)]
    assert told[-2:] == ["TransactionFinished", "SessionFinished"]
    assert "ChargingPausedEVSE" not in told
    refused = [line for line in daemon.err.splitlines() if "message from MQTT refused" in line]
    assert [api_command("evse_manager", "pause_charging") in line for line in refused] == [True]
