"""What an hour of charging takes in memory: sessions of the simulator's demo, one after the other, at many times the speed."""

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
WARM_S = HOUR_S / 2
"""Half an hour: what is kept of sessions was kept a few times."""

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
        time.sleep(WARM_S)
        warm_mb = process.memory_full_info().pss / 2**20
        time.sleep(HOUR_S - WARM_S)
        after_mb = process.memory_full_info().pss / 2**20
    finally:
        child.terminate()
        child.wait(20)
    sessions = shown.read_text("utf-8").count("SessionFinished")
    yield Row(
        "PSS after an hour of use",
        after_mb,
        "MB",
        PSS_AIM_MB,
        note=f"{sessions} sessions of the simulator, {SPEED} times as fast",
    )
    yield Row(
        "growth in its second half",
        after_mb - warm_mb,
        "MB",
        GROWTH_AIM_MB,
        note=f"from {warm_mb:.1f} MB",
    )
