"""The reference's scenarios (evse-manager.md §10.1) that were run with the simulated board and car, run with ours."""

from __future__ import annotations

import json
from pathlib import Path

from evse_daemon.config import load_text
from tests.support.virtual_station import VirtualStation

CONFIG = Path(__file__).parents[3] / "config" / "config-sim.yaml"
CARSIM = "everest_external/nodered/1/carsim/cmd/execute_charging_session"


class Simulated:
    def __init__(self, commands: str) -> None:
        self.station = VirtualStation(load_text(CONFIG.read_text()))
        self.station.begin()
        self.station.advance(10)
        self.station.send(CARSIM, commands)

    def values(self, suffix: str) -> list[object]:
        """What was published on a topic of the tree, by its end."""
        return [
            json.loads(row["payload"])["data"]
            for row in self.station.rows
            if row["topic"].endswith(f"/{suffix}")
        ]

    @property
    def events(self) -> list[str]:
        return [value["event"] for value in self.values("evse/var/session_event") if isinstance(value, dict)]

    @property
    def power(self) -> list[bool]:
        found = []
        for call in self.values("impl/board_support/cmd/allow_power_on"):
            assert isinstance(call, dict)
            found.append(call["args"]["value"]["allow_power_on"])
        return found


def test_row_60_residual_current_and_its_end() -> None:
    commands = (
        "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 10;rcd_current 10.3;sleep 5;"
    )
    simulated = Simulated(commands + "rcd_current 0.1;sleep 20;unplug")
    simulated.station.advance(120)
    events = simulated.events
    first = events.index("ChargingStarted")
    assert events[first : first + 5] == [
        "ChargingStarted",
        "StoppingCharging",
        "ChargingPausedEVSE",
        "PrepareCharging",
        "ChargingStarted",
    ]
    assert events[-3:] == ["ChargingFinished", "TransactionFinished", "SessionFinished"]


def test_row_61_control_pilot_short() -> None:
    """EVerest's simulated car never leaves E; ours can be unplugged."""
    commands = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 10;error_e;sleep 10;unplug"
    simulated = Simulated(commands)
    simulated.station.advance(120)
    events = simulated.events
    first = events.index("ChargingStarted")
    assert events[first : first + 3] == ["ChargingStarted", "StoppingCharging", "ChargingPausedEV"]
    assert events[-3:] == ["ChargingFinished", "TransactionFinished", "SessionFinished"]
    assert simulated.power[-2:] == [True, False]
