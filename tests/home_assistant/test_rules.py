"""The announcements against the rules of Home Assistant's documentation, for all kinds of EVSEs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evse_daemon.home_assistant.device import STATES, device
from evse_daemon.home_assistant.evses import Evse
from evse_daemon.home_assistant.ids import device_topic
from evse_daemon.modules.api.session_info import STATE_AFTER
from evse_daemon.mqtt.topics import Topics
from evse_daemon.reference.external_topics import EXTERNAL
from evse_daemon.reference.station_topics import STATION
from evse_daemon.types.evse_board_support import HardwareCapabilities

TOPIC_MATCHER = re.compile(r"(\w+)/(?:([a-zA-Z0-9_-]+)/)?([a-zA-Z0-9_-]+)/config")
"""Home Assistant's (components/mqtt/discovery.py)."""

SHARED = {"platform", "unique_id", "name", "icon", "entity_category", "enabled_by_default"}
STATE = SHARED | {
    "state_topic", "value_template", "device_class", "json_attributes_topic", "json_attributes_template",
}  # fmt: skip
COMMAND = {"command_topic"}
KEYS = {
    "sensor": STATE
    | {"expire_after", "options", "state_class", "unit_of_measurement", "suggested_display_precision"},
    "binary_sensor": STATE | {"expire_after"},
    "switch": STATE | COMMAND | {"payload_on", "payload_off", "state_on", "state_off"},
    "number": STATE | COMMAND | {"min", "max", "step", "mode", "unit_of_measurement"},
    "button": SHARED | COMMAND | {"payload_press"},
}
"""The keys used here of each platform, all of which its page lists."""

UNITS = {"power": "W", "energy": "kWh", "current": "A", "voltage": "V", "temperature": "°C"}
BINARY = {"plug", "battery_charging", "problem"}


def capabilities(phases: int = 3, most_a: float = 32.0) -> HardwareCapabilities:
    return HardwareCapabilities(
        max_current_A_import=most_a,
        min_current_A_import=6.0,
        max_phase_count_import=phases,
        min_phase_count_import=1,
        max_current_A_export=0.0,
        min_current_A_export=0.0,
        max_phase_count_export=phases,
        min_phase_count_export=1,
        supports_changing_phases_during_charging=False,
        supports_cp_state_E=False,
        connector_type="IEC62196Type2Cable",
    )


EVERY = [
    device(Evse("evse_1", metered, node), Topics("left", "api/"), found, commands=commands)
    for metered in (True, False)
    for node in ("sink", None)
    for found in (None, capabilities(1, 16.0), capabilities(most_a=0.0), capabilities())
    for commands in (True, False)
]


