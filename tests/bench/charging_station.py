"""A process of its own: one daemon with many EVSEs, all of them charging; prints what that takes, as JSON.

    python -m tests.bench.charging_station EVSES DIALECT HOST PORT FOLDER

Kernel, energy management, bus, gateway, store and broker are the real ones; only the boards are the bench's, which
tell their meter once a second and simulate no car.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import yaml

from evse_daemon.config import load_text
from evse_daemon.framework import log as logging_setup
from evse_daemon.modules.energy_manager import module as energy_manager
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.process.run_station import run_station
from evse_daemon.station import Station
from evse_daemon.store import SqliteJournal
from tests.bench.board import BenchBoard
from tests.bench.event_to_command import with_bench_board

A_GROUP = 10
"""EVSEs behind one fuse; the fuse of the station carries 16 A for each EVSE."""

PLUGGED_S = 3.0
SETTLE_S = 15.0
MEASURE_S = 20.0


def configuration(evses: int, prefix: str, dialect: str) -> str:
    """A run configuration: groups of EVSEs behind fuses of their own, all behind one."""
    modules: dict[str, Any] = {}
    groups: list[dict[str, str]] = []
    for first in range(1, evses + 1, A_GROUP):
        numbers = range(first, min(first + A_GROUP, evses + 1))
        for number in numbers:
            modules[f"connector_{number}"] = {
                "module": "EvseManager",
                "mapping": {"module": {"evse": number}},
                "config_module": {"connector_id": number, "disable_authentication": True},
                "connections": {
                    "bsp": [{"module_id": f"board_{number}", "implementation_id": "board_support"}],
                    "powermeter_grid_side": [
                        {"module_id": f"board_{number}", "implementation_id": "powermeter"}
                    ],
                },
            }
            modules[f"board_{number}"] = {
                "module": "YetiSimulator",
                "mapping": {"module": {"evse": number}},
                "config_module": {"connector_id": number},
            }
        modules[f"group_{first}"] = {
            "module": "EnergyNode",
            "config_module": {"fuse_limit_A": 32 * A_GROUP},
            "connections": {
                "energy_consumer": [
                    {"module_id": f"connector_{number}", "implementation_id": "energy_grid"}
                    for number in numbers
                ]
            },
        }
        groups.append({"module_id": f"group_{first}", "implementation_id": "energy_grid"})
    modules["grid"] = {
        "module": "EnergyNode",
        "config_module": {"fuse_limit_A": 16 * evses},
        "connections": {"energy_consumer": groups},
    }
    modules["energy_manager"] = {
        "module": "EnergyManager",
        "connections": {"energy_trunk": [{"module_id": "grid", "implementation_id": "energy_grid"}]},
    }
    return yaml.safe_dump(
        {
            "active_modules": modules,
            "settings": {"mqtt_everest_prefix": prefix},
            "daemon": {"mqtt_dialect": dialect},
        }
    )


class Rounds:
    """Takes the CPU time of each round of the energy manager."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []

    def timed(self, round_: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(manager: Any) -> None:
            began_s = time.thread_time()
            round_(manager)
            self.took_ms.append(1000 * (time.thread_time() - began_s))

        return run


async def measure(evses: int, dialect: str, broker: BrokerSettings, folder: Path) -> dict[str, float]:
    config = with_bench_board(load_text(configuration(evses, f"bench_{evses}", dialect)))
    journal = SqliteJournal(folder / "journal.db", asyncio.get_running_loop())
    stations: list[Station] = []
    tasks: list[asyncio.Task[dict[str, float]]] = []
    rounds = Rounds()

    def remember(station: Station) -> list[Any]:
        stations.append(station)
        return []

    async def started() -> None:
        tasks.append(asyncio.create_task(_observe(stations[0], rounds)))

    timed = rounds.timed(energy_manager.EnergyManager._round)
    try:
        with mock.patch.object(energy_manager.EnergyManager, "_round", timed):
            await run_station(config, broker, journal, taps=remember, started=started)
    finally:
        journal.close()
    return await tasks[0]


async def _observe(station: Station, rounds: Rounds) -> dict[str, float]:
    boards = [module for module in station.modules.values() if isinstance(module, BenchBoard)]
    try:
        for event in ("A", "B", "C"):
            await asyncio.sleep(PLUGGED_S)
            for board in boards:
                board.signal(event)
        await asyncio.sleep(SETTLE_S)
        gc.collect()
        process = psutil.Process()
        changed_ms = max(
            rounds.took_ms[-int(SETTLE_S + PLUGGED_S) :]
        )  # when the last of them began to charge
        rounds.took_ms.clear()
        began_s, before = time.perf_counter(), process.cpu_times()
        await asyncio.sleep(MEASURE_S)
        passed_s, after = time.perf_counter() - began_s, process.cpu_times()
        took_ms = sorted(rounds.took_ms)
        return {
            "charging": sum(board.power_commanded for board in boards),
            "cpu_percent": 100 * (after.user + after.system - before.user - before.system) / passed_s,
            "pss_mb": process.memory_full_info().pss / 2**20,
            "rounds": len(took_ms),
            "round_ms": took_ms[len(took_ms) // 2],
            "worst_round_ms": took_ms[-1],
            "changed_round_ms": changed_ms,
        }
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # ends run_station as a user would


def main() -> None:
    evses, dialect, host, port, folder = sys.argv[1:]
    log = logging_setup.configure("error", "console")
    broker = BrokerSettings(host=host, port=int(port), keepalive_s=5, connect_timeout_s=3)
    try:
        found = asyncio.run(measure(int(evses), dialect, broker, Path(folder)))
    finally:
        log.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
