"""The daemon as the operating system sees it: how fast it is there, what it takes in memory and, idle, in CPU time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.bench.daemon import Daemon
from tests.bench.report import Row, quantile
from tests.support.brokers import Mosquitto

SPAWNS = 10
SETTLE_S = 4.0
IDLE_S = 20.0

READY_AIM_S = 0.5
PSS_AIM_MB = 60.0
IDLE_AIM_PERCENT = 1.0


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    yield from _start(broker, folder)
    yield from _idle(broker, folder)


def _start(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    with Daemon(broker, folder):
        """The first start compiles and fills the page cache; it does not count."""
    took_s, cpu_s = [], []
    for _ in range(SPAWNS):
        with Daemon(broker, folder) as daemon:
            used = psutil.Process(daemon.process.pid).cpu_times()
            took_s.append(daemon.ready_after_s)
            cpu_s.append(used.user + used.system)
    yield Row(
        "spawn to ready",
        quantile(took_s, 0.5),
        "s",
        READY_AIM_S,
        note=f"median of {SPAWNS}; best {min(took_s):.2f}, worst {max(took_s):.2f}; "
        f"CPU time {quantile(cpu_s, 0.5):.2f} s",
    )


def _idle(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    with Daemon(broker, folder) as daemon:
        process = psutil.Process(daemon.process.pid)
        time.sleep(SETTLE_S)
        begin_s, before = time.perf_counter(), process.cpu_times()
        time.sleep(IDLE_S)
        passed_s, after = time.perf_counter() - begin_s, process.cpu_times()
        memory = process.memory_full_info()
    user, system = after.user - before.user, after.system - before.system
    yield Row(
        "PSS",
        memory.pss / 2**20,
        "MB",
        PSS_AIM_MB,
        note=f"RSS {memory.rss / 2**20:.0f}, private {memory.uss / 2**20:.0f}",
    )
    yield Row(
        "idle, of a core",
        100 * (user + system) / passed_s,
        "%",
        IDLE_AIM_PERCENT,
        note=f"{passed_s:.0f} s, nothing plugged in, documented dialect; "
        f"user {100 * user / passed_s:.2f}, system {100 * system / passed_s:.2f}",
    )
