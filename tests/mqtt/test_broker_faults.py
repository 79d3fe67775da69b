"""The station on a real Mosquitto that hangs, is slow, refuses, or cannot be reached, and beside a client with its id."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from evse_daemon.framework.clock import RealClock
from evse_daemon.mqtt.connections import MqttBroker
from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from tests.mqtt.bench_station import Bench, Station
from tests.mqtt.helpers import Recorder, numbers, publisher
from tests.support.brokers import Mosquitto, free_port, start_mosquitto
from tests.support.certificates import Certificates
from tests.support.proxy import Proxy
from tests.support.raw_mqtt import Peer, raw_client
from tests.support.waiting import run, until

VARS = "everest/modules/m/impl/i/var/"
ADD = "everest/modules/m/impl/i/cmd/add"
STATUS = "evse_daemon/everest/status"
READY = "everest/ready"
COUNT = 60


def through(proxy: Proxy) -> BrokerSettings:
    return BrokerSettings(host="127.0.0.1", port=proxy.port, keepalive_s=1, connect_timeout_s=1)


@asynccontextmanager
async def station_on(settings: BrokerSettings) -> AsyncIterator[Station]:
    loop = asyncio.get_running_loop()
    station = Station(MqttBroker(settings, "everest"), clock=RealClock(), schedule=loop.call_soon)
    await station.start()
    station.bench.publish(Bench.level, 1)
    try:
        yield station
    finally:
        await station.gateway.stop()
        assert station.failures == []


def heard(recorder: Recorder, topic: str) -> list[str]:
    return [message.payload.decode() for message in recorder.messages if message.topic == topic]


def data(recorder: Recorder, name: str) -> list[object]:
    return [json.loads(payload)["data"] for payload in heard(recorder, VARS + name)]


def watcher(broker: Mosquitto) -> Recorder:
    """A client beside the station, which the faults do not concern."""
    return Recorder(replace(broker.settings, keepalive_s=60), "everest/#", STATUS)


async def outage(station: Station) -> None:
    """Until both connections are known to be lost; what happens meanwhile happens on the bus."""
    for number in numbers(COUNT):
        station.bench.publish(Bench.session_event, number)
    station.bench.publish(Bench.level, 2)
    await until(lambda: not station.gateway.connected)


async def right_again(recorder: Recorder, since: int) -> None:
    """Everything that is retained or a state has been said, and each event once and in order."""
    await until(lambda: data(recorder, "session_event")[-1:] == [str(COUNT - 1)])
    await until(lambda: data(recorder, "level")[-1:] == [2])
    await until(lambda: heard(recorder, STATUS)[-1:] == ["online"])
    await until(lambda: any(message.topic == READY for message in recorder.messages[since:]))
    assert data(recorder, "session_event") == list(numbers(COUNT))


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_network_that_is_gone_without_a_word(tls: bool, tmp_path: Path, certificates: Certificates) -> None:
    port = free_port()
    broker = start_mosquitto(tmp_path, certificates.listener(port))

    async def scenario() -> None:
        with Proxy(port if tls else broker.port) as network:
            settings = through(network)
            if tls:
                settings = replace(settings, tls=TlsSettings(ca_file=certificates.ca))
            async with watcher(broker) as recorder, station_on(settings) as station:
                await until(lambda: data(recorder, "level") == [1])
                network.silence()
                since = len(recorder.messages)
                await outage(station)
                # The broker misses the keep-alive, and says for us that we are gone.
                await until(lambda: heard(recorder, STATUS)[-1:] == ["offline"], timeout_s=12)
                assert data(recorder, "session_event") == []
                network.speak()
                await right_again(recorder, since)

    try:
        run(scenario(), 30)
    finally:
        broker.stop()


def test_a_broker_that_hangs(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        settings = replace(mosquitto.settings, keepalive_s=1, connect_timeout_s=0.5)
        async with watcher(mosquitto) as recorder, station_on(settings) as station:
            await until(lambda: data(recorder, "level") == [1])
            since = len(recorder.messages)
            mosquitto.hang()
            try:
                await outage(station)
                await asyncio.sleep(0.7)  # at least one attempt finds nobody who answers
            finally:
                mosquitto.go_on()
            await right_again(recorder, since)

    run(scenario())


def test_a_broker_that_answers_slowly(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        with Proxy(mosquitto.port) as network:
            network.delay_s = 0.03
            settings = BrokerSettings(host="127.0.0.1", port=network.port)
            async with watcher(mosquitto) as recorder, station_on(settings) as station:
                for number in numbers(COUNT):
                    station.bench.publish(Bench.session_event, number)
                caller = publisher(mosquitto.settings, "caller")
                await caller.start()
                calls = [{"id": str(n), "origin": "slow", "args": {"a": n, "b": 0.5}} for n in range(20)]
                for call in calls:
                    await caller.publish(ADD, json.dumps(call), 1)
                answers = f"{ADD}/response/slow"
                await until(lambda: len(heard(recorder, answers)) == len(calls))
                assert [json.loads(answer)["data"]["id"] for answer in heard(recorder, answers)] == [
                    call["id"] for call in calls
                ]
                await until(lambda: data(recorder, "session_event") == list(numbers(COUNT)))
                assert network.accepted == 4, (
                    "a purge, two connections and a look at what is retained; none was lost"
                )
                await caller.stop()

    run(scenario())


def test_a_broker_that_refuses_until_the_password_is_right_again(tmp_path: Path) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"

    def demand(word: str) -> None:
        passwords.write_text(f"charger:{word}\n", "utf-8")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)

    demand("old")
    secret.write_text("old\n", "utf-8")
    broker = start_mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}")

    async def scenario() -> None:
        settings = replace(broker.settings, username="charger", password_file=str(secret))
        with structlog.testing.capture_logs() as logs:
            async with station_on(settings) as station:
                await asyncio.to_thread(demand, "new")
                await asyncio.to_thread(broker.restart)
                await outage(station)
                await until(lambda: any("refuses" in log.get("reason", "") for log in logs))
                secret.write_text("new\n", "utf-8")
                await until(lambda: station.gateway.connected)
                async with Recorder(settings, "everest/#", STATUS) as recorder:
                    await until(lambda: heard(recorder, STATUS) == ["online"])
        told = [log["reason"] for log in logs if log["event"] == "MQTT broker not reached, trying on"]
        assert any("Check the user name, the password file" in reason for reason in told)
        assert len(told) <= 4, "each reason once for each connection"

    try:
        run(scenario())
    finally:
        broker.stop()


async def thrown_out(peer: Peer) -> None:
    """Until the broker has closed its connection."""
    try:
        while True:
            await peer.read()
    except (asyncio.IncompleteReadError, ConnectionError):
        peer.close()


@pytest.mark.parametrize("name", ["publish", "subscribe"])
def test_a_second_client_with_our_id_is_put_off(mosquitto: Mosquitto, name: str) -> None:
    async def scenario() -> None:
        async with watcher(mosquitto) as recorder, station_on(mosquitto.settings) as station:
            await until(lambda: data(recorder, "level") == [1])
            since = len(recorder.messages)
            stranger = await raw_client(mosquitto.port, f"evse_daemon-everest-{name}", clean=False)
            if name == "publish":
                await outage(station)
            else:
                await until(lambda: not station.gateway.connected)
            await until(lambda: station.gateway.connected)
            await thrown_out(stranger)
            if name == "publish":
                await right_again(recorder, since)
            call = {"id": "1", "origin": "v", "args": {"a": 1, "b": 2}}
            caller = publisher(mosquitto.settings, "caller")
            await caller.start()
            await caller.publish(ADD, json.dumps(call), 1)
            await until(lambda: heard(recorder, f"{ADD}/response/v"))
            await caller.stop()

    run(scenario())


def test_a_second_client_that_insists_on_our_id_is_named(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        with structlog.testing.capture_logs() as logs:
            async with watcher(mosquitto) as recorder, station_on(mosquitto.settings) as station:
                insists = True

                async def stranger() -> None:
                    while insists:
                        peer = await raw_client(mosquitto.port, "evse_daemon-everest-publish", clean=False)
                        await thrown_out(peer)
                        await asyncio.sleep(0.05)

                task = asyncio.create_task(stranger())
                named = "Does another client use the same client id"
                await until(lambda: any(named in log["event"] for log in logs), timeout_s=10)
                insists = False
                await task
                await outage_over(station, recorder)
        (told,) = [log for log in logs if named in log["event"]]
        assert told["client_id"] == "evse_daemon-everest-publish"
        assert told["log_level"] == "error"

    async def outage_over(station: Station, recorder: Recorder) -> None:
        await until(lambda: station.gateway.connected)
        station.bench.publish(Bench.level, 2)
        await until(lambda: data(recorder, "level")[-1:] == [2])
        await until(lambda: heard(recorder, STATUS)[-1:] == ["online"])

    run(scenario())
