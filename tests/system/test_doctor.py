"""``evse-daemon doctor`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evse_daemon.config.units import state_folder
from tests.support.brokers import MISSING, Mosquitto, free_port, mosquitto_binary
from tests.system.clients import CARSIM, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, ROOT, START_S, clean_environment, configuration, run

WITHOUT_BROKER = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)


def doctor(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "doctor", *map(str, arguments)],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@WITHOUT_BROKER
def test_it_looks_at_a_station_that_runs_and_disturbs_nothing(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        before = {each.name for each in (tmp_path / "state").iterdir()}
        client.publish(CARSIM, "sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 5;unplug")
        client.wait_event("ChargingStarted", timeout_s=30)
        done = doctor(tmp_path / "config.yaml", "--state-dir", tmp_path / "state", "--json", folder=tmp_path)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE
        assert {each.name for each in (tmp_path / "state").iterdir()} == before
        assert "connection lost" not in daemon.err
    report = json.loads(done.stdout)
    messages = [found["message"] for found in report["findings"]]
    assert f"the daemon is online there (pid {daemon.process.pid})" in messages, done.stdout
    assert "in use by the daemon, which has checked them at its start" in messages
    broker = next(found for found in report["findings"] if found["subject"].startswith("broker"))
    assert broker["level"] != "problem"
    assert done.stderr == ""


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    file = configuration(tmp_path, free_port())
    file.write_text(
        file.read_text("utf-8")
        + "\n  meter:\n    module: SerialCommHub\n    config_implementation: {main: {serial_port: /dev/ttyUSB97}}\n",
        "utf-8",
    )
    done = doctor(file, "--state-dir", tmp_path / "state", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    at = lines.index(
        "problem  serial port /dev/ttyUSB97 (meter): it is not there: its adapter is not plugged in, or is another one"
    )
    assert lines[at + 1].startswith("         USB adapters here: ")
    assert any(line.startswith("problem  broker 127.0.0.1:") for line in lines)
    assert lines[-1].startswith("2 problems")
    assert not (tmp_path / "state").exists(), "it changes nothing"


def test_a_broker_that_is_away_has_its_own_status(tmp_path: Path) -> None:
    done = doctor(
        configuration(tmp_path, free_port()), "--state-dir", "/var/lib/evse-daemon-none", folder=tmp_path
    )
    assert done.returncode == 4, done.stdout


def test_a_bad_configuration_is_said_and_the_machine_looked_at_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("active_modules: {a: {module: YetiDriver, config_module: {serial_prot: /dev/ttyS0}}}")
    done = doctor(file, folder=tmp_path)
    assert done.returncode == 3
    assert (
        f"problem  configuration {file}: {file}:1: unknown option 'serial_prot' of YetiDriver" in done.stdout
    )
    assert f"         evse-daemon check-config {file}" in done.stdout
    assert "clock: it says 20" in done.stdout
    done = doctor(tmp_path / "none.yaml", folder=tmp_path)
    assert done.returncode == 3
    assert "the configuration cannot be read: No such file or directory" in done.stdout
    assert doctor("--user", "no-such-user", folder=tmp_path).returncode == 2


WITHOUT_A_MACHINE = """
import os, socket, subprocess, sys
def none(*_, **__):
    raise AssertionError("check-config is to look at the file alone")
real = os.open
socket.socket = type("Socket", (socket.socket,), {"__init__": none})
subprocess.Popen = type("Popen", (subprocess.Popen,), {"__init__": none})
os.open = lambda path, *a, **k: none() if str(path).startswith("/dev/tty") else real(path, *a, **k)
from evse_daemon.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_check_config_looks_at_the_file_alone(tmp_path: Path) -> None:
    """The package's upgrade asks it, on a machine whose devices and broker may be busy."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_MACHINE, "check-config", str(ROOT / "config/config-two-evses.yaml")],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_state_is_looked_for_where_the_units_keep_it(tmp_path: Path) -> None:
    etc = Path("/etc/evse-daemon")
    assert state_folder(etc / "config.yaml", None, tmp_path) == Path("/var/lib/evse-daemon")
    assert state_folder(etc / "left.yaml", None, None) == Path("/var/lib/evse-daemon/left")
    assert state_folder(tmp_path / "my.yaml", None, None) == Path("state")
    assert state_folder(etc / "config.yaml", tmp_path, None) == tmp_path
    for unit, config_file, folder in (
        ("evse-daemon.service", "config.yaml", "evse-daemon"),
        ("evse-daemon@.service", "%i.yaml", "evse-daemon/%i"),
    ):
        text = (ROOT / "systemd" / unit).read_text("utf-8")
        assert f"run /etc/evse-daemon/{config_file} --state-dir /var/lib/{folder}\n" in text
