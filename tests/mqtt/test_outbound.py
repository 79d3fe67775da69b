"""What goes to the broker: each QoS 2 message once, in order, at most 16 at a time, whatever breaks."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from evse_daemon.mqtt.client import Inbound, Will
from evse_daemon.mqtt.settings import BrokerSettings
from tests.mqtt.helpers import Recorder, numbers, publisher
from tests.support.brokers import Mosquitto, start_mosquitto
from tests.support.raw_mqtt import (
    CONNACK,
    DISCONNECT,
    DUP,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    Peer,
    RawServer,
    ack,
    packet,
    publish,
    raw_client,
    string,
    topic_and_rest,
)
from tests.support.waiting import run, until


async def _mailbox(port: int) -> None:
    """Leave a session at the broker, in which it queues what it accepts from us.

    Its owner is away while things break: Mosquitto 2.0 repeats QoS 2 messages to a subscriber that was connected when
    the broker was restarted.
    """
    peer = await raw_client(port, "mailbox", clean=False)
    peer.write(packet(SUBSCRIBE, b"\x00\x01" + string("a/#") + b"\x02"))
    assert (await peer.read())[0] == SUBACK
    peer.close()


async def _empty_mailbox(port: int, last: str) -> list[str]:
    peer = await raw_client(port, "mailbox", clean=False)
    payloads: list[str] = []
    while payloads[-1:] != [last]:
        head, body = await peer.read()
        if head == PUBREL:
            peer.write(ack(PUBCOMP, int.from_bytes(body, "big")))
        else:
            assert head == PUBLISH | 2 << 1  # QoS 2, no DUP
            rest = topic_and_rest(body)[1]
            payloads.append(rest[2:].decode())
            peer.write(ack(PUBREC, int.from_bytes(rest[:2], "big")))
    peer.close()
    return payloads


def test_exactly_once_over_aborts_and_broker_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evse_daemon.mqtt.backoff.FIRST_S", 0.02)
    monkeypatch.setattr("evse_daemon.mqtt.backoff.LONGEST_S", 0.1)
    broker = start_mosquitto(tmp_path, persistent=True)
    count, faults = 400, "dddrdddrdddr"  # d: the link is dropped, r: the broker is restarted
    pending = iter(faults)

    async def scenario() -> None:
        await _mailbox(broker.port)
        states: list[bool] = []
        connection = publisher(broker.settings, on_state=states.append)
        await connection.start()
        acks = []
        for n, number in enumerate(numbers(count), 1):
            acks.append(await connection.send("a/b", number, 2))
            if n % (count // (len(faults) + 1)) == 0 and (fault := next(pending, None)):
                if fault == "r":
                    await asyncio.to_thread(broker.restart)
                else:
                    connection.drop_link()
        await asyncio.gather(*acks)
        await connection.publish("a/b", "end", 2)
        await connection.stop()
        assert await _empty_mailbox(broker.port, "end") == [*numbers(count), "end"]
        assert len(states) >= 2 * len(faults)  # each fault was noticed

    try:
        run(scenario(), 30)
    finally:
        broker.stop()


def test_kept_while_disconnected_and_delivered_once(tmp_path: Path) -> None:
    """Also if the broker lost its session meanwhile."""
    broker = start_mosquitto(tmp_path)

    async def scenario() -> None:
        connection = publisher(broker.settings)
        await connection.start()
        await connection.publish("a", "before", 2)
        await asyncio.to_thread(broker.stop)
        await until(lambda: not connection.connected)
        acks = [connection.submit("a", number, qos) for number in numbers(20) for qos in (0, 1, 2)]
        await asyncio.to_thread(broker.start)
        async with Recorder(broker.settings, "a") as recorder:
            await asyncio.gather(*acks)
            await connection.publish("a", "end", 2)
            await until(lambda: "end" in recorder.payloads)
            # The subscriber may come after the publisher: what it sees is the tail, in order, nothing twice.
            everything = [number for number in numbers(20) for _ in (1, 2)] + ["end"]
            assert recorder.payloads == everything[-len(recorder.payloads) :]
        await connection.stop()

    try:
        run(scenario())
    finally:
        broker.stop()


def test_order_across_qos(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Recorder(mosquitto.settings, "a/#") as recorder:
            connection = publisher(mosquitto.settings)
            await connection.start()
            last = [connection.submit(f"a/{n % 7}", str(n), n * 5 % 3) for n in range(300)]
            await asyncio.gather(*last)
            await until(lambda: len(recorder.messages) == 300)
            assert recorder.payloads == numbers(300)
            await connection.stop()

    run(scenario())


def test_never_more_than_16_in_flight() -> None:
    flying: set[int] = set()
    most: list[int] = []

    async def scenario() -> None:
        async def withhold(peer: Peer, _n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, 0])))
            while True:
                if len(flying) == 16 or (most and max(most) == 16):
                    # Let some time pass in which a 17th would come, then acknowledge one.
                    try:
                        async with asyncio.timeout(0.002):
                            head, body = await peer.read()
                    except TimeoutError:
                        peer.write(ack(PUBREC, min(flying)))
                        head, body = await peer.read()
                else:
                    head, body = await peer.read()
                if head == PUBREL:
                    flying.discard(int.from_bytes(body, "big"))
                    peer.write(ack(PUBCOMP, int.from_bytes(body, "big")))
                elif head & 0xF0 == PUBLISH:
                    flying.add(int.from_bytes(topic_and_rest(body)[1][:2], "big"))
                    most.append(len(flying))
                else:
                    return

        async with RawServer(withhold) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port)
            connection = publisher(settings)
            await connection.start()
            await asyncio.gather(*(connection.publish("a", "x", 2) for _ in range(60)))
            await connection.abort()
        assert max(most) == 16
        assert len(most) == 60

    run(scenario())


def test_a_burst_is_written_at_once(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each system call wakes the broker: written one by one, 16 messages take twice as long."""

    async def scenario() -> None:
        connection = publisher(mosquitto.settings)
        await connection.start()
        assert connection._link is not None
        transport = connection._link._transport
        written: list[bytes] = []
        monkeypatch.setattr(transport, "write", written.append)
        for number in numbers(10):
            connection.submit("a", number, 1)
        await asyncio.sleep(0)
        assert [data.count(b"\x00\x01a") for data in written] == [10]
        await connection.abort()

    run(scenario())


