"""A station of two EVSEs in virtual time: what fails stays where it is, and every way out makes the outputs safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from evse_daemon import station
from evse_daemon.config import load_text
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.module import FAILURES
from evse_daemon.modules.evse_manager import module as evse_manager
from evse_daemon.modules.evse_manager.step import step
from evse_daemon.mqtt.topics import carsim_command
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from simulators.yeti_simulator.module import TICK_S, YetiSimulator
from tests.support.fakes import FakeMqtt
from tests.support.recorder import Entry, Recorder
from tests.support.waiting import run

EVSE = """
  evse_{n}:
    module: EvseManager
    mapping: {{module: {{evse: {n}}}}}
    config_module: {{connector_id: {n}, evse_id: "DE*PNX*E{n}"}}
    connections:
      bsp: [{{module_id: board_{n}, implementation_id: board_support}}]
      powermeter_grid_side: [{{module_id: board_{n}, implementation_id: powermeter}}]
  board_{n}:
    module: YetiSimulator
    config_module: {{connector_id: {n}}}
  car_{n}:
    module: EvManager
    config_module: {{connector_id: {n}, auto_enable: true}}
    connections:
      ev_board_support: [{{module_id: board_{n}, implementation_id: ev_board_support}}]
  token_{n}:
    module: DummyTokenProvider
    config_implementation: {{main: {{token: TOKEN_{n}, connector_id: {n}}}}}
    connections:
      evse: [{{module_id: evse_{n}, implementation_id: evse}}]
"""

STATION = """
active_modules:
  validator:
    module: DummyTokenValidator
    config_implementation: {main: {sleep: 0.25}}
  auth:
    module: Auth
    config_module: {connection_timeout: 30, selection_algorithm: FindFirst}
    connections:
      token_provider:
        - {module_id: token_1, implementation_id: main}
        - {module_id: token_2, implementation_id: main}
      token_validator: [{module_id: validator, implementation_id: main}]
      evse_manager:
        - {module_id: evse_1, implementation_id: evse}
        - {module_id: evse_2, implementation_id: evse}
  energy_manager:
    module: EnergyManager
    connections:
      energy_trunk: [{module_id: grid, implementation_id: energy_grid}]
  grid:
    module: EnergyNode
    config_module: {fuse_limit_A: 63, phase_count: 3}
    connections:
      energy_consumer:
        - {module_id: evse_1, implementation_id: energy_grid}
        - {module_id: evse_2, implementation_id: energy_grid}
"""

CONFIG = load_text(STATION + EVSE.format(n=1) + EVSE.format(n=2))
SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 36000;unplug"


class World:
    """Two EVSEs, each with a board and a car, in virtual time."""

    def __init__(self, schedule: Callable[[Callable[[], None]], Any] = lambda _: None) -> None:
        self.clock = VirtualClock()
        self.mqtt = FakeMqtt()
        self.seen = Recorder(self.clock)
        self.station = Station(CONFIG, self.clock, MemoryJournal(), schedule)
        self.station.build(self.mqtt)
        self.station.bus.taps.append(self.seen)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds, self.station.bus.settle)

    def charge(self) -> None:
        """Both cars come and charge."""
        for number in (1, 2):
            self.mqtt.send(carsim_command(number, "execute_charging_session"), SESSION)
        self.advance(20)
        assert self.charges(1)
        assert self.charges(2)

    def power(self, number: int) -> list[bool]:
        """What was commanded to a board's contactor, up to this moment."""
        self.station.bus._show_all()
        calls = self.seen.select("call", f"board_{number}", "board_support", "allow_power_on")
        return [call.value["value"].allow_power_on for call in calls]

    def charges(self, number: int) -> bool:
        """Whether energy flows now."""
        before = self.energy_wh(number)
        self.advance(2)
        return self.energy_wh(number) > before

    def energy_wh(self, number: int) -> float:
        reading = self.seen.select("var", f"board_{number}", "powermeter", "powermeter")[-1].value
        return float(reading.energy_Wh_import.total)

    def events(self, number: int) -> list[str]:
        return [
            entry.value.event for entry in self.seen.select("var", f"evse_{number}", "evse", "session_event")
        ]

    def errors(self, number: int) -> set[str]:
        """The active errors of an EVSE."""
        active: set[str] = set()
        for entry in self.seen.select("error", f"evse_{number}"):
            (active.add if entry.value.active else active.discard)(entry.name)
        return active


