"""When EVSEs are announced to Home Assistant, again and no more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from evse_daemon.config import load_text
from evse_daemon.home_assistant.discovery import AGAIN_S, BOARD_S, Discovery, discovery
from evse_daemon.home_assistant.ids import device_topic
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.topics import home_assistant_status
from tests.home_assistant.test_rules import capabilities
from tests.home_assistant.world import CONFIG, World, configuration
from tests.modules.evse_manager.test_two_evses import own_configuration
from tests.mqtt.bench_station import FakeBroker, Sent, Station, settle
from tests.support.waiting import run

BIRTH = home_assistant_status("homeassistant")


@pytest.fixture
def world() -> World:
    found = World(configuration())
    found.advance(3)
    return found


def hear(world: World, payload: bytes = b"online", *, retain: bool = False) -> None:
    assert world.discovery.receive(Inbound(BIRTH, payload, 1, retain))


def test_an_evse_is_announced_once(world: World) -> None:
    world.advance(300)
    assert world.announced == [device_topic("homeassistant", "everest", "evse_manager")]


def test_when_home_assistant_has_come_it_is_announced_again(world: World) -> None:
    hear(world)
    world.advance(2)
    assert len(world.announced) == 2


def test_a_flood_of_births_is_answered_seldom(world: World) -> None:
    for _ in range(100):
        for _ in range(50):
            hear(world)
        world.advance(1)
    assert len(world.announced) <= 2 + 100 / AGAIN_S


@pytest.mark.parametrize(
    ("payload", "retain"),
    [(b"offline", False), (b"", False), (b"\xff\xfe", False), (b"online" * 10_000, False), (b"online", True)],
)
def test_what_is_no_birth_changes_nothing(world: World, payload: bytes, retain: bool) -> None:
    hear(world, payload, retain=retain)
    world.advance(20)
    assert len(world.announced) == 1


def test_other_messages_are_not_taken(world: World) -> None:
    assert not world.discovery.receive(Inbound("everest_api/connectors", b"online", 1, False))


def test_after_a_reconnect_it_is_announced_again(world: World) -> None:
    world.discovery.reconnected()
    world.advance(2)
    assert len(world.announced) == 2


def test_what_the_board_tells_later_is_announced(world: World) -> None:
    evse = world.virtual.station.modules["evse_manager"].implementations["evse"]
    evse.publish(EvseManager.hw_capabilities, capabilities(most_a=16))
    world.advance(2)
    assert world.device.entities["current_limit"]["max"] == 16
    assert len(world.announced) == 2


def test_an_evse_whose_board_is_dead_is_a_device_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what somebody wants to look at."""
    monkeypatch.setattr(Discovery, "_capabilities", lambda *_: None)
    world = World(configuration())
    world.advance(BOARD_S - 1)
    assert world.announced == []
    world.advance(2)
    assert world.device.entities["current_limit"]["max"] == 32
    monkeypatch.undo()
    world.advance(2)
    assert len(world.announced) == 2


def test_a_mistake_in_an_announcement_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("a test")

    monkeypatch.setattr(world.discovery, "_publish", broken)
    hear(world)
    world.advance(5)
    assert len(world.announced) == 1
    monkeypatch.undo()
    world.advance(5)
    assert len(world.announced) == 2, "it is tried again"


def test_switched_off_it_says_and_hears_nothing() -> None:
    world = World(configuration(enabled=False))
    world.advance(20)
    assert world.announced == []
    assert world.discovery.subscriptions() == []
    assert not world.discovery.receive(Inbound(BIRTH, b"online", 1, False))
    assert load_text(CONFIG.read_text("utf-8")).daemon.home_assistant.enabled is False, "as it is by default"


@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_announced_no_more_is_taken_back_at_the_start(enabled: bool) -> None:
    """An EVSE that the configuration had, all of them where it is switched off, another prefix than before."""
    first, second, gone = (
        device_topic("homeassistant", "everest", evse)
        for evse in ("evse_manager_1", "evse_manager_2", "gone")
    )
    elsewhere = device_topic("ha", "everest", "evse_manager_1")
    leftovers = [first, second, gone, elsewhere]

    async def scenario() -> list[Sent]:
        broker = FakeBroker(leftovers=leftovers)
        station = Station(broker)
        config = configuration(own_configuration(), enabled=enabled)
        station.gateway.attach_topics(discovery(config, station.topics, station.bus))
        await station.start()
        await settle(station)
        assert ((BIRTH, 1) in broker.subscriptions) == enabled
        sent = [message for message in broker.sent if message.topic in leftovers]
        broker.sent.clear()
        await station.gateway.stop()
        assert not [message for message in broker.sent if message.topic in leftovers], "it stays a device"
        return sent

    taken_back = [gone, elsewhere] if enabled else leftovers
    assert run(scenario()) == [Sent(topic, "", 1, True) for topic in taken_back]


def test_only_what_is_of_this_station_is_looked_for() -> None:
    world = World(configuration(environ={"EV_MQTT_EVEREST_PREFIX": "left"}))
    assert world.discovery.leftovers() == ("+/device/evse_daemon-left/+/config",)


def test_an_evse_without_api_is_warned_of() -> None:
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    document["daemon"] = {"home_assistant": {"enabled": True}}
    assert load_text(yaml.safe_dump(document)).warnings == ()
    del document["active_modules"]["api"]
    [warning] = load_text(yaml.safe_dump(document)).warnings
    assert warning.message.startswith("evse_manager is no device in Home Assistant")
    document["daemon"] = {}
    assert load_text(yaml.safe_dump(document)).warnings == ()
