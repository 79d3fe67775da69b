"""What is counted of what the modules say to each other: a tap of the bus, there only where metrics are on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from evse_daemon import metric_names as names
from evse_daemon.framework.bus import Bus, Implementation
from evse_daemon.framework.calls import Call, CallError
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.framework.measures import Measure
from evse_daemon.interfaces.auth import Auth
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.api.session_info import SessionInfo, after_event, after_reading
from evse_daemon.types.authorization import TokenValidationStatus, TokenValidationStatusMessage
from evse_daemon.types.evse_board_support import Telemetry
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import Powermeter

STALE_S = 10.0
"""A reading that is older says nothing of now: its power, currents and voltages are shown no more."""

CYCLES = 2
LONGEST_CYCLE_S = 60.0
"""A meter that is read seldom is given twice the time between its last two readings, at most twice this."""

JOULES_PER_WH = 3600.0

STATUSES: tuple[str, ...] = get_args(TokenValidationStatus)


@dataclass(slots=True)
class Heard:
    """The newest of what is told again and again, and when it came, by the control clock."""

    value: Any
    at_s: float
    interval_s: float = 0.0

    def renewed(self, value: Any, now_s: float) -> Heard:
        return Heard(value, now_s, now_s - self.at_s)

    def fresh(self, now_s: float) -> bool:
        return now_s - self.at_s <= max(STALE_S, CYCLES * min(self.interval_s, LONGEST_CYCLE_S))


class BusTap:
    """Counts events and errors, and remembers when readings came. See framework.bus.Tap.

    Args:
        bus: whose tap it is.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: Counter[tuple[str, str]] = Counter()
        self._ends: Counter[tuple[str, str]] = Counter()
        self._sessions: dict[str, SessionInfo] = {}
        self._readings: dict[str, Heard] = {}
        self._temperatures: dict[str, Heard] = {}
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._raised: Counter[tuple[str, str, str]] = Counter()
        self._failed_calls: Counter[tuple[str, str]] = Counter()

    # Tap of the bus

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if source.interface is EvseManager:
            match var.name:
                case "session_event":
                    self._session_event(source.module_id, value)
                case "powermeter":
                    self._reading(source.module_id, value)
                case "telemetry":
                    self._telemetry(source.module_id, value)
        elif source.interface is Auth and isinstance(value, TokenValidationStatusMessage):
            self._tokens[source.module_id, value.status] += 1

    def call_made(self, call: Call[Any]) -> None:
        """Nothing is counted of it: it may go well."""

    def call_finished(self, call: Call[Any]) -> None:
        if isinstance(call.outcome, CallError):
            self._failed_calls[call.target.module_id, call.outcome.type] += 1

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        if error.active:
            self._raised[source.module_id, error.type, error.severity] += 1

    def _session_event(self, evse: str, event: SessionEvent) -> None:
        now_s = self._bus.clock.now_s()
        self._events[evse, event.event] += 1
        if event.transaction_finished is not None:
            self._ends[evse, event.transaction_finished.reason or "Other"] += 1
        self._sessions[evse] = after_event(self._sessions.get(evse, SessionInfo()), event, now_s)

    def _reading(self, evse: str, reading: Powermeter) -> None:
        now_s = self._bus.clock.now_s()
        self._sessions[evse] = after_reading(self._sessions.get(evse, SessionInfo()), reading)
        before = self._readings.get(evse)
        if before is None:
            self._readings[evse] = Heard(reading, now_s)
        elif before.value.timestamp != reading.timestamp:  # the same again is nothing new
            self._readings[evse] = before.renewed(reading, now_s)

    def _telemetry(self, evse: str, telemetry: Telemetry) -> None:
        self._temperatures[evse] = Heard(telemetry.evse_temperature_C, self._bus.clock.now_s())

    # What it tells

    def parts(self) -> Iterator[Callable[[], Iterable[Measure]]]:
        """What it tells, each EVSE for itself: there may be many."""
        for source in [*self._bus.implementations.values()]:
            if source.interface is EvseManager:
                yield partial(self._of_evse, source)
            elif source.interface is Auth:
                yield partial(self._of_auth, source.module_id)
        yield self._errors
        yield self._calls

    def _of_evse(self, source: Implementation[Any]) -> Iterator[Measure]:
        evse, now_s = source.module_id, self._bus.clock.now_s()
        if source.lost:
            yield names.STATE.of(1, evse, "Failed")
        yield names.SESSIONS_STARTED.of(self._events[evse, "SessionStarted"], evse)
        yield names.SESSIONS_FINISHED.of(self._events[evse, "SessionFinished"], evse)
        yield names.TRANSACTIONS_STARTED.of(self._events[evse, "TransactionStarted"], evse)
        for (ended, reason), count in self._ends.items():
            if ended == evse:
                yield names.TRANSACTIONS_FINISHED.of(count, evse, reason)
        counted = self._sessions[evse].charged if evse in self._sessions else None
        if counted is not None:
            joules = (counted.end_wh - counted.start_wh) * JOULES_PER_WH
            yield names.SESSION_ENERGY.of(joules, evse)
        if (heard := self._readings.get(evse)) is not None:
            # By the clock of now: it may have been wrong when the reading came.
            at_s = self._bus.clock.utc().timestamp() - (now_s - heard.at_s)
            yield names.METER_READ.of(at_s, evse)
            yield names.ENERGY.of(heard.value.energy_Wh_import.total * JOULES_PER_WH, evse)
            if heard.fresh(now_s) and not source.lost:
                yield from _live(evse, heard.value)
        if (heard := self._temperatures.get(evse)) is not None and heard.fresh(now_s) and not source.lost:
            yield names.TEMPERATURE.of(heard.value, evse)

    def _of_auth(self, module_id: str) -> Iterator[Measure]:
        for status in STATUSES:
            yield names.AUTHORIZATIONS.of(self._tokens[module_id, status], module_id, status)

    def _calls(self) -> Iterator[Measure]:
        for (module_id, error), count in self._failed_calls.items():
            yield names.CALLS_FAILED.of(count, module_id, error)

    def _errors(self) -> Iterator[Measure]:
        active: Counter[tuple[str, str, str]] = Counter(
            (source.module_id, error.type, error.severity)
            for source in self._bus.implementations.values()
            for error in source.errors.active
        )
        for key in sorted({*active, *self._raised}):
            yield names.ERRORS_ACTIVE.of(active[key], *key)
        for key, count in self._raised.items():
            yield names.ERRORS_RAISED.of(count, *key)


def _live(evse: str, reading: Powermeter) -> Iterator[Measure]:
    if reading.power_W is not None:
        yield names.POWER.of(reading.power_W.total, evse)
    for metric, values in (
        (names.PHASE_POWER, reading.power_W),
        (names.PHASE_CURRENT, reading.current_A),
        (names.PHASE_VOLTAGE, reading.voltage_V),
    ):
        if values is None:
            continue
        for phase in ("L1", "L2", "L3", "N", "DC"):
            value = getattr(values, phase, None)
            if value is not None:
                yield metric.of(value, evse, phase)
