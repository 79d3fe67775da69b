"""What session_info says of a session (seed 003, reference api.md §1.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.api.session_info import SessionInfo, after_event, after_reading, payload
from evse_daemon.types.authorization import IdToken, ProvidedIdToken
from evse_daemon.types.evse_manager import (
    EnableDisableSource,
    SessionEvent,
    SessionEventEnum,
    StopTransactionReason,
    TransactionFinished,
    TransactionStarted,
)
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy, Power
from tests.modules import recordings as golden

NOW = "2026-03-04T10:15:00.000Z"
TOKEN = ProvidedIdToken(id_token=IdToken(value="A", type="Local"), authorization_type="RFID")
RACE_S = 0.2
"""In the recordings an event may reach the recorder this much before or after EVerest's API."""


def meter(import_wh: float, export_wh: float | None = None, power_w: float | None = None) -> Powermeter:
    return Powermeter(
        timestamp=NOW,
        energy_Wh_import=Energy(total=import_wh),
        energy_Wh_export=None if export_wh is None else Energy(total=export_wh),
        power_W=None if power_w is None else Power(total=power_w),
    )


def event(name: SessionEventEnum, **fields: Any) -> SessionEvent:
    return SessionEvent(uuid="1", timestamp=NOW, event=name, **fields)


def started(reading: Powermeter) -> SessionEvent:
    return event(
        "TransactionStarted", transaction_started=TransactionStarted(id_tag=TOKEN, meter_value=reading)
    )


def finished(reading: Powermeter, reason: StopTransactionReason | None = None) -> SessionEvent:
    return event(
        "TransactionFinished", transaction_finished=TransactionFinished(meter_value=reading, reason=reason)
    )


def said(info: SessionInfo, now_s: float = 0, *, permanent_fault: bool = False) -> dict[str, Any]:
    return payload(info, now_s, NOW, permanent_fault=permanent_fault)


def test_before_any_event_there_is_nothing_to_tell() -> None:
    assert said(SessionInfo()) == {
        "active_enable_disable_source": {"priority": 10000, "source": "Unspecified", "state": "Unassigned"},
        "charged_energy_wh": 0,
        "charging_duration_s": 0,
        "datetime": NOW,
        "discharged_energy_wh": 0,
        "last_enable_disable_source": "Unspecified",
        "latest_total_w": 0.0,
        "permanent_fault": False,
        "state": "Unknown",
    }


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("Enabled", "Unplugged"),
        ("Disabled", "Disabled"),
        ("AuthRequired", "AuthRequired"),
        ("SessionStarted", "Preparing"),
        ("TransactionStarted", "Preparing"),
        ("PrepareCharging", "Preparing"),
        ("ChargingStarted", "Charging"),
        ("ChargingPausedEV", "ChargingPausedEV"),
        ("ChargingPausedEVSE", "ChargingPausedEVSE"),
        ("ChargingFinished", "Finished"),
        ("StoppingCharging", "FinishedEV"),
        ("TransactionFinished", "Finished"),
        ("PluginTimeout", "AuthTimeout"),
        ("ReservationStart", "Reserved"),
        ("ReservationEnd", "Unplugged"),
        ("SessionFinished", "Unplugged"),
        ("Authorized", "before"),
        ("Deauthorized", "before"),
        ("SwitchingPhases", "before"),
        ("SessionResumed", "before"),
    ],
)
def test_each_event_has_its_state(name: SessionEventEnum, state: str) -> None:
    assert after_event(SessionInfo(state="before"), event(name), 0).state == state


@pytest.mark.parametrize(
    ("reason", "state"), [("Local", "FinishedEVSE"), ("Remote", "Finished"), (None, "Finished")]
)
def test_a_transaction_that_was_stopped_here_was_finished_by_the_evse(
    reason: StopTransactionReason | None, state: str
) -> None:
    assert after_event(SessionInfo(), finished(meter(0), reason), 0).state == state


