"""What is wrong with the computer: a full disk, a read-only one, a wrong clock, no device; SIGTERM, a second daemon.

Each time: what the user is told, and that power is off, or stays right. Of kill -9 that is in test_make_safe.py, of a
configuration that cannot be used in test_unreadable_configuration.py.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.system.clients import CARSIM, CARSIM_MODIFY, EVENTS, TOPICS, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration, run, until
from tests.system.test_make_safe import board, measured_A
from tests.system.test_over_serial import LONG, BoardProgram, with_driver

__all__ = ["board"]

pytestmark = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)

SHORT = "sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 2;unplug"
STAYS = SHORT.replace("sleep 2", "sleep 10000")
RELAY = TOPICS.var("yeti_driver", "board_support", "event")


def relay(client: Client, since: int = 0) -> list[str]:
    names = [heard.data["event"] for heard in client.on(RELAY, since)]
    return [name for name in names if name.startswith("Power")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the state."""
    folder = tmp_path / "state"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("NOT TESTED: only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_on_a_full_disk_no_transaction_starts_until_there_is_room(
    mosquitto: Mosquitto, start: Start, tmp_path: Path, small_disk: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        fill(small_disk)
        client.publish(CARSIM, STAYS)
        until(lambda: "Have the disk checked: is it full?" in daemon.err, what=daemon.describe)
        client.wait_event("SessionStarted")
        assert "disk is full" in daemon.err
        assert relay(client) == []
        assert "TransactionStarted" not in client.events()
        (small_disk / "full").unlink()
        mark = client.mark()
        client.publish(CARSIM_MODIFY, "unplug")
        client.wait_event("SessionFinished", since=mark)
        client.publish(CARSIM, STAYS)
        client.wait(RELAY, lambda heard: heard.data["event"] == "PowerOn", since=mark, timeout_s=30)


def test_with_a_read_only_disk_no_car_charges_until_it_can_be_written(
    mosquitto: Mosquitto, start: Start, tmp_path: Path, small_disk: Path
) -> None:
    """As Linux makes a worn-out card: what happened before, a welded contactor perhaps, cannot be known."""
    remount = ["mount", "-o"]
    subprocess.run([*remount, "remount,ro", small_disk], check=True)
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        until(lambda: "unable to open" in daemon.err, START_S, daemon.describe)
        assert "no transaction can be started until the journal can be written" in daemon.err
        time.sleep(3)
        assert client.on(EVENTS) == [], "it is not offered to cars"
        assert relay(client) == []
        subprocess.run([*remount, "remount,rw", small_disk], check=True)
        client.wait_event("Enabled", timeout_s=30)
        client.publish(CARSIM, SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE


def test_a_state_folder_that_cannot_be_made_ends_it_with_a_sentence(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    daemon = start(
        ["run", str(configuration(tmp_path, mosquitto.port)), "--state-dir", str(tmp_path / "file" / "state")]
    )
    assert daemon.ended() == 1
    assert daemon.err.startswith(f"transactions cannot be stored in {tmp_path / 'file' / 'state'}: ")
    assert "Traceback" not in daemon.err


def test_a_second_daemon_on_the_same_state_is_refused_and_one_after_a_kill_is_not(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        first = start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        second = start(run(tmp_path, mosquitto))
        assert second.ended() == 5
        assert second.err.startswith(f"{tmp_path / 'state'} is in use by another daemon (evse-daemon, pid ")
        assert f"pid {first.process.pid})" in second.err
        assert "Traceback" not in second.err
        client.publish(CARSIM, SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE, "the first has noticed nothing"
        first.kill()
        mark = client.mark()
        start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", since=mark, timeout_s=START_S)


IN_1970 = """
import datetime as dt, sys, time
from evse_daemon.framework import clock
began_s = time.monotonic()
clock.RealClock.utc = lambda _: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=time.monotonic() - began_s)
from evse_daemon.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_in_1970_cars_charge_all_the_same_and_the_log_says_what_is_wrong(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    """A computer without a battery for its clock, before it has found a time server."""
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto), program=(sys.executable, "-c", IN_1970))
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE
        assert relay(client) == ["PowerOn", "PowerOff"]
        assert client.on(EVENTS)[-1].data["timestamp"].startswith("1970-01-01T")
        assert "the clock of this computer is wrong" in daemon.err
        assert "says=1970-01-01" in daemon.err
        assert "let a time server do it (timedatectl)" in daemon.err


def test_a_right_clock_is_not_talked_about(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        assert "clock" not in daemon.err


def test_a_missing_device_is_named_and_no_power_is_given(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(with_driver(tmp_path, mosquitto))
        lost = TOPICS.error("yeti_driver", "board_support", "evse_board_support/CommunicationFault")
        told = client.wait(lost, lambda heard: heard.data["state"] == "Active", timeout_s=START_S)
        assert f"{tmp_path / 'yeti'} is not there: is the board's adapter plugged in" in told.payload
        assert daemon.process.poll() is None, "it waits for the adapter"
        assert relay(client) == []


def test_a_charging_daemon_is_told_to_end_and_the_contactor_opens(
    mosquitto: Mosquitto, start: Start, board: BoardProgram, tmp_path: Path
) -> None:
    board.says("Board: ")
    with Client(mosquitto.port, "#") as client:
        daemon = start(with_driver(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        board.tell(LONG)
        client.wait(RELAY, lambda heard: heard.data["event"] == "PowerOn")
        daemon.process.terminate()
        assert daemon.ended(30) == 0, daemon.describe()
        finished = client.wait_event("TransactionFinished")
        assert finished.data["transaction_finished"]["reason"] == "Reboot"
        assert relay(client)[-1] == "PowerOff"
    assert "ended; the outputs are safe" in daemon.err
    assert measured_A(tmp_path / "yeti") == 0


def test_a_disk_that_fills_up_while_a_car_charges_is_told_and_power_is_off_at_the_end(
    mosquitto: Mosquitto, start: Start, tmp_path: Path, small_disk: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(run(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, STAYS)
        client.wait_event("ChargingStarted", timeout_s=30)
        fill(small_disk)
        mark = client.mark()
        client.publish(CARSIM_MODIFY, "unplug")
        client.wait(RELAY, lambda heard: heard.data["event"] == "PowerOff", since=mark)
        until(lambda: "disk is full" in daemon.err, what=daemon.describe)
        (small_disk / "full").unlink()
        client.wait_event("TransactionFinished", since=mark, timeout_s=60)
        assert relay(client)[-1] == "PowerOff"


SLOW_NAMES = """
import socket, sys, time
real = socket.getaddrinfo
def slow(host, *more, **others):
    if host == "metrics.example":
        time.sleep(1000)
    return real(host, *more, **others)
socket.getaddrinfo = slow
from evse_daemon.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_name_server_that_hangs_does_not_keep_it_from_its_end(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    """Else systemd kills it, and takes the board for one that was left on."""
    file = configuration(tmp_path, mosquitto.port)
    file.write_text(f"daemon: {{metrics: {{host: metrics.example}}}}\n{file.read_text()}")
    command = ["run", str(file), "--state-dir", str(tmp_path / "state")]
    with Client(mosquitto.port, "#") as client:
        daemon = start(command, program=(sys.executable, "-c", SLOW_NAMES))
        client.wait_event("Enabled", timeout_s=START_S)
        daemon.process.terminate()
        assert daemon.ended() == 0, daemon.describe()
    assert "ended; the outputs are safe" in daemon.err
