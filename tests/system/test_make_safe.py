"""A daemon that is killed while a car charges, and what systemd runs then: the contactor opens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from drivers.board.messages import MeterReading
from drivers.link.framing import FrameDecoder
from drivers.yeti.codec import YetiCodec
from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.system.clients import Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, START_S, clean_environment, configuration
from tests.system.test_over_serial import LONG, BoardProgram, with_driver

WITHOUT_BROKER = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)


def make_safe(
    config: Path, *, result: str = "signal", before: str = "", timeout_s: float = START_S
) -> subprocess.CompletedProcess[str]:
    program = (
        sys.executable,
        "-c",
        f"{before}\nfrom evse_daemon.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))",
    )
    return subprocess.run(
        [*(program if before else PROGRAM), "make-safe", str(config)],
        env=clean_environment({"SERVICE_RESULT": result}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def measured_A(port: Path) -> float:
    """The current that the board measures now; nobody else has its line."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(descriptor)
        decoder, codec = FrameDecoder(), YetiCodec()
        until_s = time.monotonic() + START_S
        seen = 0
        while time.monotonic() < until_s:
            for message in decoder.feed(os.read(descriptor, 4096)):
                found = codec.decode_from_board(message)
                if isinstance(found, MeterReading):
                    seen += 1
                    if seen == 2:  # the first may have waited in the line
                        return max(found.current_A)
        raise AssertionError("the board says nothing")
    finally:
        os.close(descriptor)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardProgram]:
    program = BoardProgram(tmp_path / "board", "--link", str(tmp_path / "yeti"))
    yield program
    program.end()


