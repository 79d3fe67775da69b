"""From a control-pilot event entering the board interface to the power-off command leaving it.

Bus, modules, event loop, gateway, broker and store are the real ones, in this process; only the board is the bench's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evse_daemon.config import RunConfig, load
from evse_daemon.process.run_station import run_station
from evse_daemon.station import Station
from evse_daemon.store import SqliteJournal
from tests.bench.board import BenchBoard
from tests.bench.daemon import CONFIG
from tests.bench.report import Row, quantile
from tests.support.brokers import Mosquitto

SAMPLES = 600
CHARGES_S = (0.005, 0.03)
WITHIN_S = 10.0
AIM_MS = 0.2


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    took_ms = asyncio.run(_measure(broker, folder))
    yield Row(
        "control pilot event to power-off command",
        quantile(took_ms, 0.5),
        "ms",
        AIM_MS,
        note=f"p99 {quantile(took_ms, 0.99):.2f}, worst {max(took_ms):.2f}; {len(took_ms)} times C → B "
        "in a session, with the gateway on a broker",
    )


def with_bench_board(config: RunConfig, *without: str) -> RunConfig:
    """The simulator's configuration with the bench's board, and without some modules."""
    modules = {
        module_id: dataclasses.replace(entry, cls=BenchBoard)
        if entry.cls.__name__ == "YetiSimulator"
        else entry
        for module_id, entry in config.modules.items()
        if module_id not in without
    }
    return dataclasses.replace(config, modules=modules)


async def _measure(broker: Mosquitto, folder: Path) -> list[float]:
    config = with_bench_board(load(CONFIG, {"EV_MQTT_EVEREST_PREFIX": "bench_event"}))
    journal = SqliteJournal(folder / "journal.db", asyncio.get_running_loop())
    stations: list[Station] = []
    tasks: list[asyncio.Task[list[float]]] = []

    def remember(station: Station) -> list[Any]:
        stations.append(station)
        return []

    async def started() -> None:
        tasks.append(asyncio.create_task(_drive(stations[0])))

    try:
        await run_station(config, broker.settings, journal, taps=remember, started=started)
    finally:
        journal.close()
    return await tasks[0]


async def _drive(station: Station) -> list[float]:
    try:
        async with asyncio.timeout(120):
            board = station.modules["yeti_driver"]
            assert isinstance(board, BenchBoard)
            return await _samples(board)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # ends run_station as a user would


async def _samples(board: BenchBoard) -> list[float]:
    commanded = asyncio.Event()
    board.commanded = commanded.set

    async def power(*, on: bool) -> None:
        async with asyncio.timeout(WITHIN_S):
            while board.power_commanded is not on:
                commanded.clear()
                await commanded.wait()

    await asyncio.sleep(1)
    board.signal("A")
    await asyncio.sleep(1)
    board.signal("B")
    await asyncio.sleep(2)  # the token is provided and validated
    loop = asyncio.get_running_loop()
    took_ms = []
    for _ in range(SAMPLES):
        board.signal("C")
        await power(on=True)
        # Anywhere between the periodic work of the station: a car does not ask what goes on. Until then the
        # processor sleeps, as it does in a charger, and wakes with cold caches: that is part of what it takes.
        loop.call_later(random.uniform(*CHARGES_S), board.signal, "B")
        await power(on=False)
        took_ms.append((board.commanded_ns - board.signalled_ns) / 1e6)
        await asyncio.sleep(0.005)
    return took_ms
