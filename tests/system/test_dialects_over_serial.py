"""Boards other than a Yeti over a real pseudo-terminal: their drivers at one end, ``evse-daemon sim board`` at the other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.support.dialects import DRIVERS, with_driver
from tests.system.clients import WHOLE, Client
from tests.system.conftest import Start
from tests.system.processes import START_S, configuration, until
from tests.system.test_make_safe import make_safe
from tests.system.test_over_serial import LONG, SHORT, BoardProgram, evse_daemon

pytestmark = pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)


def charger(folder: Path, broker: Mosquitto, dialect: str) -> list[str]:
    """``evse-daemon run`` with a board at a serial port; the car is not its business."""
    document = yaml.safe_load(configuration(folder, broker.port).read_text("utf-8"))
    del document["active_modules"]["ev_manager"]
    file = folder / "charger.yaml"
    file.write_text(yaml.safe_dump(with_driver(document, dialect, str(folder / "board"))), "utf-8")
    return ["run", str(file), "--state-dir", str(folder / "state")]


@pytest.mark.parametrize("dialect", DRIVERS)
def test_a_session_ends_and_the_next_is_killed_and_made_safe(
    mosquitto: Mosquitto, start: Start, tmp_path: Path, dialect: str
) -> None:
    board = BoardProgram(tmp_path / "program", "--dialect", dialect, "--link", str(tmp_path / "board"))
    try:
        board.says("Board: ")
        with Client(mosquitto.port, "#") as client:
            daemon = start(charger(tmp_path, mosquitto, dialect))
            client.wait_event("Enabled", timeout_s=START_S)
            board.tell(SHORT)
            client.wait_event("SessionFinished", timeout_s=30)
            assert client.events() == WHOLE
            mark = client.mark()
            board.tell(LONG)
            client.wait_event("ChargingStarted", since=mark)
            until(lambda: contactor(board) == "phases=3", what=board.describe)
            daemon.kill()
        assert contactor(board) == "phases=3", "this board goes on without its host: else nothing is shown"
        done = make_safe(tmp_path / "charger.yaml")
        assert done.stdout == "make-safe: yeti_driver: told to switch off, and restarted: power is off\n"
        assert done.returncode == 0
        until(lambda: contactor(board) == "phases=0", what=board.describe)
    finally:
        board.end()


def contactor(board: BoardProgram) -> str:
    """Where it is, by the log of the board, which tells each move."""
    return [line for line in board.err.splitlines() if " contactor " in line][-1].split()[-1]


def test_another_dialect_is_not_spoken_over_can() -> None:
    done = evse_daemon("sim", "board", "--wire", "can", "--dialect", "phyverso")
    assert (done.returncode, done.stdout) == (2, "")
    assert "leave out --wire can" in done.stderr
