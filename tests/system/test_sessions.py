"""The issue's own session on each of the four brokers, watched and driven with the clients that people use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.brokers import MISSING, free_port, mosquitto_binary, start_mosquitto
from tests.system.clients import (
    CARSIM,
    EVENTS,
    POWER_COMMAND,
    SESSION,
    TOPICS,
    WHOLE,
    Client,
    MosquittoSub,
    mosquitto_pub,
)
from tests.system.processes import ELSEWHERE, PROGRAM, Daemon, until

FIRST_LINES = {
    "configured": r"Broker: the configured broker at 127\.0\.0\.1:{port}\. Watch with:  {watch}",
    "running": r"Broker: the broker that runs on 127\.0\.0\.1:{port}\. Watch with:  {watch}",
    "private": r"Broker: a private Mosquitto on 127\.0\.0\.1:{port}, .*\. Watch with:  {watch}",
    "embedded": r"Broker: the embedded broker on 127\.0\.0\.1:{port} .*\. Watch with:  {watch}",
}
WATCH = r"mosquitto_sub -v -p {port} -t 'everest/#'"


@dataclass
class Station:
    kind: str
    daemon: Daemon
    port: int


@pytest.fixture(scope="module", params=FIRST_LINES)
def station(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The simulator on a broker of each kind."""
    kind: str = request.param
    folder: Path = tmp_path_factory.mktemp(kind)
    if kind == "embedded":
        pytest.importorskip("amqtt", reason="NOT TESTED: amqtt is not installed")
    elif mosquitto_binary() is None:
        pytest.skip(MISSING)
    broker = start_mosquitto(folder) if kind in ("configured", "running") else None
    port = broker.port if broker is not None else free_port()
    arguments = ["simulate", "--speed", "10"]
    program: Sequence[str] = PROGRAM
    match kind:
        case "configured":
            arguments += ["--broker", f"127.0.0.1:{port}"]
        case "embedded":
            program = (*ELSEWHERE, f"{port}-")
        case _:
            program = (*ELSEWHERE, str(port))
    daemon = Daemon(folder / "daemon", arguments, program=program)
    try:
        daemon.says("Ctrl-C ends the simulator.")
        with Client(port, "everest_api/#") as client:
            client.wait_available()
        yield Station(kind, daemon, port)
        daemon.ctrl_c()
        assert daemon.ended(5) == 0, daemon.describe()
        assert daemon.err == ""
    finally:
        daemon.end()
        if broker is not None:
            broker.stop()


def test_the_first_line_says_which_broker_it_is_and_what_to_type(station: Station) -> None:
    first = station.daemon.out.splitlines()[0]
    watch = WATCH.format(port=station.port)
    assert re.fullmatch(FIRST_LINES[station.kind].format(port=station.port, watch=watch), first)


def test_one_whole_session_with_mosquitto_pub_seen_by_mosquitto_sub_and_paho(
    station: Station, tmp_path: Path
) -> None:
    with (
        MosquittoSub(tmp_path, station.port, "everest/#") as sub,
        Client(station.port, "everest/#") as client,
    ):
        until(lambda: sub.payloads(TOPICS.ready))  # it is retained: the subscription stands
        mosquitto_pub(station.port, CARSIM, SESSION)
        client.wait_event("SessionFinished")
        assert client.events() == WHOLE
        until(lambda: any('"SessionFinished"' in event for event in sub.payloads(EVENTS)))
        printed = [json.loads(payload)["data"]["event"] for payload in sub.payloads(EVENTS)]
        assert [event for event in printed if event != "Enabled"] == WHOLE
        ids = {message.data["uuid"] for message in client.on(EVENTS) if message.data["event"] != "Enabled"}
        assert len(ids) == 1
        assert_plausible(client)


def assert_plausible(client: Client) -> None:
    """16 A on three phases of 230 V for 20 s: 11 kW, 61 Wh; power goes on and off again."""
    events = {message.data["event"]: message.data for message in client.on(EVENTS)}
    started = events["TransactionStarted"]["transaction_started"]["meter_value"]
    finished = events["TransactionFinished"]["transaction_finished"]["meter_value"]
    energy_wh = finished["energy_Wh_import"]["total"] - started["energy_Wh_import"]["total"]
    assert 61 * 0.85 < energy_wh < 61 * 1.15
    meter = TOPICS.var("evse_manager", "evse", "powermeter")
    power_w = [message.data["power_W"]["total"] for message in client.on(meter)]
    assert max(power_w) == pytest.approx(16 * 3 * 230, rel=0.05)
    switched = [message.data["args"]["value"]["allow_power_on"] for message in client.on(POWER_COMMAND)]
    assert True in switched
    assert switched[-1] is False


def test_a_paho_client_drives_it(station: Station) -> None:
    with Client(station.port, "everest/#") as client:
        client.publish(CARSIM, "iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 1;unplug", qos=2)
        client.wait_event("SessionFinished")
        assert client.events() == WHOLE
        for number in range(20):
            call = {"id": f"c{number}", "origin": "paho", "args": {}}
            topic = TOPICS.command("evse_manager", "evse", "get_evse")
            answer = client.call(topic, {"data": call, "msg_type": "Cmd"}, "paho")
            assert answer.data["id"] == f"c{number}"
            assert answer.data["retval"]["id"] == 1
