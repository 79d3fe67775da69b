"""What is said of a broker, against a real Mosquitto."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse_daemon.doctor import broker as broker_check
from evse_daemon.doctor import certificates, prefix
from evse_daemon.doctor.broker import look_at_broker
from evse_daemon.doctor.certificates import look_at_certificates
from evse_daemon.doctor.machine import Machine
from evse_daemon.doctor.prefix import Running, look_at_prefix
from evse_daemon.exit_codes import ExitCode
from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.store.holders import Holder
from tests.doctor.fakes import said
from tests.mqtt.helpers import publisher
from tests.support.brokers import Mosquitto, free_port, start_mosquitto
from tests.support.certificates import make_certificates

TOPICS = Topics("everest")
US = Holder(4711, "evse-daemon", True)


def look(settings: BrokerSettings) -> list[str]:
    return said(look_at_broker(settings, TOPICS, "broker"))


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is judged here is what comes back, not how soon."""
    monkeypatch.setattr(broker_check, "ANSWER_S", 10.0)
    monkeypatch.setattr(broker_check, "CONNECT_S", 10.0)
    monkeypatch.setattr(broker_check, "SLOW_S", 10.0)


def test_a_broker_that_carries_everything_is_fine(mosquitto: Mosquitto) -> None:
    (found,) = look(mosquitto.settings)
    assert found.startswith("ok: connected; an answer takes ")
    (found,) = look(mosquitto.unix_settings)
    assert found.startswith("ok: connected")
    topic = TOPICS.doctor("x").removesuffix("x")
    log = mosquitto.log_file.read_text("utf-8")
    assert topic in log
    assert "r1, m" not in log, "nothing is retained"


