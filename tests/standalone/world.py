"""A station with standalone modules in virtual time, over a broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from evse_daemon.config import RunConfig, load_text
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.topics import Topics
from evse_daemon.standalone.manager import StandaloneModules
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.foreign_module import ForeignModule
from tests.support.memory_broker import MemoryBroker, MemoryClient
from tests.support.waiting import run

CONFIG = Path(__file__).parents[2] / "config" / "config-sim.yaml"
STEP_S = 0.05

BOARD_COMMANDS = {
    "board_support": [
        "enable", "pwm_on", "cp_state_X1", "cp_state_F", "cp_state_E", "allow_power_on",
        "ac_switch_three_phases_while_charging", "ac_set_overcurrent_limit_A",
    ],
    "powermeter": ["start_transaction", "stop_transaction"],
    "rcd": ["self_test", "reset"],
    "connector_lock": ["lock", "unlock"],
}  # fmt: skip
VALIDATOR_COMMANDS = {"main": ["validate_token"]}


def config_text(
    *standalone: str, daemon: dict[str, Any] | None = None, change: Callable[[Any], None] | None = None
) -> str:
    """The configuration of the simulator without its car, where these modules are of other processes."""
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    modules = document["active_modules"]
    for name in ("ev_manager", "token_provider"):
        del modules[name]
    del modules["auth"]["connections"]["token_provider"][0]
    for name in standalone:
        modules[name]["standalone"] = True
    messages = {"mqtt_dialect": "everest", "config_messages": "ConfigurationRequest"}
    document["daemon"] = messages | (daemon or {})
    if change is not None:
        change(document)
    return yaml.safe_dump(document, sort_keys=False)


class Board(ForeignModule):
    """A board with a car that can be put into a state; it closes its contactor as IEC 61851-1 has it."""

    def __init__(self, generation: str = "ConfigurationRequest") -> None:
        super().__init__("yeti_driver", BOARD_COMMANDS, self._execute, generation)
        self.car_state = "A"
        self.measures = True
        self.allowed = False
        self.closed = False

    def _execute(self, _implementation: str, command: str, arguments: dict[str, Any]) -> Any:
        if command == "allow_power_on":
            self.allowed = arguments["value"]["allow_power_on"]
            self._switch()
        if command.endswith("_transaction"):
            return {"status": "NOT_SUPPORTED"}
        return True if command == "reset" else None

    def tick(self, now_s: float) -> None:
        """Time passes: it measures."""
        if self.silent or self.died or self.ready_seen == 0 or not self.measures:
            return
        reading = {"timestamp": f"2026-11-21T08:{int(now_s) // 60:02}:{now_s % 60:06.3f}Z", "meter_id": "m"}
        self.var("powermeter", "powermeter", reading | {"energy_Wh_import": {"total": 1000.0 + now_s}})

    def car(self, state: str) -> None:
        self.car_state = state
        self.var("board_support", "event", {"event": state})
        self._switch()

    def _switch(self) -> None:
        closed = self.allowed and self.car_state == "C"
        if closed != self.closed:
            self.closed = closed
            self.var("board_support", "event", {"event": "PowerOn" if closed else "PowerOff"})


class StandaloneWorld:
    """The daemon's side, and clients for the others."""

    def __init__(
        self, config: RunConfig, journal: MemoryJournal | None = None, broker: MemoryBroker | None = None
    ) -> None:
        self.broker = broker or MemoryBroker()
        self.clock = VirtualClock()
        self.journal = journal or MemoryJournal()
        self.station = Station(config, self.clock, self.journal, lambda _: None)
        self.bus = self.station.bus
        topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
        self.gateway = Gateway(
            self.bus, topics, config.daemon.mqtt_dialect, self.broker, now=self.clock.now_s
        )
        self.bus.taps.append(self.gateway)
        self.station.build(self.gateway.external)
        self.standalone = StandaloneModules(
            config, topics, self.station, self.journal, self.gateway.all_ready, self.station.begin
        )
        self.gateway.attach(self.standalone)

    async def start(self) -> None:
        await self.gateway.start()
        self.standalone.station_ready()
        await self.settle()

    def connect(self, module: ForeignModule) -> None:
        """A process begins."""
        module.client = MemoryClient(self.broker, module.hear)
        module.boot()

    def disconnect(self, module: ForeignModule) -> None:
        """A process ends."""
        assert isinstance(module.client, MemoryClient)
        module.client.close()

    async def settle(self) -> None:
        for _ in range(6):
            self.bus.settle()
            while self.broker.deliver():
                pass
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        end_s = self.clock.now_s() + seconds
        boards = [
            module
            for client in self.broker.clients
            if isinstance(module := getattr(client.hear, "__self__", None), Board)
        ]
        while self.clock.now_s() < end_s - 1e-9:
            self.clock.advance(min(STEP_S, end_s - self.clock.now_s()), self.bus.settle)
            if round(self.clock.now_s() / STEP_S) % round(1 / STEP_S) == 0:
                for board in boards:
                    board.tick(self.clock.now_s())
            for _ in range(2):
                await self.settle()

    async def stop(self) -> None:
        self.station.make_safe()
        self.gateway.begin_shutdown()
        await self.gateway.stop()
        while self.broker.deliver():
            pass

    def errors(self, module_id: str, implementation_id: str) -> list[str]:
        return [error.type for error in self.bus.implementations[module_id, implementation_id].errors.active]


def play(scenario: Callable[[StandaloneWorld], Awaitable[None]], config: str) -> None:
    """Runs a scenario in a station that has started."""

    async def whole() -> None:
        world = StandaloneWorld(load_text(config))
        await world.start()
        await scenario(world)
        await world.stop()

    run(whole())
