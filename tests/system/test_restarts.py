"""kill -9 of the daemon, and a broker that dies or restarts in the middle of a session."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import Mosquitto, start_mosquitto
from tests.system.clients import (
    CARSIM,
    CARSIM_MODIFY,
    END,
    EVENTS,
    LONG_SESSION,
    POWER_COMMAND,
    STATES,
    TOPICS,
    WHOLE,
    Client,
    Heard,
)
from tests.system.conftest import Start
from tests.system.processes import START_S, Daemon, run, until, where

BOARD = TOPICS.var("yeti_driver", "board_support", "event")
METER = TOPICS.var("evse_manager", "evse", "powermeter")


@pytest.fixture
def persistent(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps sessions and retained messages over a restart."""
    broker = start_mosquitto(tmp_path, persistent=True)
    yield broker
    broker.stop()


def switches_on(heard: Heard) -> bool:
    return bool(heard.data["args"]["value"]["allow_power_on"])


def energy_wh(heard: Heard) -> float:
    return float(heard.data["energy_Wh_import"]["total"])


# kill -9 of the daemon.


def test_after_kill_9_at_the_power_on_nothing_old_is_executed(
    persistent: Mosquitto, start: Start, tmp_path: Path
) -> None:
    command = run(tmp_path, persistent)
    gone = TOPICS.module_ready("gone")
    with Client(persistent.port, "#") as client:
        first = start(command)
        client.wait_available()
        client.publish(gone, "true", retain=True)
        client.publish(CARSIM, LONG_SESSION.replace("sleep 1;", ""))
        client.wait(POWER_COMMAND, switches_on)
        first.kill()
        client.wait(TOPICS.status, lambda heard: heard.payload == "offline")
        old = client.messages
        killed = len(old)
        old_id = client.wait_event("TransactionStarted").data["uuid"]

        second = start(command)
        client.wait(TOPICS.status, lambda heard: heard.payload == "online", since=killed, timeout_s=START_S)
        client.wait(TOPICS.ready, bool, since=killed)
        client.wait_event("SessionFinished", killed)
        assert not any(switches_on(message) for message in client.on(POWER_COMMAND, killed))

        # What the dead daemon had said comes again, as from a broker that had it in flight.
        commands = [message for message in old if is_command(message)]
        assert {message.topic for message in commands} > {POWER_COMMAND}
        replayed = client.mark()
        for message in commands:
            client.publish(message.topic, message.payload, qos=2)
        alive = {"id": "alive", "origin": "external", "args": {}}
        client.call(TOPICS.command("evse_manager", "evse", "get_evse"), alive)
        client.wait(METER, since=client.mark())
        again = sum(switches_on(message) for message in client.on(POWER_COMMAND, replayed))
        assert again == sum(message.topic == POWER_COMMAND and switches_on(message) for message in commands)
        ids = {message.data["id"] for message in commands}
        answers = [message for message in client.messages[replayed:] if "/response/" in message.topic]
        assert not any(message.data["id"] in ids for message in answers)
        assert "PowerOn" not in [message.data["event"] for message in client.on(BOARD, killed)]
        assert {energy_wh(message) for message in client.on(METER, killed)} == {0.0}

        # The transaction of the dead run is closed, under its own id.
        events = [event for event in client.on(EVENTS, killed) if event.data["event"] != "Enabled"]
        assert [event.data["event"] for event in events] == [
            "SessionResumed", "TransactionFinished", "SessionFinished",
        ]  # fmt: skip
        assert {event.data["uuid"] for event in events} == {old_id}
        assert events[1].data["transaction_finished"]["reason"] == "PowerLoss"

        # What it had left retained was taken away before anything new was said.
        new = client.messages[killed:]
        for topic in (gone, TOPICS.ready, TOPICS.module_ready("evse_manager")):
            assert next(message.payload for message in new if message.topic == topic) == ""
        with Client(persistent.port, "everest/#") as late:
            late.wait(TOPICS.ready)
            assert late.on(gone) == []

        # A transaction is closed once, however often the daemon dies.
        second.kill()
        killed = client.mark()
        start(command)
        client.wait_event("Enabled", killed, START_S)
        client.wait(METER, since=client.mark())
        assert client.events(killed) == []


def is_command(message: Heard) -> bool:
    topic = TOPICS.parse(message.topic)
    return topic is not None and topic.kind == "cmd"


# The broker.


def test_charging_goes_on_while_the_broker_is_killed_and_comes_back_empty(
    mosquitto: Mosquitto, start: Start
) -> None:
    daemon = start(["simulate", *where(mosquitto), "--speed", "10"])
    with Client(mosquitto.port, "everest/#", "evse_daemon/#", "everest_api/#") as client:
        client.wait_available()
        since = client.mark()
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        before_wh = energy_wh(client.wait(METER, lambda heard: energy_wh(heard) > 5.0, since=since))

        mosquitto.stop(signal.SIGKILL)
        killed = client.mark()
        told_wh = shown_wh(daemon)
        until(lambda: shown_wh(daemon) > told_wh + 40, what=daemon.describe)
        away_wh = shown_wh(daemon)
        mosquitto.start()

        with Client(mosquitto.port, "everest/#", "evse_daemon/#") as late:
            # Both had a clean session on an empty broker: they hear only what is said since.
            for topic in STATES:
                late.wait(topic)
            late.wait(TOPICS.status, lambda heard: heard.payload == "online")
            after_wh = energy_wh(late.wait(METER))
            assert after_wh > before_wh + 40
            assert after_wh >= away_wh - 1
            late.wait(METER, lambda heard: energy_wh(heard) > after_wh + 10)
            assert not any(not switches_on(heard) for heard in client.on(POWER_COMMAND, killed))
            assert late.events() == []
            late.publish(CARSIM_MODIFY, "unplug")
            late.wait_event("SessionFinished")
            assert tuple(late.events()) == END
    assert daemon.process.poll() is None
    assert len(daemon.err.splitlines()) < 10, daemon.err


def shown_wh(daemon: Daemon) -> float:
    """The energy in the last line of the terminal."""
    found = re.findall(r"(\d+) Wh", daemon.out)
    return float(found[-1]) if found else 0.0


def test_no_session_event_is_lost_or_doubled_when_the_broker_restarts(
    persistent: Mosquitto, start: Start
) -> None:
    """Sessions follow each other; a client at QoS 2 whose session the broker keeps hears every event once."""
    with Client(persistent.port, EVENTS, kept_as="watcher") as client:
        daemon = start(["simulate", *where(persistent), "--speed", "20", "--demo"])
        for name in ("ChargingStarted", "SessionStarted", "StoppingCharging"):
            client.wait_event(name, client.mark(), START_S)
            persistent.restart()
        client.wait_event("SessionStarted", client.mark())
        client.wait_event("SessionFinished", client.mark())
        events = [message.data for message in client.on(EVENTS)]
        assert daemon.process.poll() is None, daemon.describe()
    while events and events[0]["event"] != "SessionStarted":
        assert events.pop(0)["event"] == "Enabled"
    ids = []
    for at in range(0, len(events), len(WHOLE)):
        session = events[at : at + len(WHOLE)]
        names = [event["event"] for event in session]
        assert names == WHOLE[: len(names)]
        (session_id,) = {event["uuid"] for event in session}
        ids.append(session_id)
    assert len(ids) >= 3
    assert len(set(ids)) == len(ids)
