"""The charging kernel without a broker: steps per second, and a whole day in virtual time. By CPU time of this process."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.modules.evse_manager import module as evse_manager
from evse_daemon.modules.evse_manager.events import Event, MeterSample
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.modules.evse_manager.step import next_deadline_s, step
from evse_daemon.mqtt.topics import carsim_command
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.bench.board import BenchBoard
from tests.bench.daemon import CONFIG
from tests.bench.event_to_command import with_bench_board
from tests.bench.report import Row, quantile
from tests.support.fakes import FakeMqtt
from tests.support.virtual_station import VirtualStation

ROUNDS = 7
STEPS_A_ROUND = 10_000
STEPS_AIM_PER_S = 20_000

SESSIONS = 20
HOUR_S = 3600.0
DAY_AIM_S = 10.0

RUN_01 = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"
"""What golden run 01 was driven with, 5 s after the start; it ends 34 s after it."""


class _Step(NamedTuple):
    config: KernelConfig
    state: State
    event: Event
    now_s: float
    utc: str
    fresh_id: str

    @property
    def changes(self) -> bool:
        state, effects = step(*self)
        return state != self.state or bool(effects.board or effects.journal)


def rows() -> Iterator[Row]:
    yield from _steps()
    yield _day()


def _steps() -> Iterator[Row]:
    mix = _run_01()
    changing = [one for one in mix if one.changes]
    idle = [one for one in mix if not one.changes]
    meter = sum(isinstance(one.event, MeterSample) for one in mix)
    yield Row(
        "kernel steps",
        _per_second(changing),
        "/s",
        STEPS_AIM_PER_S,
        at_least=True,
        note=f"run 01's events: {len(mix)}, of them {meter} meter values; with the next deadline each",
    )
    if idle:
        yield Row("kernel steps that change nothing", _per_second(idle), "/s", note=f"{len(idle)} of run 01")


def _run_01() -> list[_Step]:
    """Every step of the kernel in run 01."""
    found: list[_Step] = []

    def recorded(*arguments: Any) -> Any:
        found.append(_Step(*arguments))
        return step(*arguments)

    with mock.patch.object(evse_manager, "step", recorded):
        station = VirtualStation(load(CONFIG, {}))
        station.begin()
        station.advance(5)
        station.send(carsim_command(1, "execute_charging_session"), RUN_01)
        station.advance(29)
    return found


def _per_second(steps: Sequence[_Step]) -> float:
    """The median of some rounds."""
    found = []
    repeats = max(1, STEPS_A_ROUND // len(steps))
    for _ in range(ROUNDS):
        begin_s = time.process_time()
        for _ in range(repeats):
            for one in steps:
                state, _ = step(*one)
                next_deadline_s(one.config, state)
        found.append(repeats * len(steps) / (time.process_time() - begin_s))
    return quantile(found, 0.5)


class _Counter:
    """Counts sessions and kernel events as they pass the bus."""

    def __init__(self) -> None:
        self.sessions = 0
        self.energy_wh = 0.0
        self.vars = 0

    def var_published(self, _source: Implementation[Any], var: Any, value: Any) -> None:
        self.vars += 1
        if var.name == "session_event" and value.event == "TransactionStarted":
            self.energy_wh -= value.transaction_started.meter_value.energy_Wh_import.total
        elif var.name == "session_event" and value.event == "TransactionFinished":
            self.sessions += 1
            self.energy_wh += value.transaction_finished.meter_value.energy_Wh_import.total

    def call_made(self, _call: Any) -> None:
        pass

    def call_finished(self, _call: Any) -> None:
        pass

    def error_changed(self, _source: Implementation[Any], error: Any) -> None:
        raise AssertionError(f"{error.type}: {error.message}")


def _day() -> Row:
    counter = _Counter()
    clock = VirtualClock(dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
    config = with_bench_board(load(CONFIG, {}), "ev_manager", "api")
    station = Station(config, clock, MemoryJournal(), lambda _: None)
    station.build(FakeMqtt())
    station.bus.taps.append(counter)
    board = station.modules["yeti_driver"]
    assert isinstance(board, BenchBoard)

    def advance(seconds: float) -> None:
        clock.advance(seconds, station.bus.settle)

    begin_s, began_cpu_s = time.perf_counter(), time.process_time()
    station.begin()
    for _ in range(SESSIONS):
        for event, stays_s in (("A", 600.0), ("B", 60.0), ("C", 45 * 60.0), ("B", 16 * 60.0)):
            board.signal(event)  # type: ignore[arg-type]
            advance(stays_s)
    board.signal("A")
    advance(24 * HOUR_S - clock.now_s())
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - begin_s
    assert counter.sessions == SESSIONS, f"{counter.sessions} sessions"
    return Row(
        f"a day with {SESSIONS} sessions",
        cpu_s,
        "s",
        DAY_AIM_S,
        note=f"24 h in virtual time, meter and energy at 1 Hz; {counter.energy_wh / 1000:.0f} kWh, {counter.vars:,} variables; wall {wall_s:.1f} s",
    )