@WITHOUT_BROKER
def test_a_charging_daemon_is_killed_and_the_contactor_opens(
    mosquitto: Mosquitto, start: Start, board: BoardProgram, tmp_path: Path
) -> None:
    board.says("Board: ")
    with Client(mosquitto.port, "#") as client:
        daemon = start(with_driver(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        board.tell(LONG)
        client.wait_event("ChargingStarted")
        busy = make_safe(tmp_path / "charger.yaml")
        assert (busy.returncode, "in use by another program" in busy.stdout) == (1, True), busy
        daemon.kill()
    assert measured_A(tmp_path / "yeti") > 10, "this board goes on without its host: else nothing is shown"
    done = make_safe(tmp_path / "charger.yaml")
    assert done.stdout == "make-safe: yeti_driver: told to switch off, and restarted: power is off\n", done
    assert (done.returncode, done.stderr) == (0, "")
    assert measured_A(tmp_path / "yeti") == 0


@WITHOUT_BROKER
def test_over_can_too(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> None:
    document = yaml.safe_load(configuration(tmp_path, mosquitto.port).read_text("utf-8"))
    modules = document["active_modules"]
    del modules["ev_manager"]
    modules["yeti_driver"] |= {
        "module": "YetiCanDriver",
        "config_module": {"can_interface": "slcan", "can_device": str(tmp_path / "yeti")},
    }
    (tmp_path / "charger.yaml").write_text(yaml.safe_dump(document), "utf-8")
    program = BoardProgram(tmp_path / "board", "--wire", "can", "--link", str(tmp_path / "yeti"))
    try:
        program.says("Board: ")
        with Client(mosquitto.port, "#") as client:
            daemon = start(["run", str(tmp_path / "charger.yaml"), "--state-dir", str(tmp_path / "state")])
            client.wait_event("Enabled", timeout_s=START_S)
            program.tell(LONG)
            client.wait_event("ChargingStarted")
            daemon.kill()
        done = make_safe(tmp_path / "charger.yaml")
        assert done.stdout == "make-safe: yeti_driver: told to switch off, and restarted: power is off\n", (
            done
        )
    finally:
        program.end()


def config(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, "utf-8")
    return file


BOARD = """
  {}:
    module: YetiDriver
    config_module: {{serial_port: {}, reset_gpio_chip: ""}}
"""


def test_each_board_is_told_whatever_becomes_of_the_others(tmp_path: Path, board: BoardProgram) -> None:
    board.says("Board: ")
    text = (
        "active_modules:" + BOARD.format("away", tmp_path / "away") + BOARD.format("there", tmp_path / "yeti")
    )
    text += "  broken: {module: YetiDriver, config_module: {serial_prot: /dev/ttyS0}}\n  what: {module: Nothing}\n"
    done = make_safe(config(tmp_path, text))
    assert done.returncode == 1
    away, there = done.stdout.splitlines()
    assert away.startswith(
        f"make-safe: away: could not be told to switch off: {tmp_path / 'away'} is not there"
    )
    assert there == "make-safe: there: told to switch off, and restarted: power is off"
    assert "not commanded off, where it is a board" in done.stderr
    assert "serial_prot" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_board_that_says_nothing_is_not_called_off(tmp_path: Path) -> None:
    master, slave = os.openpty()
    try:
        text = "active_modules:" + BOARD.format("mute", os.ttyname(slave))
        done = make_safe(config(tmp_path, text))
        assert done.returncode == 1
        assert "does not answer: whether power is off is not known" in done.stdout
        assert os.read(master, 4096), "it was told all the same"
    finally:
        os.close(master)
        os.close(slave)


def test_a_port_that_blocks_does_not_hold_the_others_up(tmp_path: Path, board: BoardProgram) -> None:
    """A worn-out USB adapter can block whoever opens it for minutes."""
    board.says("Board: ")
    blocks = (
        "import serial, time\n"
        "real = serial.Serial\n"
        "serial.Serial = lambda port, *a, **k: time.sleep(60) if 'stuck' in port else real(port, *a, **k)"
    )
    text = (
        "active_modules:"
        + BOARD.format("stuck", tmp_path / "stuck")
        + BOARD.format("there", tmp_path / "yeti")
    )
    done = make_safe(config(tmp_path, text), before=blocks)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "make-safe: stuck: did not take a command within 1.3 s",
        "make-safe: there: told to switch off, and restarted: power is off",
    ]


def test_what_has_no_board_needs_nothing(tmp_path: Path) -> None:
    done = make_safe(configuration(tmp_path, 1883))
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to switch off" in done.stdout


def test_a_daemon_that_ended_in_order_has_done_it_itself(tmp_path: Path) -> None:
    text = "active_modules:" + BOARD.format("there", tmp_path / "yeti")
    done = make_safe(config(tmp_path, text), result="success")
    assert (done.returncode, done.stdout) == (
        0,
        "make-safe: the daemon ended in order, and has switched off itself\n",
    )


def test_a_daemon_that_was_refused_leaves_the_boards_to_the_one_that_has_them(
    tmp_path: Path, board: BoardProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CAN nothing else would keep the second from switching off what the first one charges."""
    board.says("Board: ")
    text = "active_modules:" + BOARD.format("there", tmp_path / "yeti")
    monkeypatch.setenv("EXIT_CODE", "exited")
    monkeypatch.setenv("EXIT_STATUS", "5")
    done = make_safe(config(tmp_path, text), result="exit-code")
    assert (done.returncode, done.stdout) == (
        0,
        "make-safe: another daemon runs this station, and has its boards: nothing was switched off\n",
    )
    monkeypatch.setenv("EXIT_STATUS", "1")
    assert "power is off" in make_safe(config(tmp_path, text), result="exit-code").stdout
    monkeypatch.setenv("EXIT_CODE", "killed")
    monkeypatch.setenv("EXIT_STATUS", "5")
    assert "power is off" in make_safe(config(tmp_path, text)).stdout, "signal 5 is another thing"


@pytest.mark.parametrize("content", [None, "", "active_modules: 5", "}{", "\x00\xff"])
def test_no_configuration_is_no_traceback(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        config(tmp_path, content)
    done = make_safe(tmp_path / "config.yaml")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3)
    assert done.stdout + done.stderr