def test_energy_and_duration_count_from_the_start_to_the_end_of_the_transaction() -> None:
    info = after_event(SessionInfo(), event("SessionStarted"), 0)
    info = after_reading(info, meter(1000, 50))
    assert said(info, 5)["charged_energy_wh"] == 0
    info = after_event(info, started(meter(1000.5, 50)), 10)
    info = after_reading(info, meter(1100.4, 53, power_w=11_000))
    first = said(info, 20.9)
    assert (first["charged_energy_wh"], first["discharged_energy_wh"]) == (99, 3)
    assert (first["charging_duration_s"], first["latest_total_w"]) == (10, 11_000)
    info = after_event(info, finished(meter(1200.5, 53)), 30)
    info = after_reading(info, meter(1300, 60))
    info = after_event(info, event("SessionFinished"), 40)
    last = said(info, 50)
    assert (last["charged_energy_wh"], last["charging_duration_s"]) == (200, 20)


def test_a_new_session_begins_with_nothing() -> None:
    info = after_event(SessionInfo(), started(meter(0)), 0)
    info = after_event(info, finished(meter(500)), 60)
    info = after_event(info, event("SessionStarted"), 100)
    info = after_reading(info, meter(500))
    assert (said(info, 110)["charged_energy_wh"], said(info, 110)["charging_duration_s"]) == (0, 0)


def test_a_meter_that_is_reset_takes_nothing_back() -> None:
    info = after_event(SessionInfo(), started(meter(1000)), 0)
    info = after_reading(after_reading(info, meter(1500)), meter(3))
    assert said(info)["charged_energy_wh"] == 500


def test_the_end_of_a_transaction_of_an_earlier_run_counts_nothing() -> None:
    info = after_event(SessionInfo(), finished(meter(5000), "PowerLoss"), 3)
    assert (said(info, 9)["charged_energy_wh"], said(info, 9)["charging_duration_s"]) == (0, 0)


def test_the_entry_that_disabled_the_evse_is_shown() -> None:
    source = EnableDisableSource(enable_source="CSMS", enable_state="Disable", enable_priority=5000)
    info = after_event(SessionInfo(), event("Disabled", source=source), 0)
    shown = said(info, permanent_fault=True)
    assert shown["active_enable_disable_source"] == {"priority": 5000, "source": "CSMS", "state": "Disable"}
    assert shown["last_enable_disable_source"] == "CSMS"
    assert shown["permanent_fault"] is True


@pytest.mark.skipif(not golden.runs(), reason="the recordings are not there")
@pytest.mark.parametrize("run", golden.runs())
def test_the_states_are_those_of_the_recordings(run: str) -> None:
    """The recorded session events and readings give the recorded states, and energies within one sample."""
    info = SessionInfo()
    history: list[tuple[float, str]] = [(-1.0, info.state)]
    theirs: list[tuple[float, dict[str, Any], dict[str, Any]]] = []
    for row in golden.rows(run):
        if row.topic == golden.evse_var("session_event"):
            value = EvseManager.session_event.validate_json(json.dumps(row.var()))
            info = after_event(info, value, row.at_s)
            history.append((row.at_s, info.state))
        elif row.topic == golden.evse_var("powermeter"):
            info = after_reading(info, EvseManager.powermeter.validate_json(json.dumps(row.var())))
        elif row.topic == golden.api_var("session_info"):
            theirs.append((row.at_s, json.loads(row.payload), said(info, row.at_s)))
    assert theirs
    for at_s, recorded, ours in theirs:
        begun = [state for since_s, state in history if since_s <= at_s - RACE_S][-1]
        near = [state for since_s, state in history if abs(since_s - at_s) < RACE_S]
        assert recorded["state"] in (begun, *near), f"at {at_s}"
        assert set(recorded) <= set(ours)
        if recorded["state"] == "Charging":
            assert abs(recorded["charged_energy_wh"] - ours["charged_energy_wh"]) <= 4
            assert abs(recorded["charging_duration_s"] - ours["charging_duration_s"]) <= 2
