"""The broker of the simulator: named, running, a private Mosquitto, embedded; in this order."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse_daemon.mqtt import find_broker as finder
from evse_daemon.mqtt import private_mosquitto
from evse_daemon.mqtt.client import BrokerUnreachable
from evse_daemon.mqtt.find_broker import FoundBroker, find_broker
from evse_daemon.mqtt.private_mosquitto import PrivateMosquitto
from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from tests.mqtt.helpers import Recorder, numbers, publisher
from tests.support.brokers import MISSING, Mosquitto, free_port, mosquitto_binary, start_mosquitto
from tests.support.raw_mqtt import Peer, RawServer
from tests.support.waiting import run, until

needs_mosquitto = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)


async def _works(settings: BrokerSettings) -> None:
    async with Recorder(settings, "a/#") as recorder:
        connection = publisher(settings)
        await connection.start()
        await asyncio.gather(*(connection.publish("a/b", number, 2) for number in numbers(50)))
        await until(lambda: recorder.payloads == numbers(50))
        await connection.stop()


def test_the_configured_one_is_used_or_nothing(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        found = await find_broker(mosquitto.unix_settings)
        assert found.kind == "configured"
        assert found.settings == mosquitto.unix_settings
        assert found.description == f"the configured broker at unix socket {mosquitto.socket_path}"
        assert found.subscribe_hint == f"mosquitto_sub -v --unix {mosquitto.socket_path} -t 'everest/#'"
        await found.stop()
        with pytest.raises(BrokerUnreachable, match="refused"):
            await find_broker(BrokerSettings(host="127.0.0.1", port=free_port()))

    run(scenario())


def test_a_running_one(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        found = await find_broker(port=mosquitto.port, prefix="station2")
        assert found.kind == "running"
        assert found.notes == []
        assert found.subscribe_hint == f"mosquitto_sub -v -p {mosquitto.port} -t 'station2/#'"
        await _works(found.settings)
        await found.stop()
        await _works(found.settings)  # it is not ours to stop

    run(scenario())


@needs_mosquitto
def test_a_private_mosquitto_on_the_wanted_port(temporary: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        found = await find_broker(port=port)
        assert found.kind == "mosquitto"
        assert found.settings == BrokerSettings(host="127.0.0.1", port=port)
        assert "private Mosquitto" in found.description
        await _works(found.settings)
        pid = _pid(found)
        assert os.getsid(pid) == pid  # Ctrl-C in our terminal does not reach it
        await found.stop()
        assert _gone(pid)
        await found.stop()
        with pytest.raises(BrokerUnreachable):
            await _works(found.settings)

    run(scenario())
    assert list(temporary.iterdir()) == []


@needs_mosquitto
def test_one_that_wants_a_login_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    broker = start_mosquitto(tmp_path, "allow_anonymous false")

    async def scenario() -> None:
        found = await find_broker(port=broker.port)
        assert found.kind == "mosquitto"
        assert found.settings.port != broker.port
        assert f"-p {found.settings.port}" in found.subscribe_hint
        (note,) = found.notes
        assert "not usable without a login" in note
        await found.stop()

    try:
        run(scenario())
    finally:
        broker.stop()


@needs_mosquitto
def test_an_open_port_is_not_a_broker() -> None:
    async def scenario() -> None:
        async def silent(peer: Peer, _n: int) -> None:
            await peer.reader.read()

        async with RawServer(silent) as server:
            started = time.monotonic()
            found = await find_broker(port=server.port)
            assert time.monotonic() - started < 3
            assert found.kind == "mosquitto"
            assert "does not answer as an MQTT broker" in found.notes[0]
            await found.stop()

    run(scenario())


_DIES = """
import asyncio, os, signal, sys
from evse_daemon.mqtt.find_broker import find_broker

async def main():
    found = await find_broker(port=int(sys.argv[1]), only="mosquitto")
    print(found._stop.__self__.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@needs_mosquitto
def test_the_private_one_dies_with_us(temporary: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _DIES, str(free_port())], check=False, capture_output=True, text=True
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    pid = int(result.stdout)
    run(until(lambda: _gone(pid)))
    assert list(temporary.iterdir()) == []


def test_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("amqtt", reason="NOT TESTED: amqtt is not installed")
    monkeypatch.setattr(finder, "find_mosquitto", lambda: None)

    async def scenario() -> None:
        port = free_port()
        found = await find_broker(port=port)
        assert found.kind == "embedded"
        assert found.settings.port == port
        await _works(found.settings)
        second = await find_broker(port=port, only="embedded")  # the port is taken: another
        assert second.settings.port != port
        await _works(second.settings)
        await second.stop()
        await found.stop()

    run(scenario())


def test_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "find_mosquitto", lambda: None)
    monkeypatch.delitem(sys.modules, "evse_daemon.mqtt.amqtt_broker", raising=False)
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(BrokerUnreachable) as caught:
        run(find_broker(port=free_port()))
    for words in (
        "none runs",
        "no mosquitto program",
        "not installed",
        "apt install mosquitto",
        "pip install",
    ):
        assert words in str(caught.value)


def test_a_mosquitto_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="NOT TESTED: amqtt is not installed")
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho out of cheese >&2\nexit 3\n", "utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(private_mosquitto, "_LAUNCHER", "import os, sys; os.execv(sys.argv[2], sys.argv[2:])")
    monkeypatch.setattr(finder, "find_mosquitto", lambda: str(broken))

    async def scenario() -> None:
        found = await find_broker(port=free_port())
        assert found.kind == "embedded"
        assert "out of cheese" in found.notes[0]
        await found.stop()

    run(scenario())


def test_hint_for_tls_and_login() -> None:
    settings = BrokerSettings(host="box", port=8883, username="u", tls=TlsSettings(ca_file="/ca.crt"))
    assert (
        finder._hint(settings, "everest")
        == "mosquitto_sub -v -h box -p 8883 --cafile /ca.crt -u u -P … -t 'everest/#'"
    )


def _pid(found: FoundBroker) -> int:
    child = getattr(found._stop, "__self__", None)
    assert isinstance(child, PrivateMosquitto)
    return child.pid


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files of this test alone; the user that Mosquitto becomes may read it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield folder