@pytest.fixture
def world() -> World:
    return begun()


def begun() -> World:
    """Both EVSEs charge."""
    world = World()
    world.station.begin()
    world.advance(2)
    world.charge()
    return world


INTERNAL = {"evse_manager/Internal", "evse_manager/Inoperative"}


class Planted:
    """A fault in the kernel of one EVSE, which is there when it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module_id: str) -> None:
        self.is_set = False

        def faulty(config: Any, *arguments: Any) -> Any:
            if self.is_set and config.module_id == module_id:
                self.is_set = False
                raise ZeroDivisionError("planted")
            return step(config, *arguments)

        monkeypatch.setattr(evse_manager, "step", faulty)


def fail_once(world: World, planted: Planted) -> float:
    """Lets the kernel of EVSE 1 fail at the next event; when it did."""
    planted.is_set = True
    while planted.is_set:
        world.advance(0.05)
    return world.clock.now_s()


def test_a_kernel_that_fails_is_powered_off_in_the_same_step_and_the_other_charges_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Planted(monkeypatch, "evse_1")
    others_power = world.power(2)
    world.seen.clear()
    fail_once(world, planted)
    (off,) = world.seen.select("call", "board_1", "board_support", "allow_power_on")
    assert off.value["value"].allow_power_on is False
    (x1,) = world.seen.select("call", "board_1", "board_support", "cp_state_X1")
    raised = world.seen.select("error", "evse_1", "evse")
    assert {entry.name for entry in raised} == INTERNAL
    assert {entry.at_s for entry in raised} == {off.at_s} == {x1.at_s}
    assert "planted" in next(entry.value.message for entry in raised if entry.name == "evse_manager/Internal")
    assert world.charges(2)
    assert world.power(2) == []
    assert others_power[-1] is True
    assert world.events(2) == []
    assert world.errors(2) == set()


def test_power_is_switched_off_before_anything_is_written_of_the_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output that takes its time does not delay it."""
    order: list[str] = []
    evse = world.station.modules["evse_1"]
    make_safe = evse.make_safe

    class Log:
        def error(self, *_: Any, **__: Any) -> None:
            order.append("log")

    def safe() -> None:
        order.append("power off")
        make_safe()

    monkeypatch.setattr(station, "log", Log())
    monkeypatch.setattr(evse, "make_safe", safe)
    fail_once(world, Planted(monkeypatch, "evse_1"))
    assert order == ["power off", "log"]


def test_it_recovers_as_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(monkeypatch, "evse_1")
    session = world.seen.select("var", "evse_1", "evse", "session_event")[-1].value.uuid
    world.seen.clear()
    fail_once(world, planted)
    assert not world.charges(1)
    world.advance(30)
    assert world.errors(1) == set()
    entries = world.seen.select("var", "evse_1", "evse", "session_event")
    events = [entry.value for entry in entries]
    assert [event.event for event in events[:3]] == [
        "SessionResumed",
        "TransactionFinished",
        "SessionFinished",
    ]
    assert {event.uuid for event in events[:3]} == {session}
    assert events[1].transaction_finished is not None
    assert events[1].transaction_finished.reason == "PowerLoss"
    # The car is there still: a new session begins.
    new = [event for event in events[3:] if event.event == "SessionStarted"]
    assert len(new) == 1
    assert new[0].uuid != session


def test_three_times_at_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(monkeypatch, "evse_1")
    for _ in range(evse_manager.RESTARTS):
        fail_once(world, planted)
        assert world.errors(1) >= INTERNAL
        world.advance(10)
        assert world.errors(1) == set()
    fail_once(world, planted)
    world.seen.clear()
    world.advance(30)
    world.mqtt.send(carsim_command(1, "modify_charging_session"), "unplug;sleep 5")
    world.advance(10)
    world.mqtt.send(carsim_command(1, "execute_charging_session"), SESSION)
    world.advance(30)
    assert True not in world.power(1)
    assert world.seen.select("error", "evse_1") == []  # they stay raised
    assert world.charges(2)
    assert world.events(2) == []


