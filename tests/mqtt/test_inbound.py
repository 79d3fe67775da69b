"""What comes from the broker: once, with its flags, bounded, and nothing old."""

import asyncio

import pytest
import structlog

from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.settings import BrokerSettings
from tests.mqtt.helpers import Recorder, numbers, publisher
from tests.support.brokers import Mosquitto
from tests.support.raw_mqtt import (
    CONNACK,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    Peer,
    RawServer,
    ack,
    packet,
    publish,
)
from tests.support.waiting import run, until


async def _subscribed(peer: Peer) -> None:
    peer.write(packet(CONNACK, bytes([0, 0])))
    _, body = await peer.read()
    peer.write(packet(SUBACK, body[:2] + b"\x02"))


def test_a_repeated_qos2_message_is_delivered_once() -> None:
    seen: list[tuple[int, bytes]] = []

    async def scenario() -> None:
        async def repeats(peer: Peer, _n: int) -> None:
            await _subscribed(peer)
            peer.write(publish("a", b"1", 2, 7))
            seen.append(await peer.read())
            peer.write(publish("a", b"1", 2, 7, dup=True), publish("a", b"1", 2, 7, dup=True))
            seen.append(await peer.read())
            seen.append(await peer.read())
            peer.write(ack(PUBREL, 7))
            seen.append(await peer.read())
            peer.write(publish("a", b"2", 2, 7))  # the id is free again
            seen.append(await peer.read())
            await peer.reader.read()

        async with RawServer(repeats) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port)
            async with Recorder(settings, "a") as recorder:
                await until(lambda: len(seen) == 5)
                assert recorder.payloads == ["1", "2"]
        mid = b"\x00\x07"
        assert seen == [(PUBREC, mid), (PUBREC, mid), (PUBREC, mid), (PUBCOMP, mid), (PUBREC, mid)]

    run(scenario())


def test_a_new_clean_session_may_use_the_same_id() -> None:
    async def scenario() -> None:
        async def serve(peer: Peer, n: int) -> None:
            assert peer.clean
            await _subscribed(peer)
            peer.write(publish("a", str(n).encode(), 2, 7))
            await peer.read()
            if n == 3:
                await peer.reader.read()

        async with RawServer(serve) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port)
            recorder = Recorder(settings, "a")
            await recorder.connection.start()
            await until(lambda: recorder.payloads == ["1", "2", "3"])
            await recorder.connection.stop()

    run(scenario())


