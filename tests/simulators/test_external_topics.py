"""EVerest's old topics of its simulated board (reference api.md §4.3)."""

from __future__ import annotations

import json

import pytest

from simulators.yeti_simulator.module import YetiSimulator
from tests.modules import recordings as golden
from tests.support.harness import World


@pytest.fixture
def world() -> World:
    found = World()
    found.add(YetiSimulator, "yeti", {"connector_id": 1})
    found.start()
    found.advance(2)
    return found


def test_the_readings_of_an_idle_board(world: World) -> None:
    told = {topic: world.mqtt.payloads(topic)[-1] for topic in topics(world)}
    reading = json.loads(told.pop("/external/powermeter_json"))
    assert told.pop("/external/powermeter/vrmsL1").startswith("2")
    assert told == {
        "/external/powermeter/phaseSeqError": "false",
        "/external/powermeter/time_stamp": str(int(world.clock.utc().timestamp())),
        "/external/powermeter/tempL1": "25.00000",
        "/external/powermeter/totalKw": "0.00000",
        "/external/powermeter/totalKWattHr": "0.00000",
        "/external/yeti/powermeter/tempL1": "25.00000",
        "/external/yeti/powermeter/totalKw": "0.00000",
        "/external/yeti/powermeter/totalKWattHr": "0.00000",
    }
    assert reading[0]["irmsL1"] == 0.0
    assert len(reading) == 1


@pytest.mark.skipif(not golden.runs(), reason="the recordings are not there")
def test_topics_and_keys_are_those_of_the_recordings(world: World) -> None:
    theirs = {
        row.topic.replace("connector_1_powerpath", "yeti"): row.payload
        for row in golden.rows("01_ac_full_session")
        if row.topic.startswith("/external/")
    }
    assert topics(world) == set(theirs)
    ours = json.loads(world.mqtt.payloads("/external/powermeter_json")[-1])
    assert list(ours[0]) == list(json.loads(theirs["/external/powermeter_json"])[0])


def topics(world: World) -> set[str]:
    return {message.topic for message in world.mqtt.published if message.topic.startswith("/external/")}
