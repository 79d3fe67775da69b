"""The metrics of a daemon that runs, read with an HTTP client, also while others misuse the endpoint."""

from __future__ import annotations

import http.client
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.metrics.scrape import OPENMETRICS, Scrape
from tests.support.brokers import Mosquitto, free_port
from tests.system.clients import CARSIM, CARSIM_MODIFY, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, Daemon, configuration, until

HOST = "127.0.0.1"


def with_metrics(folder: Path, broker: Mosquitto, port: int) -> list[str]:
    """The arguments of ``evse-daemon run`` with metrics on a port."""
    file = configuration(folder, broker.port)
    file.write_text(f"daemon: {{metrics: {{port: {port}}}}}\n{file.read_text('utf-8')}", "utf-8")
    return ["run", str(file), "--state-dir", str(folder / "state")]


def get(port: int, accept: str = OPENMETRICS) -> Scrape:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return Scrape(text, strict=answer.headers.get_content_type() == "application/openmetrics-text")
    finally:
        connection.close()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def daemon(mosquitto: Mosquitto, start: Start, tmp_path: Path, port: int) -> Daemon:
    return start(with_metrics(tmp_path, mosquitto, port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_a_session_is_scraped_while_hostile_clients_hold_what_they_can(
    mosquitto: Mosquitto, daemon: Daemon, port: int
) -> None:
    with Client(mosquitto.port, "#") as client, ExitStack() as hostile:
        client.wait_event("Enabled", timeout_s=START_S)
        until(lambda: listens(port), what=daemon.describe)
        first = get(port)
        assert first.state() == "Idle"
        assert first.one("evse_daemon_mqtt_connected", connection="publisher") == 1
        assert first.one("evse_daemon_mqtt_connected", connection="subscriber") == 1
        assert first.one("process_cpu_seconds_total") > 0
        for sends in (b"", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n\r\n") * 30:
            deaf = hostile.enter_context(socket.create_connection((HOST, port)))
            deaf.sendall(sends)
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        hostile.close()
        until(lambda: charges(port), what=daemon.describe)
        charging = get(port, "")
        assert charging.state() == "Charging"
        assert charging.one("evse_daemon_journal_commits_total") >= 1
        assert charging.one("evse_daemon_journal_failures_total") == 0
        assert charging.one("evse_daemon_loop_lag_seconds_count") > 0
        assert charging.one("evse_daemon_metrics_refused_total") > 0
        client.publish(CARSIM_MODIFY, "unplug")
        client.wait_event("SessionFinished")
        until(lambda: get(port).one("evse_sessions_finished_total") == 1)
        assert get(port).all("evse_daemon_metrics_failures_total") == {}
    daemon.process.terminate()
    assert daemon.ended() == 0


def charges(port: int) -> bool:
    """False also while the endpoint is busy with others."""
    try:
        return get(port).one("evse_contactor_closed") == 1
    except (AssertionError, OSError, http.client.HTTPException):
        return False


def test_a_port_in_use_is_named_and_charging_goes_on(
    mosquitto: Mosquitto, start: Start, tmp_path: Path, port: int
) -> None:
    with socket.create_server((HOST, port)), Client(mosquitto.port, "#") as client:
        daemon = start(with_metrics(tmp_path, mosquitto, port))
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        until(lambda: "the metrics are not served, charging goes on without them" in daemon.err + daemon.out)
        said = daemon.err + daemon.out
        assert f"{HOST}:{port}" in said
        assert "daemon.metrics.port" in said
        assert daemon.process.poll() is None


def test_the_broker_is_gone_and_the_metrics_say_so(mosquitto: Mosquitto, daemon: Daemon, port: int) -> None:
    with Client(mosquitto.port, TOPICS.ready) as client:
        client.wait(TOPICS.ready, timeout_s=START_S)
    until(lambda: listens(port), what=daemon.describe)
    mosquitto.stop()
    until(lambda: get(port).one("evse_daemon_mqtt_connected", connection="publisher") == 0)
    assert get(port).state() == "Idle"
