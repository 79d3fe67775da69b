"""evse-daemon explain and status, beside a daemon that runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from evse_daemon.mqtt.topics import api_command
from tests.support.brokers import Mosquitto, free_port
from tests.system.clients import CARSIM, CARSIM_MODIFY, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Running, Start
from tests.system.processes import PROGRAM, clean_environment, simulate, until, where


def asked(broker: Mosquitto, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments, *where(broker)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=clean_environment(),
    )


def answer(broker: Mosquitto) -> Any:
    done = asked(broker, "explain", "--json")
    assert done.returncode == 0, done.stderr
    [evse] = json.loads(done.stdout)["evses"]
    return evse


def test_a_session_is_explained_as_it_goes_on(running: Running) -> None:
    client, broker = running.client, running.broker
    status = asked(broker, "status")
    assert status.stdout.splitlines() == [
        "everest: online",
        "evse_manager: Ready, not charging: no car is plugged in. Plug a car in.",
    ]
    since = client.mark()
    client.publish(CARSIM, LONG_SESSION)
    client.wait_event("ChargingStarted", since)
    client.publish(api_command("evse_manager", "set_limit_amps"), "10")
    until(lambda: answer(broker)["allowed_A"] == 10.0)
    found = answer(broker)
    assert found["sentence"].startswith("Charging with up to 10.0 A on 3 phases: ")
    assert "the API (set_limit_…)" in found["sentence"]
    assert [limit["source"] for limit in found["limits"] if limit["smallest"]] == ["API_module"]
    nodes = {limit["source"]: limit["current_A"] for limit in found["limits"] if limit["kind"] == "node"}
    assert nodes == {
        "grid_connection_point/module_config": 32.0,
        "evse_manager_sink: API_module": 10.0,
    }
    client.publish(api_command("evse_manager", "pause_charging"), "")
    client.wait_event("ChargingPausedEVSE", since)
    table = asked(broker, "explain").stdout
    assert "it was paused by a command (pause_charging) -> Resume it: resume_charging." in table
    client.publish(api_command("evse_manager", "set_limit_amps"), "32")
    client.publish(CARSIM_MODIFY, "unplug")
    client.wait_event("SessionFinished", since)


def test_it_is_retained_for_those_who_come_later_and_renewed(running: Running) -> None:
    with Client(running.broker.port, TOPICS.explain) as late:
        first = late.wait(TOPICS.explain)
        assert first.retain
        assert first.json["evses"][0]["evse"] == "evse_manager"
        renewed = late.wait(TOPICS.explain, lambda heard: not heard.retain)
        assert renewed.json["time"] > first.json["time"]


def test_an_evse_that_there_is_not_is_told(running: Running) -> None:
    done = asked(running.broker, "explain", "other")
    assert done.returncode == 1
    assert done.stderr == "there is no EVSE other; there are: evse_manager\n"


def test_nothing_of_a_station_that_has_ended_or_was_killed_is_shown(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    daemon = start(["simulate", *where(mosquitto), "--speed", "10"])
    with Client(mosquitto.port, "evse_daemon/#") as client:
        client.wait(TOPICS.explain)
        daemon.kill()
        client.wait(TOPICS.status, lambda heard: heard.payload == "offline")
        done = asked(mosquitto, "status")
        assert (done.returncode, done.stdout) == (1, "")
        assert "the station is offline" in done.stderr
        again = simulate(tmp_path / "again", mosquitto)
        try:
            client.wait(TOPICS.explain, lambda heard: heard.payload == "")
            since = client.mark()
            client.wait(TOPICS.explain, lambda heard: heard.payload != "", since=since)
        finally:
            again.end()
        client.wait(TOPICS.explain, lambda heard: heard.payload == "", since=since)


def test_without_a_daemon_or_a_broker_it_says_so(mosquitto: Mosquitto) -> None:
    done = asked(mosquitto, "status", "--prefix", "nobody")
    assert done.returncode == 1
    assert "no evse-daemon is known as 'nobody'" in done.stderr
    nowhere = [*PROGRAM, "explain", "--broker", f"127.0.0.1:{free_port()}"]
    refused = subprocess.run(
        nowhere, capture_output=True, text=True, timeout=30, check=False, env=clean_environment()
    )
    assert refused.returncode == 4
