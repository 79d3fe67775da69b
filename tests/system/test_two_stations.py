"""Two daemons on one broker, each with its own everest and external prefix: neither hears or says what is the other's."""

from __future__ import annotations

from pathlib import Path

from evse_daemon.mqtt.topics import Topics, api_command, api_var, carsim_command
from tests.support.brokers import Mosquitto
from tests.system.clients import SESSION, Client
from tests.system.processes import START_S, Daemon, simulate

NAMES = ("left", "right")


def test_they_share_no_topic_and_no_order(mosquitto: Mosquitto, tmp_path: Path) -> None:
    daemons: list[Daemon] = []
    topics = {name: Topics(name, f"{name}_api/") for name in NAMES}
    events = {name: topics[name].var("evse_manager", "evse", "session_event") for name in NAMES}
    with Client(mosquitto.port, "#") as client:

        def told(name: str) -> list[str]:
            return [heard.data["event"] for heard in client.on(events[name])]

        try:
            for name in NAMES:
                arguments = ("--prefix", name, "--external-prefix", f"{name}_api/")
                daemons.append(simulate(tmp_path / name, mosquitto, *arguments))
            for name in NAMES:
                session_info = topics[name].external_prefix + api_var("evse_manager", "session_info")
                client.wait(session_info, lambda heard: heard.json["state"] == "Unplugged", timeout_s=START_S)
            left = topics["left"].external_prefix
            client.publish(left + carsim_command(1, "execute_charging_session"), SESSION)
            client.wait(events["left"], lambda heard: heard.data["event"] == "ChargingStarted")
            client.publish(left + api_command("evse_manager", "pause_charging"), "")
            client.wait(events["left"], lambda heard: heard.data["event"].startswith("ChargingPaused"))
            assert told("right") in ([], ["Enabled"])

            # Without a prefix nobody is meant.
            client.publish(api_command("evse_manager", "resume_charging"), "")
            client.publish(carsim_command(1, "execute_charging_session"), SESSION)
            call = {"id": "1", "origin": "external", "args": {}}
            for name in NAMES:
                answer = client.call(topics[name].command("evse_manager", "evse", "get_evse"), call)
                assert "retval" in answer.data
            assert "ChargingResumed" not in told("left")
            assert told("right") in ([], ["Enabled"])

            firsts = {heard.topic.split("/", 1)[0] for heard in client.messages}
            ours = {"everest_api", "everest_external"}  # what this test has published there
            assert firsts - ours == {"left", "right", "left_api", "right_api", "evse_daemon"}
            presence = {heard.topic for heard in client.messages if heard.topic.startswith("evse_daemon/")}
            assert {topics[name].status for name in NAMES} <= presence
            assert all(topic.split("/")[1] in NAMES for topic in presence)
            assert [daemon.process.poll() for daemon in daemons] == [None, None]
        finally:
            for daemon in daemons:
                daemon.end()
