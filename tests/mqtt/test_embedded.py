"""The embedded broker, with the worked-round faults of amqtt checked one by one."""

import asyncio
import logging
import sys

import pytest

from evse_daemon.mqtt.client import Inbound, Will
from evse_daemon.mqtt.embedded import EmbeddedBrokerMissing, start_embedded_broker
from evse_daemon.mqtt.settings import BrokerSettings
from tests.mqtt.helpers import Recorder, numbers, publisher
from tests.support.brokers import free_port
from tests.support.raw_mqtt import CONNACK, PUBLISH, SUBSCRIBE, Peer, connect, packet, raw_client, string
from tests.support.waiting import run, until


@pytest.fixture(autouse=True)
def _amqtt() -> None:
    pytest.importorskip(
        "amqtt", reason="NOT TESTED: amqtt is not installed (pip install evse-daemon[simulator])"
    )


def test_messages_retain_and_order(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        broker = await start_embedded_broker()
        connection = publisher(broker.settings)
        await connection.start()
        for qos in (0, 1, 2):
            async with Recorder(broker.settings, "a/#", qos=qos) as recorder:
                await connection.publish("a/state", f"kept {qos}", 1, retain=True)
                acks = [await connection.send("a/b", number, qos) for number in numbers(100)]
                await asyncio.gather(*acks)
                await until(lambda: recorder.payloads[-1:] == ["99"])
                live = [message.payload.decode() for message in recorder.messages if not message.retain]
                assert live == [f"kept {qos}", *numbers(100)]
            async with Recorder(broker.settings, "a/+", qos=qos) as later:
                await until(lambda: later.messages)
                assert later.messages == [Inbound("a/state", f"kept {qos}".encode(), min(qos, 1), True)]
        connection.drop_link()
        await until(lambda: not connection.connected)
        async with Recorder(broker.settings, "a/b") as recorder:
            await connection.publish("a/b", "after", 2)
            await until(lambda: recorder.payloads == ["after"])
        await connection.stop()
        await broker.stop()
        await broker.stop()

    run(scenario())
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.name.startswith("amqtt")] == []


def test_a_client_gets_no_retained_messages_of_other_subscriptions() -> None:
    async def scenario() -> None:
        broker = await start_embedded_broker()
        async with Recorder(broker.settings, "a/#") as other:
            for n in range(20):
                await other.connection.publish(f"a/{n}", "kept", 1, retain=True)
            peer = await raw_client(broker.port, "new")
            peer.write(packet(SUBSCRIBE, b"\x00\x01" + string("b") + b"\x00"))
            peer.write(packet(PUBLISH, string("b") + b"mine"))
            kinds = [(await peer.read())[0] for _ in range(2)]
            assert kinds == [0x90, 0x30]
            peer.close()
        await broker.stop()

    run(scenario())


def test_will_on_drop_silence_and_take_over() -> None:
    async def scenario() -> None:
        broker = await start_embedded_broker()
        async with Recorder(broker.settings, "s") as recorder:
            will = Will("s", "offline", 1, True)
            connection = publisher(broker.settings, "charger", will)
            await connection.start()
            await connection.abort()
            await until(lambda: recorder.payloads == ["offline"])

            silent = await _silent_with_will(broker.settings)
            await until(lambda: recorder.payloads == ["offline", "gone"])  # keep-alive 1 s
            silent.writer.close()

            first = publisher(broker.settings, "charger", will)
            await first.start()
            second = publisher(broker.settings, "charger")
            await second.start()  # the same id: the first is replaced
            await until(lambda: recorder.payloads == ["offline", "gone", "offline"])
            await first.abort()
            await second.publish("s", "second", 2)
            await until(lambda: recorder.payloads[3:] == ["second"])
            await second.stop()
        await broker.stop()

    run(scenario())


async def _silent_with_will(settings: BrokerSettings) -> Peer:
    peer = Peer(*await asyncio.open_connection(settings.host, settings.port))
    head = string("MQTT") + bytes([4, 0x06, 0, 1])
    peer.write(packet(0x10, head + string("mute") + string("s") + string("gone")))
    assert (await peer.read())[0] == CONNACK
    return peer


def test_garbage_and_many_clients_do_not_hurt_it() -> None:
    async def scenario() -> None:
        broker = await start_embedded_broker()
        async with Recorder(broker.settings, "a") as recorder:
            for garbage in (
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x10\x02\xff\xff",
                b"",
                connect("x")[:9],
                b"\xff" * 50,
            ):
                _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
                writer.write(garbage)
                writer.close()
                await writer.wait_closed()
            peers = [await raw_client(broker.port, f"c{n}") for n in range(20)]
            for n, peer in enumerate(peers):
                peer.write(packet(SUBSCRIBE, b"\x00\x01" + string(f"t/{n}") + b"\x00"))
            for peer in peers:
                assert (await peer.read())[0] == 0x90
                peer.close()
            await recorder.connection.publish("a", "alive", 2)
            await until(lambda: recorder.payloads == ["alive"])
        await broker.stop()

    run(scenario())


def test_its_end_is_seen_by_clients() -> None:
    async def scenario() -> None:
        broker = await start_embedded_broker(port=free_port())
        recorder = Recorder(broker.settings, "a")
        await recorder.connection.start()
        await broker.stop()
        await until(lambda: not recorder.connection.connected)
        await recorder.connection.stop()

    run(scenario())


def test_without_amqtt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "evse_daemon.mqtt.amqtt_broker", raising=False)
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(EmbeddedBrokerMissing, match=r"pip install evse-daemon\[simulator\]"):
        run(start_embedded_broker())
