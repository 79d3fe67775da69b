"""From a frame of the board to the frame that answers it, through the whole daemon over a pseudo-terminal.

The daemon is the real process with YetiDriver, store and gateway on a broker; only the board is the bench's, a blocking
loop at the master of the pseudo-terminal. The time is taken there: from the last byte of ``cp_state B`` written to the
last byte of ``allow_power_on false`` read.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import yaml

from drivers.link.framing import FrameDecoder, encode_frame
from simulators.yeti_firmware import codec
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpState,
    CpVoltages,
    FromHost,
    HasReset,
    Metered,
    RelayIs,
    ResetBoard,
    ResetReason,
    ToHost,
    Version,
)
from tests.bench.daemon import CONFIG, Daemon
from tests.bench.report import Row, quantile
from tests.support.brokers import Mosquitto

SAMPLES = 400
CHARGES_S = (0.05, 0.15)
P50_AIM_MS, P99_AIM_MS, CPU_AIM_PERCENT = 2.0, 10.0, 2.0

FRAMES_PER_S = 20
IDLE_S = 20.0
WITHIN_S = 10.0

IDLE = Metered(
    voltage_v=(230.0, 230.0, 230.0),
    current_a=(0.0, 0.0, 0.0),
    neutral_a=0.0,
    energy_wh=(1.0, 1.0, 1.0),
    total_wh=3.0,
    temperature_c=(25.0, 25.0, 25.0),
    neutral_temperature_c=25.0,
    power_w=(0.0, 0.0, 0.0),
    frequency_hz=(50.0, 50.0, 50.0),
)
HIGH_V = {CpState.A: 12, CpState.B: 9, CpState.C: 6}


BARE = """
import os, sys
line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
while data := os.read(line, 4096):
    os.write(line, data)
"""
"""The least that a process can do between two frames."""


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    yield _bare()
    board = BlockingBoard()
    with Daemon(broker, folder, config=_with_driver(folder, board.path)) as daemon:
        board.run(lambda: board.running, WITHIN_S)
        took_ms = _samples(board)
        yield Row(
            "cp_state to power-off frame, p50",
            quantile(took_ms, 0.5),
            "ms",
            P50_AIM_MS,
            note=f"{len(took_ms)} times C → B in a session, over a pseudo-terminal",
        )
        yield Row(
            "cp_state to power-off frame, p99",
            quantile(took_ms, 0.99),
            "ms",
            P99_AIM_MS,
            note=f"worst {max(took_ms):.2f}",
        )
        board.say(CpIs(CpState.A))
        board.run(lambda: False, 3.0)
        process = psutil.Process(daemon.process.pid)
        begin_s, before = time.perf_counter(), process.cpu_times()
        board.run(lambda: False, IDLE_S)
        passed_s, after = time.perf_counter() - begin_s, process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    yield Row(
        f"idle with {FRAMES_PER_S} frames per second, of a core",
        100 * used_s / passed_s,
        "%",
        CPU_AIM_PERCENT,
        note=f"{passed_s:.0f} s, nothing plugged in; keep-alive, telemetry and meter, 5 readings per second on MQTT",
    )


def _bare() -> Row:
    """What the machine takes for two ways through a pseudo-terminal and a process that sleeps between."""
    board = BlockingBoard()
    frame = encode_frame(codec.encode(CpIs(CpState.B)))
    with subprocess.Popen([sys.executable, "-c", BARE, board.path]) as child:
        board.echo(frame)  # it is there
        took_ms = []
        for _ in range(SAMPLES):
            time.sleep(random.uniform(*CHARGES_S) / 4)
            begin_s = time.perf_counter()
            board.echo(frame)
            took_ms.append((time.perf_counter() - begin_s) * 1000)
        child.terminate()
    return Row(
        "for comparison: a frame and its echo, p50",
        quantile(took_ms, 0.5),
        "ms",
        note=f"p99 {quantile(took_ms, 0.99):.2f}; a bare process at the other end of the pseudo-terminal",
    )


def _with_driver(folder: Path, port: str) -> Path:
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    modules = document["active_modules"]
    del modules["ev_manager"]
    modules["yeti_driver"] |= {
        "module": "YetiDriver",
        "config_module": {"serial_port": port, "reset_gpio_chip": ""},
    }
    file = folder / "with_driver.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def _samples(board: BlockingBoard) -> list[float]:
    board.say(CpIs(CpState.B))
    board.run(lambda: False, 2.0)  # the token is provided and validated
    took_ms = []
    for _ in range(SAMPLES):
        board.say(CpIs(CpState.C))
        board.run(lambda: board.allowed, WITHIN_S)
        board.say(RelayIs(True))
        # Anywhere between the periodic work of the station, as in event_to_command.
        board.run(lambda: False, random.uniform(*CHARGES_S))
        begin_s = time.perf_counter()
        board.say(CpIs(CpState.B))
        board.run(lambda: not board.allowed, WITHIN_S)
        took_ms.append((board.read_s - begin_s) * 1000)
        board.say(RelayIs(False))
        board.run(lambda: False, 0.02)
    return took_ms


class BlockingBoard:
    """A Yeti that does at once what it is told, and says what it is told to beside its periodic messages."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.running = False
        """The host has had it start anew."""
        self.allowed = False
        self.read_s = 0.0
        """When bytes of the host came last: decoding them is the bench's own time."""
        self._decoder = FrameDecoder()
        self._state = CpState.A
        self._begin_s = self._next_s = time.perf_counter()
        self._count = 0

    def say(self, message: ToHost) -> None:
        if isinstance(message, CpIs):
            self._state = message.state
        os.write(self._master, encode_frame(codec.encode(message)))

    def echo(self, data: bytes) -> None:
        """Writes, and waits until as much has come back."""
        os.write(self._master, data)
        waiting = len(data)
        while waiting:
            waiting -= len(os.read(self._master, waiting))

    def run(self, until: Callable[[], bool], seconds: float) -> None:
        """Listens and sends until something is so, or the time is over."""
        end_s = time.perf_counter() + seconds
        while not until():
            now_s = time.perf_counter()
            if now_s >= end_s:
                return
            if now_s >= self._next_s:
                self._next_s = now_s + 1 / FRAMES_PER_S
                self._say_periodically(now_s)
            wait_s = max(0.0, min(self._next_s, end_s) - time.perf_counter())
            if select.select([self._master], [], [], wait_s)[0]:
                received = os.read(self._master, 4096)
                self.read_s = time.perf_counter()
                for data in self._decoder.feed(received):
                    self._obey(codec.decode(data))

    def _say_periodically(self, now_s: float) -> None:
        self._count += 1
        alive = BoardAlive(int((now_s - self._begin_s) * 1000), Version())
        voltages = CpVoltages(HIGH_V[self._state], 0)
        self.say((voltages, alive, IDLE, voltages)[self._count % 4])

    def _obey(self, command: FromHost | None) -> None:
        match command:
            case ResetBoard():
                self.running, self.allowed = True, False
                self._begin_s = time.perf_counter()
                self.say(HasReset(ResetReason.USER))
                self.say(CpIs(self._state))
            case AllowPowerOn(allowed):
                self.allowed = allowed
