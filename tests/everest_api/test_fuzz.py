"""Whatever programs publish on the topics of EVerest's API: no exception, and a module that goes on (design rule 7)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evse_daemon.everest_api.module import EverestApiModule
from evse_daemon.framework.interface import Interface
from evse_daemon.mqtt import topics
from evse_daemon.reference.declared import classes
from evse_daemon.reference.everest_api_topics import everest_api
from tests.support.harness import World

APIS = {name: cls for name, cls in classes().items() if issubclass(cls, EverestApiModule)}
EXAMPLES = {topic.topic.replace("{module}", "api"): topic.example for topic in everest_api()}

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("everest/x")
    | st.sampled_from(["true", "A", "DiodeFault", "CommunicationFault", "High", "2026-03-04T10:15:00Z"])
)  # fmt: skip
KEYS = st.sampled_from(
    ["headers", "replyTo", "payload", "type", "sub_type", "event", "connector_id", "source"]
)
JSONS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


def _worlds() -> Any:
    @functools.cache
    def made(name: str) -> World:
        cls = APIS[name]
        world = World()
        connections = {}
        for requirement, required in cls.requires.items():
            interface: type[Interface] = required.interface
            world.fake(f"peer_{requirement}", main=interface)
            connections[requirement] = [(f"peer_{requirement}", "main")]
        world.add(cls, "api", connections=connections)
        world.start()
        return world

    return made


WORLD = _worlds()


@st.composite
def mutated(draw: st.DrawFn, example: str) -> str:
    """The example of a topic with one part replaced, or cut, or something else altogether."""
    match draw(st.integers(0, 3)):
        case 0:
            return draw(st.text(max_size=50))
        case 1:
            return example[: draw(st.integers(0, len(example)))]
        case 2:
            return json.dumps(draw(JSONS))
    value = json.loads(example or "null")
    place = value
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(JSONS)
            break
        place = place[key]
    return json.dumps(value)


@pytest.mark.parametrize("name", APIS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_comes_is_taken_or_logged(name: str, data: st.DataObject) -> None:
    world = WORLD(name)
    heard = sorted({topic for topic, _, _ in world.mqtt._subscriptions if not topic.endswith("+")})
    topic = data.draw(st.sampled_from(heard))
    world.send(topic, data.draw(mutated(EXAMPLES.get(topic, '{"headers":{"replyTo":"x"}}'))))
    world.advance(0.05)
    for message in world.mqtt.published:
        assert not message.topic.startswith(("everest/", "evse_daemon/", "$"))
        json.loads(message.payload or "null", parse_constant=_no_number)
    world.mqtt.published.clear()
    world.recorder.entries.clear()


def _no_number(name: str) -> None:
    raise AssertionError(f"{name} was published")


def test_an_example_is_there_for_every_topic(tmp_path: Path) -> None:
    del tmp_path
    for cls in APIS.values():
        for channel in cls.channels:
            if channel.way in ("hears", "serves"):
                assert topics.everest_api_heard(cls.api_type, "api", channel.name) in EXAMPLES
