"""What happens at an EVSE is in the log, with the fields that one looks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import simulators
from evse_daemon.config import load
from evse_daemon.event_log import EventLog
from evse_daemon.framework.journald import datagram
from evse_daemon.mqtt.topics import carsim_command
from tests.support.journal_socket import parse
from tests.support.virtual_station import VirtualStation


@pytest.fixture
def station() -> VirtualStation:
    made = VirtualStation(load(Path(simulators.__file__).with_name("config-sim.yaml"), {}))
    made.station.bus.taps.append(EventLog(made.clock.now_s))
    return made


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


def test_a_session_is_told_from_its_begin_to_its_end_under_its_id(
    station: VirtualStation, logs: list[Any]
) -> None:
    station.begin()
    station.advance(5)
    station.send(
        carsim_command(1, "execute_charging_session"),
        "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 10;unplug",
    )
    station.advance(60)
    events = [line for line in logs if line.get("session")]
    names = [line["event"] for line in events]
    assert names[0] == "SessionStarted"
    assert names[-1] == "SessionFinished"
    assert {"TransactionStarted", "ChargingStarted", "TransactionFinished"} <= set(names)
    records = [parse(datagram({**line, "level": line["log_level"]})) for line in events]
    assert len({record["SESSION"] for record in records}) == 1
    assert {(record["EVSE_MODULE"], record["EVSE_ID"], record["CONNECTOR"]) for record in records} == {
        ("evse_manager", "1", "1")
    }
    [ended] = [record for record in records if record["MESSAGE"].startswith("TransactionFinished")]
    assert ended["EVSE_REASON"] == "EVDisconnected"
    assert "DEADBEEF" not in repr(logs)


def test_an_error_is_told_when_it_is_raised_and_when_it_is_cleared(
    station: VirtualStation, logs: list[Any]
) -> None:
    station.begin()
    station.advance(5)
    board = station.station.bus.implementations["yeti_driver", "board_support"]
    board.raise_error("evse_board_support/MREC8EmergencyStop", "pressed", sub_type="door")
    station.advance(5)
    board.raise_error("evse_board_support/MREC8EmergencyStop", "pressed", sub_type="door")
    board.clear_error("evse_board_support/MREC8EmergencyStop", "door")
    station.advance(5)
    told = [
        (line["event"], line["log_level"], line["evse"], line["sub_type"])
        for line in logs
        if line.get("error_type") == "evse_board_support/MREC8EmergencyStop"
        and line["module"] == "yeti_driver"
    ]
    assert told == [("error raised", "warning", 1, "door"), ("error cleared", "info", 1, "door")]


def test_a_board_that_flutters_hides_nothing_of_another_module(
    station: VirtualStation, logs: list[Any]
) -> None:
    station.begin()
    station.advance(5)
    board = station.station.bus.implementations["yeti_driver", "board_support"]
    meter = station.station.bus.implementations["yeti_driver", "powermeter"]
    for _ in range(500):
        board.raise_error("evse_board_support/MREC8EmergencyStop", "pressed")
        board.clear_error("evse_board_support/MREC8EmergencyStop")
        station.advance(0.1)
    lines = [line for line in logs if "error_type" in line and line["module"] == "yeti_driver"]
    assert len(lines) <= 10
    logs.clear()
    station.station.bus.implementations["evse_manager", "evse"].raise_error("evse_manager/Internal", "x")
    meter.raise_error("powermeter/CommunicationFault", "y")
    station.advance(1)
    assert {line["error_type"] for line in logs if "error_type" in line} >= {
        "evse_manager/Internal",
        "powermeter/CommunicationFault",
    }
