"""What an hour of charging takes in memory, and whether another one takes more: the simulator's demo, many times as fast."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.bench.report import Row
from tests.support.brokers import Mosquitto

SPEED = 30
HOUR_S = 3600 / SPEED

PSS_AIM_MB = 60.0
GROWTH_AIM_MB = 1.0


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    program = Path(sys.executable).with_name("evse-daemon")
    command = [
        str(program),
        "simulate",
        "--demo",
        "--speed",
        str(SPEED),
        "--broker",
        f"127.0.0.1:{broker.port}",
    ]
    shown = folder / "shown"
    with shown.open("w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        process = psutil.Process(child.pid)
        time.sleep(HOUR_S)
        hour = process.memory_full_info()
        time.sleep(HOUR_S)
        later = process.memory_full_info()
    finally:
        child.terminate()
        child.wait(20)
    sessions = shown.read_text("utf-8").count("SessionFinished")
    yield Row(
        "PSS after an hour of use",
        hour.pss / 2**20,
        "MB",
        PSS_AIM_MB,
        note=f"simulated, {SPEED} times as fast; {sessions} sessions in two hours",
    )
    # Private memory: of what is shared a part counts that depends on who else runs.
    yield Row(
        "growth in the hour after that",
        (later.uss - hour.uss) / 2**20,
        "MB",
        GROWTH_AIM_MB,
        note="private; caches of libraries fill until about then",
    )
