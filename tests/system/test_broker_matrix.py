"""The daemon on Mosquitto in each way that a configuration can reach it, and what it says where it cannot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import simulators
from evse_daemon.exit_codes import ExitCode
from tests.support.brokers import (
    OTHER_MISSING,
    Mosquitto,
    free_port,
    other_mosquitto_binary,
    start_mosquitto,
)
from tests.support.certificates import Certificates, make_certificates
from tests.system.clients import CARSIM, SESSION, STATES, TOPICS, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import START_S

USER, PASSWORD = "charger", "correct horse"
GET_EVSE = TOPICS.command("evse_manager", "evse", "get_evse")


@dataclass(frozen=True)
class Site:
    """A broker that can be reached in every way, and what its clients need."""

    broker: Mosquitto
    tls: int
    mutual: int
    elsewhere: int
    """The port whose certificate is another host's."""
    certificates: Certificates
    password_file: Path

    def way(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The blocks ``settings`` and ``daemon.broker`` of a configuration."""
        plain = {"mqtt_broker_host": "127.0.0.1", "mqtt_broker_port": self.broker.port}
        login = {"user": USER, "password_file": str(self.password_file)}
        trusted = {"ca_file": self.certificates.ca}
        own = {"cert_file": self.certificates.client, "key_file": self.certificates.client_key}
        match name:
            case "tcp":
                return plain, login
            case "unix socket":
                return {"mqtt_broker_socket_path": self.broker.socket_path}, login
            case "tls":
                return {**plain, "mqtt_broker_port": self.tls}, {**login, "tls": trusted}
            case "tls with client certificate":
                return {**plain, "mqtt_broker_port": self.mutual}, {**login, "tls": {**trusted, **own}}
        raise AssertionError(name)


WAYS = ("tcp", "unix socket", "tls", "tls with client certificate")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["this machine's Mosquitto", "another Debian's Mosquitto"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Site]:
    """The same listeners on each of the two versions; every one of them wants user and password."""
    other = request.param.startswith("another")
    binary = other_mosquitto_binary() if other else None
    if other and binary is None:
        pytest.skip(OTHER_MISSING)
    folder = tmp_path_factory.mktemp("site")
    passwords, secret = folder / "passwords", folder / "secret"
    passwords.write_text(f"{USER}:{PASSWORD}\n", "utf-8")
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    tls, elsewhere, mutual = free_port(), free_port(), free_port()
    lines = [
        certificates.listener(tls),
        certificates.listener_elsewhere(elsewhere),
        certificates.listener(mutual),
        "require_certificate true",
        "allow_anonymous false",
        f"password_file {passwords}",
    ]
    broker = start_mosquitto(folder, "\n".join(lines), binary=binary)
    yield Site(broker, tls, mutual, elsewhere, certificates, secret)
    broker.stop()


def configured(folder: Path, settings: dict[str, Any], login: dict[str, Any]) -> list[str]:
    """The arguments of the simulator with a configuration that says where the broker is."""
    built_in = Path(simulators.__file__).with_name("config-sim.yaml").read_text("utf-8")
    blocks = {"settings": settings, "daemon": {"broker": login}}
    file = folder / "config.yaml"
    head = "".join(f"{name}: {json.dumps(block)}\n" for name, block in blocks.items())
    file.write_text(head + built_in, "utf-8")
    return ["simulate", "--config", str(file), "--speed", "30"]


@pytest.mark.parametrize("way", WAYS)
def test_a_session_and_a_broker_that_dies_in_each_way_to_reach_it(
    way: str, site: Site, start: Start, tmp_path: Path
) -> None:
    daemon = start(configured(tmp_path, *site.way(way)))
    login = (USER, PASSWORD)
    with Client(site.broker.port, "#", login=login) as client:
        client.wait_available()
        client.publish(CARSIM, SESSION)
        client.wait_event("SessionFinished")
        assert client.events() == WHOLE
        site.broker.stop(signal.SIGKILL)
        site.broker.start()
        with Client(site.broker.port, "#", login=login) as late:
            for topic in STATES:
                late.wait(topic)
            late.wait(TOPICS.status, lambda heard: heard.payload == "online")
            answer = late.call(GET_EVSE, {"id": "1", "origin": "external", "args": {}})
            assert answer.data["retval"]["id"] == 1
    daemon.process.terminate()
    assert daemon.ended() == ExitCode.OK, daemon.describe()
    assert "Traceback" not in daemon.err
    with Client(site.broker.port, "#", login=login) as after:
        after.wait(TOPICS.status, lambda heard: heard.payload == "offline" and heard.retain)


def refused(daemon: Any, timeout_s: float = START_S) -> str:
    """What a daemon says that gets no connection, with the documented exit status and nothing beside it."""
    assert daemon.ended(timeout_s) == ExitCode.BROKER, daemon.describe()
    assert daemon.out == ""
    assert "Traceback" not in daemon.err
    assert len(daemon.err.strip().splitlines()) == 1
    return str(daemon.err)


def test_a_wrong_authority_is_told(site: Site, start: Start, tmp_path: Path) -> None:
    settings, login = site.way("tls")
    login = {**login, "tls": {"ca_file": site.certificates.other_ca}}
    told = refused(start(configured(tmp_path, settings, login)))
    assert f"certificate of the MQTT broker at 127.0.0.1:{site.tls} (TLS) is not accepted" in told
    assert "Check the file of certificate authorities" in told


def test_a_certificate_for_another_host_is_told(site: Site, start: Start, tmp_path: Path) -> None:
    settings, login = site.way("tls")
    told = refused(start(configured(tmp_path, {**settings, "mqtt_broker_port": site.elsewhere}, login)))
    assert "is not accepted: IP address mismatch" in told
    assert "that the certificate was made for this host name" in told


def test_a_missing_client_certificate_is_told(site: Site, start: Start, tmp_path: Path) -> None:
    settings, login = site.way("tls with client certificate")
    login = {**login, "tls": {"ca_file": site.certificates.ca}}
    told = refused(start(configured(tmp_path, settings, login)))
    assert "client certificate" in told
    assert "key" in told


def test_a_wrong_password_is_told_and_not_shown(site: Site, start: Start, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n", "utf-8")
    settings, login = site.way("tcp")
    told = refused(start(configured(tmp_path, settings, {**login, "password_file": str(wrong)})))
    assert "refuses the connection" in told
    assert "Check the user name, the password file" in told
    assert "battery" not in told


def test_no_login_where_one_is_wanted_is_told(site: Site, start: Start, tmp_path: Path) -> None:
    told = refused(start(configured(tmp_path, site.way("tcp")[0], {})))
    assert "not authorized: it wants another user name or password" in told


def test_a_password_file_that_is_not_there_is_named(site: Site, start: Start, tmp_path: Path) -> None:
    settings, login = site.way("tcp")
    absent = tmp_path / "absent"
    told = refused(start(configured(tmp_path, settings, {**login, "password_file": str(absent)})))
    assert str(absent) in told
    assert "Check that it exists and is readable" in told


def test_plain_mqtt_to_the_tls_port_is_told(site: Site, start: Start, tmp_path: Path) -> None:
    settings, _ = site.way("tls")
    told = refused(start(configured(tmp_path, settings, {})))
    assert "TLS" in told


def test_a_broker_that_accepts_and_says_nothing_is_told(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = {"mqtt_broker_host": "127.0.0.1", "mqtt_broker_port": port}
        told = refused(start(configured(tmp_path, settings, {})))
    assert f"127.0.0.1:{port} did not answer within 5 s" in told
