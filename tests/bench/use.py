"""What an hour of charging takes in memory, and whether another one takes more: the simulated car charges without end.

The station is that of `evse-daemon run`, with its journal on disk, many times as fast; it is a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import yaml

from evse_daemon.config import load
from evse_daemon.framework import log as logging_setup
from evse_daemon.process.run_station import run_station
from evse_daemon.store import SqliteJournal
from tests.bench.daemon import CONFIG
from tests.bench.report import Row
from tests.support.brokers import Mosquitto

SPEED = 30
HOUR_S = 3600 / SPEED
SESSION = "sleep 3;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug;sleep 5"

PSS_AIM_MB = 60.0
GROWTH_AIM_MB = 1.0


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    state = folder / "use"
    state.mkdir()
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    document["settings"] = {"mqtt_broker_host": broker.host, "mqtt_broker_port": broker.port}
    document["active_modules"]["ev_manager"].setdefault("config_module", {}).update(
        auto_enable=True, auto_exec=True, auto_exec_infinite=True, auto_exec_commands=SESSION
    )
    (state / "config.yaml").write_text(yaml.safe_dump(document), "utf-8")
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.use", str(state)], stdin=subprocess.DEVNULL)
    try:
        process = psutil.Process(child.pid)
        time.sleep(HOUR_S)
        hour = process.memory_full_info()
        time.sleep(HOUR_S)
        later = process.memory_full_info()
    finally:
        child.terminate()
        child.wait(20)
    with sqlite3.connect(state / "journal.db") as journal:
        (records,) = journal.execute("SELECT count(*) FROM record").fetchone()
    yield Row(
        "PSS after an hour of use",
        hour.pss / 2**20,
        "MB",
        PSS_AIM_MB,
        note=f"simulated, {SPEED} times as fast; {records} records of sessions in two hours",
    )
    # Private memory: of what is shared a part counts that depends on who else runs.
    yield Row(
        "growth in the hour after that",
        (later.uss - hour.uss) / 2**20,
        "MB",
        GROWTH_AIM_MB,
        note="private; caches of libraries fill until about then",
    )


async def _run(state: Path) -> None:
    config = load(state / "config.yaml", os.environ)
    config = replace(config, daemon=config.daemon.model_copy(update={"state_dir": state}))
    journal = SqliteJournal(state / "journal.db", asyncio.get_running_loop())
    try:
        await run_station(config, config.broker(), journal, speed=SPEED)
    finally:
        journal.close()


if __name__ == "__main__":
    writer = logging_setup.configure("warning", "console")
    try:
        asyncio.run(_run(Path(sys.argv[1])))
    finally:
        writer.close()