def entities(payload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((key, entity) for key, entity in payload["components"].items() if set(entity) != {"platform"})


@pytest.mark.parametrize("payload", EVERY)
def test_a_device_has_what_home_assistant_requires(payload: dict[str, Any]) -> None:
    assert payload["device"]["identifiers"]
    assert payload["origin"]["name"]
    assert payload["availability_topic"] == "evse_daemon/left/status"
    assert "qos" in payload
    ids = [entity["unique_id"] for _, entity in entities(payload)]
    assert len(ids) == len(set(ids)) > 5
    names = [entity["name"] for _, entity in entities(payload)]
    assert len(names) == len(set(names))
    json.dumps(payload, allow_nan=False)
    for key, entity in entities(payload):
        assert re.fullmatch("[a-zA-Z0-9_-]+", key)
        assert set(entity) <= KEYS[entity["platform"]], key


@pytest.mark.parametrize("payload", EVERY)
def test_each_entity_is_of_its_class(payload: dict[str, Any]) -> None:
    for key, entity in entities(payload):
        kind = entity.get("device_class", "")
        match entity["platform"]:
            case "sensor" if kind == "enum":
                assert entity["options"]
                assert not {"state_class", "unit_of_measurement"} & set(entity)
            case "sensor" if kind:
                assert entity["unit_of_measurement"] == UNITS[kind], key
                assert entity["state_class"] == ("total_increasing" if kind == "energy" else "measurement")
            case "sensor":
                assert not {"state_class", "unit_of_measurement"} & set(entity), key
            case "binary_sensor":
                assert kind in BINARY
            case "number":
                assert entity["min"] < entity["max"]
                assert entity["step"] >= 0.001
                assert entity["unit_of_measurement"] == UNITS[kind]
                assert entity["mode"] in ("auto", "box", "slider")
            case "button":
                assert entity.get("entity_category") != "diagnostic"


@pytest.mark.parametrize("payload", EVERY)
def test_a_value_that_is_told_again_and_again_expires(payload: dict[str, Any]) -> None:
    counters = {"energy", "session_energy"}
    for key, entity in entities(payload):
        if entity["platform"] in ("sensor", "binary_sensor") and key not in counters:
            assert 10 <= entity["expire_after"] <= 30, key
        else:
            assert "expire_after" not in entity, key


def test_what_there_is_not_is_removed() -> None:
    """An entity that was announced before stays until it is announced with its platform alone."""
    whole = device(Evse("e", True, "sink"), Topics(), capabilities(), commands=True)
    kinds = {key: entity["platform"] for key, entity in whole["components"].items()}
    for payload in EVERY:
        assert {key: entity["platform"] for key, entity in payload["components"].items()} == kinds
    reading = device(Evse("e", True, "sink"), Topics(), capabilities(1), commands=False)
    assert {key for key, entity in reading["components"].items() if len(entity) == 1} == {
        "enabled", "pause", "resume", "stop", "unlock", "current_limit",
        "current_l2", "current_l3", "voltage_l2", "voltage_l3",
    }  # fmt: skip


def test_the_number_goes_as_far_as_the_board() -> None:
    number = device(Evse("e", True, "sink"), Topics(), capabilities(most_a=20), commands=True)
    assert number["components"]["current_limit"]["max"] == 20


def test_every_topic_is_one_of_the_reference() -> None:
    """Their names in braces stand for what a station decides."""
    known = [topic.topic for topic in STATION] + [f"api/{topic.topic}" for topic in EXTERNAL]
    shapes = [
        re.escape(topic).replace(r"\{evse\}", "evse_1").replace(r"\{prefix\}", "left") for topic in known
    ]
    for payload in EVERY:
        used = {
            value
            for _, entity in entities(payload)
            for name, value in entity.items()
            if name.endswith("_topic")
        }
        for topic in used | {payload["availability_topic"]}:
            assert any(re.fullmatch(shape, topic) for shape in shapes), topic


def test_every_state_is_an_option() -> None:
    assert set(STATE_AFTER.values()) | {"Unknown", "FinishedEVSE"} == set(STATES)


names = st.text("ab2d_-./é ", min_size=1, max_size=6)
"""With what is escaped, and what an escape looks like."""


@given(names, names, names, names)
@example("a.b", "e", "a-2e-b", "e")
@example("s", "a.b", "s", "a-2e-b")
def test_no_two_evses_are_announced_on_one_topic(one: str, of_one: str, other: str, of_other: str) -> None:
    topics = [
        device_topic("homeassistant", station, evse) for station, evse in ((one, of_one), (other, of_other))
    ]
    assert (topics[0] == topics[1]) == ((one, of_one) == (other, of_other))
    for topic in topics:
        assert TOPIC_MATCHER.fullmatch(topic.removeprefix("homeassistant/"))


def test_devices_of_two_stations_differ() -> None:
    evse = Evse("evse", metered=True, limited_at=None)
    one, other = (device(evse, Topics(prefix), None, commands=True) for prefix in ("a", "b"))
    assert one["device"]["identifiers"] != other["device"]["identifiers"]
    assert one["device"]["name"] != other["device"]["name"]
    assert not {e["unique_id"] for _, e in entities(one)} & {e["unique_id"] for _, e in entities(other)}
