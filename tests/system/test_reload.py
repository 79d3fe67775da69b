"""SIGHUP to a daemon that charges, that starts, that ends, and to one whose terminal is gone."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from evse_daemon.exit_codes import ExitCode
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, EVENTS, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import ROOT, Daemon, clean_environment, run, until

FUSE = "      fuse_limit_A: 32\n"
PWM = TOPICS.command("yeti_driver", "board_support", "pwm_on")
TAKEN = "the configuration was read again"


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), "utf-8")


def charging(start: Start, client: Client, mosquitto: Mosquitto, folder: Path) -> Daemon:
    daemon = start(run(folder, mosquitto))
    client.wait_event("Enabled")
    client.publish(CARSIM, LONG_SESSION)
    client.wait_event("ChargingStarted")
    return daemon


def logged(daemon: Daemon, text: str, count: int = 1) -> None:
    until(lambda: daemon.err.count(text) >= count, what=daemon.describe)


def duty_cycles(client: Client) -> list[float]:
    return [heard.data["args"]["value"] for heard in client.on(PWM)]


def test_a_car_that_charges_gets_the_lower_limit_and_its_session_goes_on(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = charging(start, client, mosquitto, tmp_path)
        told = len(client.on(EVENTS))
        file = tmp_path / "config.yaml"
        edit(file, FUSE, FUSE.replace("32", "10"))
        edit(file, "has_ventilation: false", "has_ventilation: true")
        daemon.process.send_signal(signal.SIGHUP)
        logged(daemon, "need a restart")
        assert f"{file}:" in daemon.err
        assert "option has_ventilation of evse_manager" in daemon.err
        # 10 A are a sixth of the period (IEC 61851-1 Table A.7).
        until(lambda: duty_cycles(client)[-1] == pytest.approx(100 / 6, abs=0.1), what=daemon.describe)
        edit(file, "active_modules:", "active_modules: [")
        daemon.process.send_signal(signal.SIGHUP)
        logged(daemon, "was not taken over")
        assert daemon.process.poll() is None
        assert [heard.data["event"] for heard in client.on(EVENTS)][told:] == []


def test_signals_while_it_starts_and_while_it_ends_are_no_end(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        process = daemon.process
        hears = Path(f"/proc/{process.pid}/status")
        until(lambda: int(re.findall(r"SigCgt:\s*(\w+)", hears.read_text())[0], 16) & 1)
        while not client.on(EVENTS):
            process.send_signal(signal.SIGHUP)
            assert process.poll() is None, daemon.describe()
            signal.sigtimedwait([], 0.005)
        client.wait_event("Enabled")
        logged(daemon, TAKEN)
        client.publish(CARSIM, LONG_SESSION)
        client.wait_event("ChargingStarted")
        process.terminate()
        while process.poll() is None:
            process.send_signal(signal.SIGHUP)
            signal.sigtimedwait([], 0.005)
        assert process.returncode == 0, daemon.describe()
        assert client.on(EVENTS)[-1].data["event"] == "SessionFinished"


def test_a_hundred_signals_are_few_readings(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = charging(start, client, mosquitto, tmp_path)
        edit(tmp_path / "config.yaml", FUSE, FUSE.replace("32", "10"))
        for _ in range(100):
            daemon.process.send_signal(signal.SIGHUP)
        logged(daemon, "taken over")
        until(lambda: duty_cycles(client)[-1] == pytest.approx(100 / 6, abs=0.1), what=daemon.describe)
        assert daemon.err.count(TAKEN) <= 3
        assert psutil.Process(daemon.process.pid).num_threads() < 20


def test_a_terminal_that_was_closed_ends_it_in_order(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    try:
        with Client(mosquitto.port, "#") as client:
            daemon = start(run(tmp_path, mosquitto), stdin=theirs)
            client.wait_event("Enabled")
            daemon.process.send_signal(signal.SIGHUP)
            logged(daemon, TAKEN)
            client.publish(CARSIM, LONG_SESSION)
            client.wait_event("ChargingStarted")
            os.close(ours)
            # The shell and the kernel both tell of it; a second SIGTERM would cut the session's end short.
            daemon.process.send_signal(signal.SIGHUP)
            daemon.process.send_signal(signal.SIGHUP)
            client.wait_event("StoppingCharging")
            daemon.process.send_signal(signal.SIGHUP)
            assert daemon.ended() == 0, daemon.describe()
            assert client.on(EVENTS)[-1].data["event"] == "SessionFinished"
    finally:
        os.close(theirs)


def test_what_systemctl_reload_runs_looks_first_and_then_tells_the_daemon(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    daemon = start(run(tmp_path, mosquitto))
    logged(daemon, "ready")
    file = tmp_path / "config.yaml"
    unit = (ROOT / "systemd" / "evse-daemon.service").read_text("utf-8")
    check, tell = (
        shlex.split(
            line.replace("/usr/bin/evse-daemon", f"{sys.executable} -m evse_daemon")
            .replace("/etc/evse-daemon/config.yaml", str(file))
            .replace("$MAINPID", str(daemon.process.pid))
        )
        for line in re.findall(r"(?m)^ExecReload=(.*)$", unit)
    )
    environ = clean_environment()

    def status(command: list[str]) -> int:
        return subprocess.run(command, env=environ, capture_output=True, check=False).returncode

    edit(file, "connection_timeout", "connection_timeuot")
    assert status(check) == ExitCode.CONFIGURATION, "systemctl reload fails, and the daemon is not told"
    edit(file, "connection_timeuot", "connection_timeout")
    assert (status(check), status(tell)) == (0, 0)
    logged(daemon, TAKEN)