def test_the_daemons_own_connections_stay(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        connection = publisher(mosquitto.settings, "evse_daemon-everest-publish")
        await connection.start()
        found = await asyncio.to_thread(look, mosquitto.settings)
        assert found[0].startswith("ok")
        await connection.publish("x", "1", 1)
        await connection.stop()

    asyncio.run(scenario())
    assert "already connected" not in mosquitto.log_file.read_text("utf-8")


def test_a_broker_that_waits_before_it_answers_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto's default: it leaves Nagle's algorithm on."""
    monkeypatch.setattr(broker_check, "SLOW_S", 0.030)
    default = start_mosquitto(tmp_path, "set_tcp_nodelay false")
    try:
        found = look(default.settings)
    finally:
        default.stop()
    assert found[0].startswith("warning: connected; an answer takes ")
    assert "set_tcp_nodelay true" in found[0]


def test_no_broker_is_a_problem_of_its_own_kind() -> None:
    settings = BrokerSettings(host="127.0.0.1", port=free_port())
    (found,) = list(look_at_broker(settings, TOPICS, "broker"))
    assert (found.level, found.status) == ("problem", ExitCode.BROKER)
    assert "nothing listens there (connection refused)" in found.message
    assert found.remedy.startswith("Start a broker there")
    assert list(look_at_prefix(settings, TOPICS, [], Running(), "prefix")) == [], "that was said"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with a user, who may hear everything and say nothing."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("NOT TESTED: the program mosquitto_passwd is not installed")
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "me", "hush"], check=True, capture_output=True)
    acl.write_text("user me\ntopic read #\n")
    acl.chmod(0o600)
    (tmp_path / "password").write_text("hush\n")
    (tmp_path / "wrong").write_text("loud\n")
    started = start_mosquitto(tmp_path, f"allow_anonymous true\npassword_file {passwords}\nacl_file {acl}")
    yield started
    started.stop()


def test_an_access_list_that_keeps_the_daemon_silent_is_named(
    guarded: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_check, "ANSWER_S", 0.5)
    settings = dataclasses.replace(guarded.settings, username="me", password_file=str(tmp_path / "password"))
    (found,) = look(settings)
    assert found.startswith(
        "problem: connected as me, and what is published below evse_daemon/ does not come back"
    )
    assert "broker-acl" in found
    (found,) = look(dataclasses.replace(settings, password_file=str(tmp_path / "wrong")))
    assert "refuses the connection" in found
    assert "hush" not in found
    assert "loud" not in found


def test_long_messages_that_are_thrown_away_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = start_mosquitto(tmp_path, "message_size_limit 10000")
    monkeypatch.setattr(broker_check, "ANSWER_S", 2.0)
    try:
        found = look(small.settings)
    finally:
        small.stop()
    assert found[1].startswith("warning: a message of 32 KiB does not come back")


def test_a_window_that_loses_messages_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = start_mosquitto(tmp_path, "max_inflight_messages 5")
    monkeypatch.setattr(broker_check, "ANSWER_S", 2.0)
    try:
        found = look(narrow.settings)
    finally:
        narrow.stop()
    assert found[1].startswith("warning: of 16 messages of QoS 2 at once, not all came back")
    assert "max_inflight_messages 0" in found[1]


def test_a_broker_that_hangs_is_left(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_check, "CONNECT_S", 0.2)
    mosquitto.hang()
    (found,) = look(mosquitto.settings)
    mosquitto.go_on()
    assert found.startswith("problem: The MQTT broker at ")
    assert "did not answer within 0.2 s" in found


# The prefix.


def on_prefix(
    settings: BrokerSettings, running: Running | None = None, *retained: tuple[str, str], chatter: str = ""
) -> list[str]:
    async def scenario() -> list[str]:
        connection = publisher(settings)
        await connection.start()
        for topic, payload in retained:
            await connection.publish(topic, payload, 1, retain=True)
        looking = asyncio.create_task(
            asyncio.to_thread(
                lambda: list(
                    look_at_prefix(settings, TOPICS, ["evse_manager"], running or Running(), "prefix")
                )
            )
        )
        while not looking.done():
            if chatter:
                await connection.publish(chatter, "1", 0)
            await asyncio.sleep(0.02)
        await connection.stop()
        return said(await looking)

    return asyncio.run(scenario())


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "LISTEN_S", 0.3)


@pytest.mark.usefixtures("_short")
def test_a_prefix_that_nobody_has_is_fine(mosquitto: Mosquitto) -> None:
    assert on_prefix(mosquitto.settings) == ["ok: nobody is online there"]
    ours = (TOPICS.var("evse_manager", "evse", "limits"), "{}")
    found = on_prefix(mosquitto.settings, None, ours, (TOPICS.status, "offline"))
    assert found == ["ok: nobody is online there"]


@pytest.mark.usefixtures("_short")
def test_our_own_daemon_there_is_fine_and_one_that_is_not_there_is_warned_of(mosquitto: Mosquitto) -> None:
    found = on_prefix(mosquitto.settings, Running([US], [US]))
    assert found[0].startswith("warning: the daemon runs (pid 4711), and is not online there")
    mute = on_prefix(mosquitto.settings, Running([US], [US]), chatter="everest/modules/m/impl/main/var/x")
    assert mute == found, "its own messages are nobody else's"
    online = (TOPICS.status, "online")
    assert on_prefix(mosquitto.settings, Running([US], [US]), online) == [
        "ok: the daemon is online there (pid 4711)"
    ]
    (found_elsewhere,) = on_prefix(mosquitto.settings, Running([], [US]), online)
    assert found_elsewhere.startswith(
        "warning: a station is online there; a daemon runs here (pid 4711), with another"
    )


@pytest.mark.usefixtures("_short")
def test_another_station_there_is_a_problem(mosquitto: Mosquitto) -> None:
    (found,) = on_prefix(mosquitto.settings, None, (TOPICS.status, "online"))
    assert found.startswith(
        "problem: another station is online, and no daemon runs here → give this station its own"
    )


def test_a_station_without_a_status_is_known_by_its_traffic(mosquitto: Mosquitto) -> None:
    (found,) = on_prefix(mosquitto.settings, chatter="everest/modules/m/impl/main/var/x")
    assert found.startswith("problem: something publishes there, on everest/modules/m/impl/main/var/x")


@pytest.mark.usefixtures("_short")
def test_what_another_station_left_behind_is_named(mosquitto: Mosquitto) -> None:
    theirs = (TOPICS.var("their_manager", "evse", "limits"), "{}")
    found = on_prefix(mosquitto.settings, None, theirs)
    assert found[1].startswith(
        "warning: there are retained messages of modules that this configuration does not have: their_manager"
    )


# Certificates.


def test_certificates_that_end_soon_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("NOT TESTED: the program openssl is not installed")
    made = make_certificates(tmp_path)
    port = free_port()
    broker = start_mosquitto(tmp_path, made.listener(port))
    tls = TlsSettings(ca_file=made.ca, cert_file=made.client, key_file=made.client_key)
    settings = broker.tls_settings(port, tls)
    try:
        found = list(look_at_certificates(settings, Machine()))
        assert [each.subject for each in found] == [
            "certificate of the broker",
            f"certificate {made.client}",
        ]
        assert all(
            each.level == "warning" and each.message.startswith("it is valid until 2") for each in found
        )
        monkeypatch.setattr(certificates, "SOON_S", 0)
        assert {each.level for each in look_at_certificates(settings, Machine())} == {"ok"}
        far = time.time() + 10 * 86400
        monkeypatch.setattr("evse_daemon.doctor.certificates.time.time", lambda: far)
        assert {each.level for each in look_at_certificates(settings, Machine())} == {"problem"}
        assert certificates._judged("x", "nonsense").level == "warning"
        found = list(look_at_certificates(dataclasses.replace(settings, port=free_port()), Machine()))
        assert [each.subject for each in found] == [f"certificate {made.client}"], "no broker: said elsewhere"
    finally:
        broker.stop()