def test_retained_flag(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        connection = publisher(mosquitto.settings)
        await connection.start()
        await connection.publish("a/old", "1", 1, retain=True)
        async with Recorder(mosquitto.settings, "a/#") as recorder:
            await until(lambda: recorder.messages == [Inbound("a/old", b"1", 1, True)])
            await connection.publish("a/new", "2", 1, retain=True)
            await until(lambda: recorder.messages[1:] == [Inbound("a/new", b"2", 1, False)])
        await connection.stop()

    run(scenario())


def test_nothing_is_queued_while_the_subscriber_is_away(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        connection = publisher(mosquitto.settings)
        await connection.start()
        async with Recorder(mosquitto.settings, "a/#") as recorder:
            recorder.connection.drop_link()
            await until(lambda: not recorder.connection.connected)
            for number in numbers(5):
                await connection.publish("a/missed", number, 2)
            await until(lambda: recorder.connection.connected)
            await connection.publish("a/heard", "x", 2)
            await until(lambda: recorder.messages)
            assert [message.topic for message in recorder.messages] == ["a/heard"]
        await connection.stop()

    run(scenario())


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("size", [1001, 3_000_000])  # in one piece, and in many
def test_oversized_messages_are_dropped_and_the_rest_goes_on(
    mosquitto: Mosquitto, qos: int, size: int
) -> None:
    async def scenario() -> None:
        connection = publisher(mosquitto.settings)
        await connection.start()
        with structlog.testing.capture_logs() as logs:
            async with Recorder(mosquitto.settings, "a/#", max_payload_bytes=1000) as recorder:
                for _ in range(3):
                    await connection.publish("a/large", b"x" * size, qos)
                await connection.publish("a/limit", b"y" * 1000, qos)
                await until(lambda: recorder.messages)
                assert recorder.messages == [Inbound("a/limit", b"y" * 1000, qos, False)]
                assert recorder.states == [True]
                for number in numbers(40):  # more than any window: all were acknowledged
                    await connection.publish("a/large", b"x" * 1001, qos)
                    await connection.publish("a/n", number, qos)
                await until(lambda: recorder.payloads[1:] == numbers(40))
        (entry,) = [log for log in logs if "too large" in log["event"]]
        assert entry["topic"] == "a/large"
        assert entry["bytes"] == size
        await connection.stop()

    run(scenario())


@pytest.mark.parametrize("size", [1001, 3_000_000])
def test_oversized_messages_are_acknowledged(size: int) -> None:
    seen: list[tuple[int, bytes]] = []

    async def scenario() -> None:
        async def serve(peer: Peer, _n: int) -> None:
            await _subscribed(peer)
            peer.write(publish("a", b"x" * size, 1, 8), publish("a", b"x" * size, 2, 9))
            seen.extend([await peer.read(), await peer.read()])
            peer.write(ack(PUBREL, 9))
            seen.append(await peer.read())
            await peer.reader.read()

        async with RawServer(serve) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port)
            async with Recorder(settings, "a", max_payload_bytes=1000) as recorder:
                await until(lambda: len(seen) == 3)
                assert recorder.messages == []
        assert seen == [(PUBACK, b"\0\x08"), (PUBREC, b"\0\x09"), (PUBCOMP, b"\0\x09")]

    run(scenario())


def test_a_callback_that_fails_does_not_end_the_connection(mosquitto: Mosquitto) -> None:
    heard: list[str] = []

    def fail(message: Inbound) -> None:
        heard.append(message.topic)
        raise RuntimeError("bug")

    def fail_too(_connected: bool) -> None:
        raise RuntimeError("bug")

    async def scenario() -> None:
        connection = MqttConnection(
            "x",
            "x",
            mosquitto.settings,
            clean=True,
            on_message=fail,
            on_state=fail_too,
            subscriptions=[("a", 2)],
        )
        with structlog.testing.capture_logs() as logs:
            await connection.start()
            for _ in range(3):
                await connection.publish("a", "1", 2)
            await until(lambda: len(heard) == 3)
            assert connection.connected
            await connection.stop()
        assert [log["event"] for log in logs].count("MQTT message callback failed") == 1

    run(scenario())


def test_a_refused_subscription_is_told() -> None:
    async def scenario() -> None:
        async def refuse(peer: Peer, _n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, 0])))
            _, body = await peer.read()
            peer.write(packet(SUBACK, body[:2] + b"\x02\x80"))
            await peer.reader.read()

        async with RawServer(refuse) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port)
            with structlog.testing.capture_logs() as logs:
                async with Recorder(settings, "a/#", "b/#") as recorder:
                    assert recorder.connection.refused_subscriptions == ["b/#"]
            assert [log["topic"] for log in logs if log["log_level"] == "error"] == ["b/#"]

    run(scenario())


def test_it_is_not_connected_before_the_suback() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def slow(peer: Peer, _n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, 0])))
            _, body = await peer.read()
            await go.wait()
            peer.write(packet(SUBACK, body[:2] + b"\x02"))
            await peer.reader.read()

        async with RawServer(slow) as server:
            recorder = Recorder(BrokerSettings(host="127.0.0.1", port=server.port), "a")
            task = asyncio.create_task(recorder.connection.start())
            await asyncio.sleep(0.05)
            assert recorder.states == []
            go.set()
            await task
            assert recorder.states == [True]
            await recorder.connection.stop()

    run(scenario())
