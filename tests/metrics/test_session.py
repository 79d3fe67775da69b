"""What Prometheus sees of a charging session, from before the car comes until after it has left."""

from __future__ import annotations

import pytest

from evse_daemon.config import load, load_text
from evse_daemon.mqtt.topics import api_command, carsim_command
from tests.metrics.scrape import Metered, Scrape
from tests.system.processes import ROOT

EXECUTE = carsim_command(1, "execute_charging_session")
MODIFY = carsim_command(1, "modify_charging_session")
SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 36000;unplug"
EVSE = {"evse": "evse_manager"}


@pytest.fixture
def station() -> Metered:
    station = Metered(load(ROOT / "config" / "config-sim.yaml", {}))
    station.advance(5)
    return station


def flags(found: Scrape) -> dict[str, float]:
    names = (
        "car_connected",
        "authorized",
        "power_permitted",
        "power_commanded",
        "contactor_closed",
        "inoperative",
    )
    return {name: found.one(f"evse_{name}", **EVSE) for name in names}


def test_a_whole_session(station: Metered) -> None:
    idle = station.scrape()
    assert idle.state() == "Idle"
    assert set(flags(idle).values()) == {0.0}
    assert idle.one("evse_enabled", **EVSE) == 1
    assert idle.one("evse_sessions_started_total", **EVSE) == 0
    assert idle.one("evse_offered_current_amperes", **EVSE) == 0
    assert idle.one("evse_power_watts", **EVSE) == 0
    assert idle.all("evse_session_energy_joules") == {}
    assert idle.one("evse_authorizations_total", module="auth", status="Accepted") == 0

    station.send(EXECUTE, SESSION)
    station.advance(60)
    charging = station.scrape()
    assert charging.state() == "Charging"
    assert flags(charging) == {
        "car_connected": 1,
        "authorized": 1,
        "power_permitted": 1,
        "power_commanded": 1,
        "contactor_closed": 1,
        "inoperative": 0,
    }
    assert charging.one("evse_phases", **EVSE) == 3
    assert charging.one("evse_offered_current_amperes", **EVSE) == pytest.approx(32, abs=0.1)
    assert charging.one("evse_power_watts", **EVSE) == pytest.approx(11_000, rel=0.05)
    current = charging.all("evse_phase_current_amperes", **EVSE)
    assert [current[phase,] for phase in ("L1", "L2", "L3")] == pytest.approx([16] * 3, rel=0.05)
    assert charging.one("evse_phase_voltage_volts", **EVSE, phase="L1") == pytest.approx(230, rel=0.05)
    assert charging.one("evse_meter_reading_timestamp_seconds", **EVSE) == pytest.approx(
        station.clock.utc().timestamp(), abs=1.5
    )
    assert charging.one("evse_authorizations_total", module="auth", status="Accepted") == 1
    assert charging.one("evse_authorizations_total", module="auth", status="Rejected") == 0
    assert charging.one("evse_sessions_started_total", **EVSE) == 1
    assert charging.one("evse_transactions_started_total", **EVSE) == 1
    assert charging.one("evse_sessions_finished_total", **EVSE) == 0
    joules = charging.one("evse_session_energy_joules", **EVSE)
    assert joules == pytest.approx(11_000 * 55, rel=0.15)
    assert charging.one("evse_energy_import_joules_total", **EVSE) == pytest.approx(joules)

    station.send(MODIFY, "unplug")
    station.advance(30)
    after = station.scrape()
    assert after.state() == "Idle"
    assert set(flags(after).values()) == {0.0}
    assert after.one("evse_sessions_finished_total", **EVSE) == 1
    assert after.all("evse_transactions_finished_total", **EVSE) == {("EVDisconnected",): 1.0}
    assert after.one("evse_session_energy_joules", **EVSE) >= joules
    assert after.one("evse_energy_import_joules_total", **EVSE) >= joules
    assert after.one("evse_power_watts", **EVSE) == 0

    assert charging.one("evse_daemon_info", station="everest") == 1
    assert charging.all("evse_daemon_metrics_failures_total") == {}
    assert charging.one("process_open_fds") > 0
    assert charging.one("evse_daemon_memory_pss_bytes") > 1e6


def test_the_limits_and_which_of_them_decides(station: Metered) -> None:
    before = station.scrape()
    assert before.one("evse_allowed_current_amperes", **EVSE) == 32
    assert before.all("evse_energy_node_limit_amperes") == {
        ("grid_connection_point", "fuse"): 32.0,
        ("evse_manager_sink", "fuse"): 32.0,
    }
    station.send(EXECUTE, SESSION)
    station.advance(20)
    station.send(api_command("evse_manager", "set_limit_amps"), "10")
    station.advance(20)
    limited = station.scrape()
    assert limited.one("evse_allowed_current_amperes", **EVSE) == 10
    assert limited.one("evse_offered_current_amperes", **EVSE) == pytest.approx(10, abs=0.1)
    deciding = limited.all("evse_limit_decides", **EVSE)
    assert [key for key, value in deciding.items() if value] == [("energy", "API_module")]
    assert limited.one("evse_limit_amperes", **EVSE, kind="energy", source="API_module") == 10
    assert limited.one("evse_limit_amperes", **EVSE, kind="board") == 32
    assert limited.one("evse_energy_node_limit_amperes", node="evse_manager_sink", source="external") == 10
    assert limited.one("evse_energy_node_limits_received_timestamp_seconds", node="evse_manager_sink") == (
        pytest.approx(station.clock.utc().timestamp() - 20, abs=1)
    )


def test_a_node_whose_limits_nobody_sets_says_so_and_that_its_safe_current_holds() -> None:
    text = (ROOT / "config" / "config-sim.yaml").read_text("utf-8")
    expected = "{evse_manager_sink: {MaxReceiveTimeSec: 60, SafeCurrent: 8}}"
    station = Metered(load_text(f"daemon: {{external_limits: {expected}}}\n{text}"))
    station.advance(5)
    silent, limit = "evse_energy_node_limits_silent", "evse_energy_node_limit_amperes"
    before = station.scrape()
    assert before.all(silent) == {("evse_manager_sink",): 1.0}
    assert before.all(limit, node="evse_manager_sink") == {("safe_current",): 8.0}
    assert before.one("evse_allowed_current_amperes", **EVSE) == 8
    station.send(api_command("evse_manager", "set_limit_amps"), "10")
    station.advance(5)
    assert station.scrape().all(silent) == {("evse_manager_sink",): 0.0}
    station.advance(60)
    after = station.scrape()
    assert after.all(silent) == {("evse_manager_sink",): 1.0}
    assert after.all(limit, node="evse_manager_sink") == {("safe_current",): 8.0}


def test_no_series_names_a_session_or_a_token(station: Metered) -> None:
    station.send(EXECUTE, SESSION)
    station.advance(60)
    sessions = {
        row["payload"].split('"uuid": "')[1].split('"')[0]
        for row in station.rows
        if row["topic"].endswith("var/session_event") and '"uuid": "' in row["payload"]
    }
    sessions.discard("")
    assert sessions
    values = {value for sample in station.scrape().samples for value in sample.labels.values()}
    for secret in (*sessions, "DEADBEEF"):
        assert not [value for value in values if secret in value]