def test_replayed_with_dup_and_pubrel_on_the_wire() -> None:
    heard: list[tuple[int, bytes]] = []

    async def scenario() -> None:
        async def serve(peer: Peer, n: int) -> None:
            # Connection 1 is the purge of a former process's session.
            peer.write(packet(CONNACK, bytes([0 if n < 3 else 1, 0])))
            assert peer.clean == (n == 1)
            if n == 1:
                await peer.reader.read()
                return
            if n == 2:
                first = await peer.read()
                await peer.read()
                peer.write(ack(PUBREC, int.from_bytes(topic_and_rest(first[1])[1][:2], "big")))
                await peer.read()  # PUBREL; then the link breaks
                return
            while True:
                head, body = await peer.read()
                if head == PINGREQ:
                    peer.write(packet(PINGRESP))
                    continue
                heard.append((head, body))
                if head == PUBREL:
                    peer.write(ack(PUBCOMP, int.from_bytes(body, "big")))
                else:
                    peer.write(ack(PUBACK, int.from_bytes(topic_and_rest(body)[1][:2], "big")))

        async with RawServer(serve) as server:
            connection = publisher(BrokerSettings(host="127.0.0.1", port=server.port))
            await connection.start()
            two = connection.submit("two", "2", 2)
            connection.submit("other", "2", 2)
            await two
            await until(lambda: len(heard) >= 2)
            await connection.abort()
        assert heard[0][0] == PUBREL
        assert heard[1][0] == PUBLISH | 2 << 1 | DUP
        assert topic_and_rest(heard[1][1])[0] == "other"

    run(scenario())


def test_a_broker_that_hangs_up_is_not_hammered() -> None:
    connections: list[int] = []

    async def scenario() -> None:
        async def hangs_up(peer: Peer, n: int) -> None:
            connections.append(n)
            peer.write(packet(CONNACK, bytes([0, 0])))
            await peer.writer.drain()

        async with RawServer(hangs_up) as server:
            recorder = Recorder(BrokerSettings(host="127.0.0.1", port=server.port))
            await recorder.connection.start()
            await asyncio.sleep(1)  # pauses of at least 0.1, 0.2, 0.4, 0.8 s
            await recorder.connection.stop()
        assert 3 <= len(connections) <= 5

    run(scenario())


