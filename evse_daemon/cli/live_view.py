"""What goes on in the charger, for a person at a terminal: a line for each event, and one every few seconds of charging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.framework.log import LineWriter
from evse_daemon.framework.redact import redacted
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.station import Station
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import Powermeter

STATES = {
    "Enabled": "available",
    "Disabled": "disabled",
    "SessionStarted": "preparing",
    "AuthRequired": "waiting for a card",
    "Authorized": "authorized",
    "PrepareCharging": "waiting for the car",
    "ChargingStarted": "charging",
    "ChargingPausedEV": "paused by the car",
    "ChargingPausedEVSE": "paused by the charger",
    "StoppingCharging": "stopping",
    "TransactionFinished": "finished",
    "SessionFinished": "available",
}
"""Session event → what the charger is doing since."""

POWER_IS_OFF = frozenset({"ChargingFinished", "TransactionFinished", "SessionFinished"})
"""Session events at which the contactor is open, whatever the meter has said last."""

EVERY_S = 10.0
"""Time between two lines while nothing but energy flows."""


@dataclass
class _Evse:
    state: str = "starting"
    current_a: float = 0.0
    power_w: float = 0.0
    energy_wh: float = 0.0
    start_wh: float | None = None
    told_s: float = 0.0


class LiveView:
    """Watches the bus of a station and prints."""

    def __init__(self, station: Station, out: LineWriter) -> None:
        self._bus = station.bus
        self._out = out
        self._evses: dict[str, _Evse] = {}
        self._several = (
            sum(entry.cls.__name__ == "EvseManager" for entry in station.config.modules.values()) > 1
        )
        self._head = False

    def close(self) -> None:
        """Says that it is over."""
        self._out.write("Ended; power is off.")

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseManager.session_event:
            self._event(source.module_id, value)
        elif var is EvseManager.powermeter:
            self._meter(source.module_id, value)

    def call_made(self, call: Call[Any]) -> None:
        """Calls are for mosquitto_sub."""

    def call_finished(self, call: Call[Any]) -> None:
        """As calls."""

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        self._line(
            source.module_id,
            f"error {'raised' if error.active else 'cleared'}: {error.type}: {error.message}",
        )

    def _event(self, evse: str, event: SessionEvent) -> None:
        now = self._evses.setdefault(evse, _Evse())
        now.state = STATES.get(event.event, now.state)
        if event.event in POWER_IS_OFF:
            now.current_a = now.power_w = 0.0
        text: str = event.event
        if event.transaction_started is not None:
            now.start_wh = event.transaction_started.meter_value.energy_Wh_import.total
            now.energy_wh = 0.0
            text += f" by {redacted(event.transaction_started.id_tag.id_token.value)}"
        if event.transaction_finished is not None:
            text += f" ({event.transaction_finished.reason})"
        if event.charging_paused_evse is not None:
            text += f" ({', '.join(event.charging_paused_evse.reasons)})"
        if event.session_started is not None:
            now.start_wh, now.energy_wh = None, 0.0
        self._line(evse, text)

    def _meter(self, evse: str, value: Powermeter) -> None:
        now = self._evses.setdefault(evse, _Evse())
        phases = value.current_A
        now.current_a = max((phases.L1 or 0.0, phases.L2 or 0.0, phases.L3 or 0.0)) if phases else 0.0
        now.power_w = value.power_W.total if value.power_W else 0.0
        if now.start_wh is not None and now.state != "available":
            now.energy_wh = value.energy_Wh_import.total - now.start_wh
        if now.state == "charging" and self._bus.clock.now_s() >= now.told_s + EVERY_S:
            self._line(evse, "")

    def _line(self, module_id: str, text: str) -> None:
        now = self._evses.get(module_id) or _Evse(state="")
        now.told_s = self._bus.clock.now_s()
        if not self._head:
            self._head = True
            self._out.write(f"{'time':8}  {'state':22} {'current':>8} {'power':>9} {'energy':>9}  event")
        label = f"{module_id}: " if self._several or not now.state else ""
        self._out.write(
            f"{self._bus.clock.utc():%H:%M:%S}  {now.state:22} {now.current_a:6.1f} A {now.power_w / 1000:6.2f} kW"
            f" {now.energy_wh:6.0f} Wh  {label}{text}".rstrip()
        )
