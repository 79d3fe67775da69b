"""What session_info says, derived from the session events and meter readings of one EVSE.

The states and their table are those of EVerest's API module (reference api.md §1.2). Energy in Wh, power in W.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent, SessionEventEnum
from evse_daemon.types.powermeter import Powermeter

STATE_AFTER: dict[SessionEventEnum, str] = {
    "Enabled": "Unplugged",
    "Disabled": "Disabled",
    "SessionStarted": "Preparing",
    "AuthRequired": "AuthRequired",
    "TransactionStarted": "Preparing",
    "PrepareCharging": "Preparing",
    "ChargingStarted": "Charging",
    "ChargingPausedEV": "ChargingPausedEV",
    "ChargingPausedEVSE": "ChargingPausedEVSE",
    "StoppingCharging": "FinishedEV",
    "ChargingFinished": "Finished",
    "TransactionFinished": "Finished",
    "PluginTimeout": "AuthTimeout",
    "ReservationStart": "Reserved",
    "ReservationEnd": "Unplugged",
    "SessionFinished": "Unplugged",
}
"""Events that are not listed leave the state as it is."""

BEFORE_ANY_EVENT = EnableDisableSource(
    enable_source="Unspecified", enable_state="Unassigned", enable_priority=10000
)


@dataclass(frozen=True, slots=True)
class Counter:
    """What a meter has counted since a transaction began."""

    start_wh: float
    end_wh: float

    def until(self, reading_wh: float) -> Counter:
        """Never falls: a meter that is reset in mid-transaction takes nothing back."""
        return replace(self, end_wh=max(self.end_wh, reading_wh))

    @property
    def counted_wh(self) -> int:
        return int(self.end_wh - self.start_wh)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    state: str = "Unknown"
    source: EnableDisableSource = BEFORE_ANY_EVENT
    """The entry that enabled or disabled the EVSE."""
    charged: Counter | None = None
    discharged: Counter | None = None
    started_s: float | None = None
    """When the transaction began, on the monotonic clock."""
    finished_s: float | None = None
    total_power_w: float = 0.0


def after_event(info: SessionInfo, event: SessionEvent, now_s: float) -> SessionInfo:
    """Takes in a session event. What was counted stays until the next session starts."""
    state = STATE_AFTER.get(event.event, info.state)
    match event.event:
        case "Enabled" | "Disabled" if event.source is not None:
            info = replace(info, source=event.source)
        case "SessionStarted":
            info = replace(info, charged=None, discharged=None, started_s=None, finished_s=None)
        case "TransactionStarted" if event.transaction_started is not None:
            reading = event.transaction_started.meter_value
            info = replace(
                info,
                charged=_begun(reading.energy_Wh_import.total),
                discharged=_begun(reading.energy_Wh_export.total) if reading.energy_Wh_export else None,
                started_s=now_s,
                finished_s=None,
            )
        case "TransactionFinished":
            finished = event.transaction_finished
            if finished is not None and finished.reason == "Local":
                state = "FinishedEVSE"
            if info.started_s is not None and info.finished_s is None:
                if finished is not None:
                    info = _counted(info, finished.meter_value)
                info = replace(info, finished_s=now_s)
    return replace(info, state=state)


def after_reading(info: SessionInfo, reading: Powermeter) -> SessionInfo:
    """Takes in a meter reading; it counts while a transaction runs."""
    if reading.power_W is not None:
        info = replace(info, total_power_w=reading.power_W.total)
    if info.started_s is not None and info.finished_s is None:
        info = _counted(info, reading)
    return info


def payload(info: SessionInfo, now_s: float, datetime: str, *, permanent_fault: bool) -> dict[str, Any]:
    """The published object: EVerest's keys, and last_enable_disable_source, which only seed 003 has."""
    source = info.source
    return {
        "active_enable_disable_source": {
            "priority": source.enable_priority,
            "source": source.enable_source,
            "state": source.enable_state,
        },
        "charged_energy_wh": info.charged.counted_wh if info.charged else 0,
        "charging_duration_s": _duration_s(info, now_s),
        "datetime": datetime,
        "discharged_energy_wh": info.discharged.counted_wh if info.discharged else 0,
        "last_enable_disable_source": source.enable_source,
        "latest_total_w": info.total_power_w,
        "permanent_fault": permanent_fault,
        "state": info.state,
    }


def _begun(reading_wh: float) -> Counter:
    return Counter(reading_wh, reading_wh)


def _counted(info: SessionInfo, reading: Powermeter) -> SessionInfo:
    exported = reading.energy_Wh_export
    return replace(
        info,
        charged=info.charged.until(reading.energy_Wh_import.total) if info.charged else None,
        discharged=info.discharged.until(exported.total) if info.discharged and exported else info.discharged,
    )


def _duration_s(info: SessionInfo, now_s: float) -> int:
    if info.started_s is None:
        return 0
    end_s = now_s if info.finished_s is None else info.finished_s
    return int(end_s - info.started_s)
