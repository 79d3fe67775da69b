"""A whole station in virtual time, recorded as a broker would have seen it, without a broker."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from evse_daemon.config.model import RunConfig
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call, CallError
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.mqtt.dialects import DIALECTS
from evse_daemon.mqtt.topics import Topics
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from tests.support.fakes import FakeMqtt

Row = dict[str, Any]


class RecordingMqtt(FakeMqtt):
    """External topics that keep what is published among the rows of a recording."""

    def __init__(self, record: Any) -> None:
        super().__init__()
        self._record = record

    def publish(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 0,
        retain: bool = False,
        latest: bool = False,
        volatile: bool = False,
    ) -> None:
        super().publish(topic, payload, qos=qos, retain=retain, latest=latest, volatile=volatile)
        self._record(topic, payload)


class _Station(Station):
    """A station without an event loop: a task of a module runs to the first place where it waits, and stays there."""

    def _spawn(self, module_id: str, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        coroutine.send(None)
        self.waiting = [*getattr(self, "waiting", ()), coroutine]


class VirtualStation:
    """Runs a configuration; ``rows`` is its recording in the format of ../shared/golden."""

    def __init__(self, config: RunConfig, journal: MemoryJournal | None = None) -> None:
        self.rows: list[Row] = []
        self.clock = VirtualClock(dt.datetime(2026, 11, 21, 8, 24, tzinfo=dt.UTC))
        self.mqtt = RecordingMqtt(self._record)
        self.journal = journal or MemoryJournal()
        self.station = _Station(config, self.clock, self.journal, lambda _: None)
        self._topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
        self._dialect = DIALECTS[config.daemon.mqtt_dialect]
        self.station.build(self.mqtt)
        self.station.bus.taps.append(self)

    def begin(self) -> None:
        self.station.begin()
        self.station.bus.settle()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds, self.station.bus.settle)

    def send(self, topic: str, payload: str) -> None:
        """A client publishes outside the module tree."""
        self._record(topic, payload)
        self.mqtt.send(topic, payload)
        self.station.bus.settle()

    def save(self, path: Path) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    def _record(self, topic: str, payload: Any) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.rows.append(
            {"t": self.clock.now_s(), "topic": topic, "qos": 2, "retain": False, "payload": text}
        )

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        topic = self._topics.var(source.module_id, source.implementation_id, var.name)
        self._record(topic, self._dialect.var(var.to_jsonable(value)))

    def call_made(self, call: Call[Any]) -> None:
        target = call.target
        topic = self._topics.command(target.module_id, target.implementation_id, call.command.name)
        arguments = call.command.arguments_to_jsonable(call.arguments)
        self._record(topic, self._dialect.command(call.id, call.origin, arguments))

    def call_finished(self, call: Call[Any]) -> None:
        target, outcome, name = call.target, call.outcome, call.command.name
        topic = self._topics.response(target.module_id, target.implementation_id, name, call.origin)
        if isinstance(outcome, CallError):
            answer = self._dialect.error_result(name, call.id, target.module_id, outcome)
        else:
            assert outcome is not None
            retval = call.command.result.dump_python(outcome[0], mode="json", exclude_none=True)
            answer = self._dialect.result(name, call.id, target.module_id, retval)
        self._record(topic, answer)

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        topic = self._topics.error(source.module_id, source.implementation_id, error.type)
        self._record(topic, self._dialect.error(error))
