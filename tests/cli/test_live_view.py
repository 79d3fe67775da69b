"""What a person at the terminal of the simulator reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from evse_daemon.cli.live_view import LiveView
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import Powermeter

SOURCE: Any = SimpleNamespace(module_id="evse")
STATION: Any = SimpleNamespace(bus=SimpleNamespace(clock=VirtualClock()), config=SimpleNamespace(modules={}))


def test_a_session_that_is_over_shows_no_current_though_the_meter_was_not_read_since() -> None:
    lines: list[str] = []
    out: Any = SimpleNamespace(write=lines.append)
    view = LiveView(STATION, out)
    reading = {
        "timestamp": "2026-11-21T08:20:51Z",
        "energy_Wh_import": {"total": 30},
        "power_W": {"total": 11040},
        "current_A": {"L1": 16, "L2": 16, "L3": 16},
    }
    view.var_published(SOURCE, EvseManager.powermeter, Powermeter.model_validate(reading))
    for name in ("StoppingCharging", "ChargingFinished", "SessionFinished"):
        event = {"uuid": "s", "timestamp": "2026-11-21T08:20:52Z", "event": name}
        view.var_published(SOURCE, EvseManager.session_event, SessionEvent.model_validate(event))
    assert "16.0 A  11.04 kW" in lines[1]
    assert all("  0.0 A   0.00 kW" in line for line in lines[2:])
