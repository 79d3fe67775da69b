"""The whole charger over a real pseudo-terminal: YetiDriver at one end, the simulated board at the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from evse_daemon.mqtt.topics import service_command
from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.system.clients import CARSIM, CARSIM_MODIFY, EVENTS, TOPICS, WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, START_S, Daemon, clean_environment, configuration, until, where

pytestmark = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)

SHORT = "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 2;unplug"
LONG = SHORT.replace("sleep 2", "sleep 10000")
ERROR = TOPICS.error("yeti_driver", "board_support", "evse_board_support/{}")


class BoardProgram(Daemon):
    """``evse-daemon sim board`` with somebody at its stdin."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        read, self._stdin = os.pipe()
        super().__init__(folder, ["sim", "board", *arguments], stdin=read)
        os.close(read)

    def tell(self, line: str) -> None:
        os.write(self._stdin, f"{line}\n".encode())

    def end(self) -> None:
        os.close(self._stdin)
        super().end()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardProgram]:
    program = BoardProgram(tmp_path / "board", "--link", str(tmp_path / "yeti"))
    yield program
    program.end()


def with_driver(folder: Path, broker: Mosquitto) -> list[str]:
    """``evse-daemon run`` with a board at a serial port, as on charger hardware: the car is not its business."""
    document = yaml.safe_load(configuration(folder, broker.port).read_text("utf-8"))
    modules = document["active_modules"]
    del modules["ev_manager"]
    modules["yeti_driver"] |= {
        "module": "YetiDriver",
        "config_module": {"serial_port": str(folder / "yeti"), "reset_gpio_chip": ""},
    }
    file = folder / "charger.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return ["run", str(file), "--state-dir", str(folder / "state")]


def test_a_whole_session_of_simulate_over_a_wire(mosquitto: Mosquitto, start: Start) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = start(["simulate", "--wire", "serial", *where(mosquitto)])
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE
        relay = [
            message.data["event"]
            for message in client.on(TOPICS.var("yeti_driver", "board_support", "event"))
        ]
        assert [event for event in relay if event.startswith("Power")] == ["PowerOn", "PowerOff"]
        daemon.end()
        assert daemon.err == ""


def test_the_board_is_broken_by_a_topic_and_charging_stops_with_a_named_error(
    mosquitto: Mosquitto, start: Start
) -> None:
    fault = service_command(TOPICS.name, "yeti_driver_firmware", "fault")
    with Client(mosquitto.port, "#") as client:
        start(["simulate", "--wire", "serial", *where(mosquitto)])
        client.wait_event("Enabled", timeout_s=START_S)
        client.publish(CARSIM, LONG)
        client.wait_event("ChargingStarted")
        client.publish(fault, "hang 4")
        lost = ERROR.format("CommunicationFault")
        client.wait(lost, lambda heard: heard.data["state"] == "Active")
        client.wait_event("ChargingPausedEVSE")
        mark = client.mark()
        client.wait(lost, lambda heard: heard.data["state"] != "Active")
        client.wait_event("ChargingStarted", since=mark)
        client.publish(CARSIM_MODIFY, "unplug")
        client.wait_event("SessionFinished", since=mark)


def test_two_programs_on_one_line(
    mosquitto: Mosquitto, start: Start, board: BoardProgram, tmp_path: Path
) -> None:
    board.says(f"Board: {tmp_path / 'yeti'}")
    with Client(mosquitto.port, "#") as client:
        start(with_driver(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        board.tell(SHORT)
        client.wait_event("SessionFinished", timeout_s=30)
        assert client.events() == WHOLE


def test_a_pulled_plug_is_an_error_until_it_is_back(
    mosquitto: Mosquitto, start: Start, board: BoardProgram, tmp_path: Path
) -> None:
    board.says("Board: ")
    with Client(mosquitto.port, "#") as client:
        start(with_driver(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        board.tell(LONG)
        client.wait_event("ChargingStarted")
        board.tell("fault port off")
        lost = ERROR.format("CommunicationFault")
        client.wait(lost, lambda heard: heard.data["state"] == "Active")
        mark = client.mark()
        board.tell("fault port on")
        client.wait(lost, lambda heard: heard.data["state"] != "Active", since=mark)
        board.tell("modify unplug")
        client.wait_event("SessionFinished", since=mark)
        assert client.on(EVENTS)


def test_a_board_before_its_charger_and_a_charger_before_its_board(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        start(with_driver(tmp_path, mosquitto))
        lost = ERROR.format("CommunicationFault")
        client.wait(lost, lambda heard: heard.data["state"] == "Active", timeout_s=START_S)
        program = BoardProgram(tmp_path / "board", "--link", str(tmp_path / "yeti"), "--session", SHORT)
        try:
            client.wait_event("SessionFinished", timeout_s=40)
            assert client.events() == WHOLE
        finally:
            program.end()


def test_the_board_program_says_what_it_cannot_do(board: BoardProgram, tmp_path: Path) -> None:
    board.says("Board: ")
    board.tell("fault bla")
    board.says("refused: unknown fault 'bla'")
    board.tell("fly")
    board.says("refused: unknown command 'fly'")
    board.tell("modify sleep bla")
    board.says("refused: the script has no statement")
    board.tell("fault port off")
    until(lambda: not (tmp_path / "yeti").is_symlink())
    (tmp_path / "yeti").write_text("precious")
    board.tell("fault port on")
    board.says("refused: the port does not come back")
    (tmp_path / "yeti").unlink()
    board.tell("fault none")
    until((tmp_path / "yeti").is_symlink)
    board.tell("help")
    board.says("fault NAME")
    assert (tmp_path / "yeti").is_symlink()
    board.tell("quit")
    assert board.ended() == 0
    assert not (tmp_path / "yeti").is_symlink()


def test_a_file_in_the_place_of_the_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "yeti").write_text("precious")
    done = evse_daemon("sim", "board", "--link", str(tmp_path / "yeti"))
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'yeti'} is there, and is no symbolic link: choose another path\n"
    assert (tmp_path / "yeti").read_text() == "precious"


def test_a_wire_runs_in_real_time() -> None:
    done = evse_daemon("simulate", "--wire", "serial", "--speed", "10")
    assert (done.returncode, done.stdout) == (2, "")
    assert "real time" in done.stderr


@pytest.mark.parametrize("arguments", [["simulate", "--wire", "serial"], ["sim", "board"]])
def test_without_the_libraries_it_says_what_to_install(arguments: list[str]) -> None:
    without = "import sys; sys.modules['cobs'] = None; from evse_daemon.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = evse_daemon(*arguments, program=(sys.executable, "-c", without))
    assert done.returncode == 1
    assert "pip install 'evse-daemon[serial]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_without_a_simulated_board_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(
        "active_modules:\n  token_provider: {module: DummyTokenProviderManual}\n"
    )
    done = evse_daemon("simulate", "--wire", "serial", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == 1
    assert "has no YetiSimulator" in done.stderr


def evse_daemon(*arguments: str, program: tuple[str, ...] = PROGRAM) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
