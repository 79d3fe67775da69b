"""The car's topics of everest_api (reference api.md §4.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evse_daemon.framework.bus import Implementation
from evse_daemon.interfaces.ev_manager import EvManager
from evse_daemon.modules.ev_api.module import EvAPI
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_manager import EVInfo
from tests.support.harness import World

NOW = "2026-03-04T10:15:00.000Z"


class Station:
    def __init__(self) -> None:
        self.world = World()
        self.cars: list[Implementation[Any]] = [
            self.world.fake(name, ev_manager=EvManager)["ev_manager"] for name in ("car_1", "car_2")
        ]
        cars = [("car_1", "ev_manager"), ("car_2", "ev_manager")]
        self.world.add(EvAPI, "ev_api", {}, connections={"ev_manager": cars})
        self.world.start()
        self.world.settle()

    def texts(self, topic: str) -> list[str]:
        return self.world.mqtt.payloads(f"everest_api/{topic}")

    def states(self, car: str) -> list[str]:
        return [json.loads(text)["state"] for text in self.texts(f"{car}/var/session_info")]


@pytest.fixture
def station() -> Station:
    return Station()


def test_the_cars_and_the_time_are_published_each_second(station: Station) -> None:
    station.world.advance(2)
    assert station.texts("ev_connectors") == ['["car_1","car_2"]'] * 3
    assert station.texts("car_2/var/datetime") == [f"2026-03-04T10:15:0{second}.000Z" for second in range(3)]


def test_the_state_is_told_each_second_and_at_each_event_of_its_car(station: Station) -> None:
    assert station.texts("car_1/var/session_info") == [f'{{"datetime":"{NOW}","state":"Unknown"}}']
    for event in ("B", "C", "PowerOn"):
        station.cars[0].publish(EvManager.bsp_event, BspEvent(event=event))
        station.world.settle()
    station.world.advance(1)
    assert station.states("car_1") == ["Unknown", "B", "C", "PowerOn", "PowerOn"]
    assert station.states("car_2") == ["Unknown", "Unknown"]


def test_what_the_car_tells_of_itself_is_passed_on(station: Station) -> None:
    station.cars[1].publish(EvManager.ev_info, EVInfo(soc=30.5, battery_capacity=60000))
    station.world.settle()
    assert [json.loads(text) for text in station.texts("car_2/var/ev_info")] == [
        {"battery_capacity": 60000.0, "soc": 30.5}
    ]
    assert station.texts("car_1/var/ev_info") == []


def test_of_a_car_whose_module_has_failed_nothing_is_known(station: Station) -> None:
    station.cars[0].publish(EvManager.bsp_event, BspEvent(event="C"))
    station.world.settle()
    station.cars[0].lose()
    station.world.advance(1)
    assert station.states("car_1")[-1] == "Unknown"
