"""A whole simulated station in virtual time in the middle of a session, with a broker in memory that a client abuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

import simulators
from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.modules.auth.module import Auth
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.topics import Topics, carsim_command
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.mqtt.bench_station import FakeBroker, Sent

CONFIG = Path(simulators.__file__).with_name("config-sim.yaml")
LONG_SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 1000000"


class FuzzStation:
    """``send`` is what the client publishes; ``happened`` what came of it beside answers."""

    def __init__(self, dialect: DialectName) -> None:
        config = load(CONFIG, {})
        self.clock = VirtualClock()
        self.station = Station(config, self.clock, MemoryJournal(), lambda _: None)
        self.topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
        self.broker = FakeBroker()
        self.happened: list[str] = []
        """What crossed the bus, but for calls of the client and their results."""
        self._runner = asyncio.Runner()
        bus = self.station.bus
        self._gateway = Gateway(bus, self.topics, dialect, self.broker, now=self.clock.now_s)
        bus.taps.extend([self._gateway, self])
        self.station.build(self._gateway.external)
        for module_id, module in self.station.modules.items():
            self._gateway.module_created(module_id, type(module).__name__)
            self._gateway.module_ready(module_id)
        self._runner.run(self._gateway.start())
        self.station.begin()
        self.flush()
        self._gateway.all_ready()
        self.advance(10)
        self.broker.send(carsim_command(1, "execute_charging_session"), LONG_SESSION, 2)
        self.advance(30)
        assert self.charging(), "the station charges when the client begins"
        self.broker.sent.clear()

    @property
    def commands(self) -> dict[str, Implementation[Any]]:
        """The topic of each command, and who has it."""
        return {
            self.topics.command(found.module_id, found.implementation_id, name): found
            for found in self.station.bus.implementations.values()
            for name in found.interface.commands
        }

    @property
    def heard(self) -> list[str]:
        """The topics outside the tree on which modules take orders."""
        return [topic for topic, _ in self.broker.subscriptions if topic != self.topics.all_commands]

    def charging(self) -> bool:
        """Whether power flows in the session that was begun at the start, and every module lives."""
        evse = self.station.modules["evse_manager"]
        assert isinstance(evse, EvseManager)
        return (
            evse.state.charger == "Charging"
            and not self.station._failures
            and not any(found.lost for found in self.station.bus.implementations.values())
        )

    def decided(self) -> str:
        """The state of the modules that decide."""
        states = [
            module.state if isinstance(module, EvseManager) else module._state
            for module in self.station.modules.values()
            if isinstance(module, EvseManager | Auth)
        ]
        return repr(states)

    def send(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> list[Sent]:
        """The client publishes, and it is handled in no time; gives what the daemon has published."""
        self.happened.clear()
        self.broker.sent.clear()
        self.broker.send(topic, payload, qos, retain=retain)
        self.flush()
        return self.broker.sent

    def pass_time(self, seconds: float) -> None:
        """As advance, and what is published is forgotten."""
        self.advance(seconds)
        self.happened.clear()
        self.broker.sent.clear()

    def unplug(self) -> None:
        """The car leaves."""
        self.broker.send(carsim_command(1, "modify_charging_session"), "unplug", 2)
        self.pass_time(10)

    def flush(self) -> None:
        self.station.bus.settle()
        self._runner.run(self._sent())

    def close(self) -> None:
        self._runner.run(self._gateway.stop())
        self._runner.close()

    async def _sent(self) -> None:
        await asyncio.sleep(0)
        while self._gateway.waiting:  # noqa: ASYNC110 - the sender tells nobody when it has sent
            await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Time passes; what is published is kept."""
        self.clock.advance(seconds, self.station.bus.settle)
        self._runner.run(self._sent())

    # Tap of the bus

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        self.happened.append(f"{source.module_id} published {var!r}: {value!r}"[:200])

    def call_made(self, call: Call[Any]) -> None:
        if not call.external:
            self.happened.append(f"{call.origin} called {call.command!r}")

    def call_finished(self, call: Call[Any]) -> None:
        if not call.external:
            self.happened.append(f"{call.command!r} was answered to {call.origin}")

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        self.happened.append(f"{source.module_id}: {error.type} is {error.state}")


class LogLines:
    """Counts what is logged instead of writing it."""

    def __init__(self) -> None:
        self.lines = 0
        self.failures: list[str] = []
        """Errors of ours, where bad input is worth a warning at most."""

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        self.lines += 1
        if method in ("error", "exception", "critical") and len(self.failures) < 10:
            self.failures.append(json.dumps(event, default=repr)[:500])
        raise structlog.DropEvent

    @contextmanager
    def counted(self) -> Iterator[None]:
        processors = structlog.get_config()["processors"]
        before = processors.copy()
        try:
            processors[:] = [self]
            yield
        finally:
            processors[:] = before
