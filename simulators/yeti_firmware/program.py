"""``evse-daemon sim board``: the simulated board as a program of its own, with its car, told what to do on stdin."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from evse_daemon.config import ConfigurationError, RunConfig, load_text
from evse_daemon.framework.bus import Inbox
from evse_daemon.framework.calls import RejectedError
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Message
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from simulators.ev_manager.module import EvManager
from simulators.yeti_firmware import faults
from simulators.yeti_firmware.faults import FaultError
from simulators.yeti_firmware.module import YetiFirmware

SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"

HELP = f"""\
One command a line:
  {SESSION}
             a session of the car; or: modify SCRIPT, where one is running
  fault NAME …
             what goes wrong from now on; several are separated by semicolons:
{chr(10).join(f"               {line}" for line in faults.HELP)}
  help, quit"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for on the command line.

    Args:
        board: options of YetiFirmware.
        session: what the car does at once; empty for nothing.
    """

    board: dict[str, Any]
    session: str = ""


class BoardProgramError(Exception):
    """The board cannot be simulated; the message says why and what to do."""


def run(wanted: Wanted, say: Callable[[str], None]) -> None:
    """Simulates the board until SIGTERM, Ctrl-C or ``quit``.

    Raises:
        BoardProgramError: it cannot begin.
    """
    document = {
        "active_modules": {
            "board": {"module": "YetiFirmware", "config_module": {"connector_id": 1, **wanted.board}},
            "car": {
                "module": "EvManager",
                "config_module": {
                    "connector_id": 1,
                    "auto_enable": True,
                    "auto_exec": bool(wanted.session),
                    "auto_exec_commands": wanted.session,
                },
                "connections": {
                    "ev_board_support": [{"module_id": "board", "implementation_id": "ev_board_support"}]
                },
            },
        }
    }
    try:
        config = load_text(yaml.safe_dump(document), file="the board's options")
        asyncio.run(_run(config, say))
    except (ConfigurationError, ImportError, OSError) as error:
        raise BoardProgramError(str(error)) from error


class NoBroker:
    """Topics outside the module tree where there is no broker."""

    connected = False

    def publish(self, topic: str, payload: str, **how: Any) -> None:
        """Nobody hears it."""

    def subscribe(
        self, topic: str, inbox: Inbox, handler: Callable[[Message], None], *, order: bool = True
    ) -> None:
        """Nothing is ever heard."""


async def _run(config: RunConfig, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    until = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)
    station = Station(config, RealClock(), MemoryJournal(), loop.call_soon)
    station.build(NoBroker())
    board, car = station.modules["board"], station.modules["car"]
    assert isinstance(board, YetiFirmware)
    assert isinstance(car, EvManager)
    say(f"Board: {board.line.place}")
    console = Console(board, car, say, until.set)
    read_lines(loop, console.obey)
    try:
        await station.supervise(until)
    finally:
        board.line.close()


class Console:
    """Carries out what a person or a script writes, line by line."""

    def __init__(
        self, board: YetiFirmware, car: EvManager, say: Callable[[str], None], end: Callable[[], None]
    ) -> None:
        self._board = board
        self._car = car
        self._say = say
        self._end = end

    def obey(self, line: str) -> None:
        """One line; what cannot be done is said, and changes nothing."""
        word, _, rest = line.strip().partition(" ")
        try:
            match word.lower():
                case "":
                    return
                case "help":
                    self._say(HELP)
                case "quit":
                    self._end()
                case "fault":
                    place = self._board.line.place
                    self._board.break_it(rest)
                    if self._board.line.place not in ("", place):
                        self._say(f"Board: {self._board.line.place}")
                case "modify":
                    self._car.modify(rest)
                case _:
                    self._car.execute(line.strip())
        except (FaultError, RejectedError) as error:
            self._say(f"refused: {error}")


def read_lines(loop: asyncio.AbstractEventLoop, obey: Callable[[str], None]) -> None:
    """Has lines of stdin carried out by the event loop; its end ends nothing."""

    def read() -> None:
        # A thread, since a file cannot be waited for; past Python's buffer, whose lock would outlive the program.
        rest = b""
        while data := os.read(0, 4096):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                loop.call_soon_threadsafe(obey, line.decode("utf-8", "replace"))

    def guarded() -> None:
        try:
            read()
        except (OSError, RuntimeError):  # no stdin; or the loop has ended meanwhile
            return

    threading.Thread(target=guarded, name="stdin", daemon=True).start()