def test_a_driver_that_fails_for_good_stops_its_evse_as_a_communication_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = ""
    tick = YetiSimulator.tick

    def faulty(self: YetiSimulator) -> None:
        if self.module_id == broken:
            raise OSError("planted")
        tick(self)

    monkeypatch.setattr(YetiSimulator, "tick", faulty)
    world = begun()
    world.seen.clear()
    broken = "board_1"
    world.advance(TICK_S * (FAILURES + 1))
    assert world.power(1)
    assert True not in world.power(1)
    assert "evse_manager/Inoperative" in world.errors(1)
    raised = [entry.value for entry in world.seen.select("error", "evse_1") if entry.value.active]
    assert (raised[0].type, raised[0].message) == (
        "evse_manager/Inoperative",
        "evse_board_support/CommunicationFault",
    )
    world.advance(5)
    assert "StoppingCharging" in world.events(1)
    assert all(found.lost for found in world.station.modules["board_1"].implementations.values())
    assert world.charges(2)
    assert world.events(2) == []


def outputs(entries: list[Entry]) -> list[tuple[str, str, Any]]:
    """The commands to the boards: which, what, and whether it switches on."""
    return [
        (
            entry.module_id,
            entry.name,
            entry.value["value"].allow_power_on if entry.name == "allow_power_on" else None,
        )
        for entry in entries
        if entry.kind == "call"
    ]


def before_anything_else(entries: list[Entry]) -> list[tuple[str, str, Any]]:
    """The commands to the boards that come first, but for a simulated board that opens its contactor by itself."""
    first = []
    for entry in entries:
        if entry.kind == "call":
            first.append(entry)
        elif (entry.name, getattr(entry.value, "event", None)) != ("event", "PowerOff"):
            break
    return outputs(first)


SAFE = [
    ("board_1", "allow_power_on", False),
    ("board_1", "cp_state_X1", None),
    ("board_2", "allow_power_on", False),
    ("board_2", "cp_state_X1", None),
]


async def supervised(end: Callable[[asyncio.Event, asyncio.Task[None]], None], world: World) -> list[Entry]:
    """Runs a charging station until ``end`` ends it at once; everything that crossed the bus from then on."""
    until = asyncio.Event()
    task = asyncio.create_task(world.station.supervise(until, at_once=until))
    await asyncio.sleep(0)
    world.advance(2)
    world.charge()
    world.seen.clear()
    end(until, task)
    await asyncio.wait({task}, timeout=5)
    assert task.done()
    return world.seen.entries


@pytest.mark.parametrize("how", ["told to end at once", "cancelled"])
def test_the_end_commands_power_off_and_x1_before_anything_else(how: str) -> None:
    async def scenario() -> None:
        world = World(asyncio.get_running_loop().call_soon)

        def end(until: asyncio.Event, station: asyncio.Task[None]) -> None:
            if how == "told to end at once":
                until.set()
            else:
                station.cancel()

        entries = await supervised(end, world)
        assert before_anything_else(entries) == SAFE
        # Until the process is gone, nothing can happen that switches anything on.
        world.advance(60)
        assert [command for command in outputs(entries) if command not in SAFE] == []
        assert len(entries) == len(world.seen.entries)

    run(scenario())


def test_an_evse_that_cannot_be_made_safe_does_not_keep_the_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        world = World(asyncio.get_running_loop().call_soon)

        def faulty() -> None:
            raise ZeroDivisionError("planted")

        monkeypatch.setattr(world.station.modules["evse_1"], "make_safe", faulty)
        entries = await supervised(lambda until, _: until.set(), world)
        assert before_anything_else(entries) == SAFE[2:]

    run(scenario())


def test_a_task_that_fails_fails_its_module_and_nothing_else() -> None:
    async def scenario() -> None:
        world = World(asyncio.get_running_loop().call_soon)

        async def broken() -> None:
            raise OSError("planted")

        def end(until: asyncio.Event, _station: asyncio.Task[None]) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(FAILURES + 1):
                world.station.modules["board_1"].spawn("broken", broken())
            loop.call_later(0.05, until.set)

        entries = await supervised(end, world)
        first = outputs(entries)
        assert first[0] == SAFE[0]
        assert world.station.modules["board_1"].implementations["board_support"].lost
        assert not world.station.modules["board_2"].implementations["board_support"].lost

    run(scenario())
