"""The first connection: it works over TCP, unix socket and TLS, or says what to do."""

import asyncio
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evse_daemon.mqtt.client import BrokerUnreachable, MqttConnection
from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from tests.mqtt.helpers import Recorder, publisher
from tests.support.brokers import Mosquitto, free_port, start_mosquitto
from tests.support.certificates import Certificates
from tests.support.raw_mqtt import CONNACK, Peer, RawServer, packet
from tests.support.waiting import run, until


async def _round_trip(settings: BrokerSettings) -> None:
    async with Recorder(settings, "a/#") as recorder:
        connection = publisher(settings)
        await connection.start()
        await connection.publish("a/b", "hello", 2)
        await until(lambda: recorder.payloads == ["hello"])
        await connection.stop()
        assert not connection.connected
    assert recorder.states == [True, False]


async def _fails(settings: BrokerSettings) -> str:
    for clean in (True, False):
        connection = MqttConnection("x", "x", settings, clean=clean)
        with pytest.raises(BrokerUnreachable) as caught:
            await connection.start()
        await connection.stop()
    return str(caught.value)


def test_tcp_without_delay(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        await _round_trip(mosquitto.settings)
        async with Recorder(mosquitto.settings) as recorder:
            link = recorder.connection._link
            assert link is not None
            assert link._transport is not None
            sock = link._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(scenario())


def test_unix_socket(mosquitto: Mosquitto, tmp_path: Path) -> None:
    run(_round_trip(mosquitto.unix_settings))
    text = run(_fails(BrokerSettings(socket_path=str(tmp_path / "none"))))
    assert "there is no such socket" in text
    assert str(tmp_path / "none") in text


def test_nothing_listens() -> None:
    text = run(_fails(BrokerSettings(host="127.0.0.1", port=free_port())))
    assert "connection refused" in text
    assert "EV_MQTT_BROKER_" in text
    assert "localhost" in run(_fails(BrokerSettings(host="localhost", port=free_port())))


def test_a_server_that_never_answers() -> None:
    async def scenario() -> None:
        async def silent(peer: Peer, _n: int) -> None:
            await peer.reader.read()

        async with RawServer(silent) as server:
            started = time.monotonic()
            text = await _fails(BrokerSettings(host="127.0.0.1", port=server.port, connect_timeout_s=0.2))
            assert "did not answer within 0.2 s" in text
            assert time.monotonic() - started < 2

    run(scenario())


def test_a_server_that_hangs_up() -> None:
    async def scenario() -> None:
        async def rude(_peer: Peer, _n: int) -> None:
            pass

        async with RawServer(rude) as server:
            text = await _fails(BrokerSettings(host="127.0.0.1", port=server.port))
            assert "closed the connection before it answered" in text

    run(scenario())


@pytest.mark.parametrize(("code", "words"), [(2, "client id"), (3, "not available"), (5, "not authorized")])
def test_refusals(code: int, words: str) -> None:
    async def scenario() -> None:
        async def refuse(peer: Peer, _n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, code])))
            await peer.reader.read()

        async with RawServer(refuse) as server:
            assert words in await _fails(BrokerSettings(host="127.0.0.1", port=server.port))

    run(scenario())


def test_user_and_password(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("charger:right\n", "utf-8")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    broker = start_mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    file = tmp_path / "secret"
    file.write_text("right\n", "utf-8")
    login = replace(broker.settings, username="charger", password_file=str(file))
    try:
        run(_round_trip(login))
        file.write_text("wrong\n", "utf-8")
        text = run(_fails(login))
        assert "user name or password" in text
        assert "password file" in text
        assert "wrong" not in text
        assert "not authorized" in run(_fails(broker.settings))
    finally:
        broker.stop()


def test_tls(tmp_path: Path, certificates: Certificates) -> None:
    server, mutual = free_port(), free_port()
    listeners = f"{certificates.listener(server)}\n{certificates.listener(mutual)}\nrequire_certificate true"
    broker = start_mosquitto(tmp_path, listeners)
    trusted = TlsSettings(ca_file=certificates.ca)
    try:
        run(_round_trip(broker.tls_settings(server, trusted)))
        client = TlsSettings(certificates.ca, certificates.client, certificates.client_key)
        run(_round_trip(broker.tls_settings(mutual, client)))

        text = run(_fails(broker.tls_settings(server, TlsSettings(ca_file=certificates.other_ca))))
        assert "certificate of the MQTT broker" in text
        assert "not accepted" in text
        started = time.monotonic()
        assert "client certificate" in run(_fails(broker.tls_settings(mutual, trusted)))
        assert time.monotonic() - started < 2
        assert "TLS port" in run(_fails(broker.tls_settings(broker.port, trusted)))
        plain = replace(broker.settings, port=server, connect_timeout_s=0.5)
        assert "TLS" in run(_fails(plain))
    finally:
        broker.stop()


def test_a_broker_that_comes_later(tmp_path: Path) -> None:
    broker = start_mosquitto(tmp_path)
    broker.stop()

    async def scenario() -> None:
        recorder = Recorder(broker.settings, "a")
        await recorder.connection.start(required=False)
        assert not recorder.connection.connected
        await asyncio.to_thread(broker.start)
        await until(lambda: recorder.states == [True])
        await recorder.connection.stop()

    try:
        run(scenario())
    finally:
        broker.stop()


def test_stop_is_quick_even_if_the_broker_is_silent() -> None:
    async def scenario() -> None:
        async def deaf(peer: Peer, _n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, 0])))
            await peer.reader.read()

        async with RawServer(deaf) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port, connect_timeout_s=2)
            connection = publisher(settings)
            await connection.start()
            future = connection.submit("a", "b", 2)
            started = time.monotonic()
            await connection.stop()
            assert time.monotonic() - started < 2
            assert future.exception() is not None
            with pytest.raises(Exception, match="stopped"):
                await connection.publish("a", "b", 2)

    run(scenario())


def test_stop_while_reconnecting(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        recorder = Recorder(mosquitto.settings, "a")
        await recorder.connection.start()
        await asyncio.to_thread(mosquitto.stop)
        await until(lambda: recorder.states == [True, False])
        started = time.monotonic()
        await recorder.connection.stop()
        assert time.monotonic() - started < 0.5

    run(scenario())


def test_a_half_open_link_is_noticed() -> None:
    async def scenario() -> None:
        async def freezes(peer: Peer, n: int) -> None:
            peer.write(packet(CONNACK, bytes([0, 0])))
            if n == 1:
                await asyncio.sleep(60)  # never reads again
            await peer.reader.read()

        async with RawServer(freezes) as server:
            settings = BrokerSettings(host="127.0.0.1", port=server.port, keepalive_s=1)
            recorder = Recorder(settings)
            started = time.monotonic()
            await recorder.connection.start()
            await until(lambda: recorder.states == [True, False])
            assert 1 < time.monotonic() - started < 2.3
            await until(lambda: recorder.states == [True, False, True])
            await recorder.connection.stop()

    run(scenario())
