"""Two stations on one broker, with different everest and external prefixes."""

from __future__ import annotations

from evse_daemon.mqtt.topics import Topics, api_var
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, EVENTS, SESSION, TOPICS, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, where

EXTERNAL = "second/"
SECOND = Topics("everest_2", EXTERNAL)
SECOND_EVENTS = SECOND.var("evse_manager", "evse", "session_event")
INFO = api_var("evse_manager", "session_info")


def names(client: Client, topic: str) -> list[str]:
    return [name for heard in client.on(topic) if (name := heard.data["event"]) != "Enabled"]


def test_neither_hears_what_is_meant_for_the_other(mosquitto: Mosquitto, start: Start) -> None:
    start(["simulate", *where(mosquitto), "--speed", "30"])
    with Client(mosquitto.port, "#") as client:
        client.wait_available()
        second = start(
            ["simulate", *where(mosquitto), "--speed", "30", "--prefix", SECOND.name],
            environ={"EV_MQTT_EXTERNAL_PREFIX": EXTERNAL},
        )
        client.wait(EXTERNAL + INFO, lambda heard: heard.json["state"] == "Unplugged", timeout_s=START_S)

        client.publish(EXTERNAL + CARSIM, SESSION)
        client.wait(SECOND_EVENTS, lambda heard: heard.data["event"] == "SessionFinished")
        assert names(client, SECOND_EVENTS) == WHOLE
        assert names(client, EVENTS) == []
        assert {heard.json["state"] for heard in client.on(INFO)} <= {"Unknown", "Unplugged"}
        assert "Charging" in {heard.json["state"] for heard in client.on(EXTERNAL + INFO)}

        client.publish(CARSIM, SESSION)
        client.wait_event("SessionFinished")
        assert names(client, EVENTS) == WHOLE
        assert names(client, SECOND_EVENTS) == WHOLE, "no more than before"

        for topics in (TOPICS, SECOND):
            call = topics.command("evse_manager", "evse", "get_evse")
            client.call(call, {"id": topics.name, "origin": "external", "args": {}})

        # The end of one is not the end of the other.
        second.process.terminate()
        client.wait(SECOND.status, lambda heard: heard.payload == "offline")
        client.wait(INFO, since=client.mark())
        assert [heard.payload for heard in client.on(TOPICS.status)] == ["online"]