def test_the_will_is_published_when_the_socket_is_dropped(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Recorder(mosquitto.settings, "s/#") as recorder:
            for abort in (False, True):
                connection = publisher(mosquitto.settings, "charger", Will("s/status", "offline", 1, True))
                await connection.start()
                await connection.publish("s/status", "online", 1, retain=True)
                await (connection.abort() if abort else connection.stop())
            await until(lambda: recorder.payloads == ["online", "online", "offline"])  # none at DISCONNECT
            async with Recorder(mosquitto.settings, "s/#", client_id="later") as later:
                await until(lambda: later.payloads == ["offline"])
                assert later.messages[0].retain

    run(scenario())


_DIES = """
import asyncio, os, signal, sys
from evse_daemon.mqtt.client import MqttConnection, Will
from evse_daemon.mqtt.settings import BrokerSettings

async def main():
    settings = BrokerSettings(host="127.0.0.1", port=int(sys.argv[1]))
    connection = MqttConnection("x", "charger", settings, clean=False, will=Will("s", "offline", 2, False))
    await connection.start()
    await connection.publish("s", "online", 2)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_the_will_is_published_when_the_process_dies(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Recorder(mosquitto.settings, "s") as recorder:
            process = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", _DIES, str(mosquitto.port)], check=False
            )
            assert process.returncode == -9
            await until(lambda: recorder.payloads == ["online", "offline"])

    run(scenario())


def test_what_a_predecessor_left_half_delivered_is_never_released(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Recorder(mosquitto.settings, "a") as recorder:
            predecessor = await raw_client(mosquitto.port, "charger", clean=False)
            predecessor.write(publish("a", b"old", 2, 1))
            assert await predecessor.read() == (PUBREC, b"\x00\x01")
            predecessor.close()

            connection = publisher(mosquitto.settings, "charger")
            await connection.start()
            # Its first message has the same packet id, 1. In the old session the broker would take it for a
            # repetition, keep the old payload, and release that with our PUBREL.
            await connection.publish("a", "new", 2)
            await connection.publish("a", "newer", 2)
            await until(lambda: len(recorder.payloads) >= 2)
            assert recorder.payloads == ["new", "newer"]
            await connection.stop()

    run(scenario())


def test_a_predecessors_session_is_gone(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        predecessor = await raw_client(mosquitto.port, "charger", clean=False)
        predecessor.write(packet(SUBSCRIBE, b"\x00\x01" + string("a/#") + b"\x02"))
        assert (await predecessor.read())[0] == SUBACK
        predecessor.close()
        heard: list[Inbound] = []
        connection = publisher(mosquitto.settings, "charger", on_message=heard.append)
        await connection.start()
        async with Recorder(mosquitto.settings, "a/#") as recorder:
            for number in numbers(3):
                await connection.publish("a/b", number, 2)
            await until(lambda: len(recorder.messages) == 3)
        assert heard == []
        await connection.stop()

    run(scenario())


def test_the_purge_is_made_once_per_process() -> None:
    log: list[object] = []

    async def scenario() -> None:
        async def serve(peer: Peer, n: int) -> None:
            log.append(peer.clean)
            peer.write(packet(CONNACK, bytes([0, 0])))
            if n in {1, 4}:
                log.append((await peer.read())[0])
                await peer.reader.read()

        async with RawServer(serve) as server:
            connection = publisher(BrokerSettings(host="127.0.0.1", port=server.port))
            await connection.start()
            await until(lambda: len(log) == 5 and connection.connected)
            await connection.stop()
            await until(lambda: len(log) == 6)
        assert log == [True, DISCONNECT, False, False, False, DISCONNECT]

    run(scenario())


def test_two_thousand_awaited_messages_a_second(mosquitto: Mosquitto) -> None:
    """A tenth of the pipelined rate on a fast machine: this finds a lost TCP_NODELAY, not a slow day."""

    async def scenario() -> None:
        connection = publisher(mosquitto.settings)
        await connection.start()
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(100):
            await asyncio.gather(*[await connection.send("a", "x" * 120, 2) for _ in range(16)])
        rate = 1600 / (loop.time() - started)
        await connection.stop()
        assert rate > 300, f"{rate:.0f} messages/s"

    run(scenario())
