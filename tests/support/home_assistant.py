"""Home Assistant as far as it concerns a device: what it makes of an announcement and of the messages after it.

Rendering, the special payloads and what is shown follow its components/mqtt (2025.4): sensor.py, binary_sensor.py,
switch.py, number.py, discovery.py.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

UNAVAILABLE, UNKNOWN = "unavailable", "unknown"


class Device:
    """The entities of one announcement, by their keys, as Home Assistant would show them.

    Args:
        payload: the announcement.
        now_s: monotonic seconds, by which values expire.
    """

    def __init__(self, payload: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._heard_s: dict[str, float] = {}
        jinja2 = pytest.importorskip("jinja2", reason="NOT TESTED: jinja2 is not installed")
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
        self._compiled = functools.cache(environment.from_string)
        self.config = json.loads(payload)
        self.entities: dict[str, dict[str, Any]] = {
            key: component for key, component in self.config["components"].items() if len(component) > 1
        }
        self._states: dict[str, Any] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.available = False

    @property
    def topics(self) -> set[str]:
        """What it subscribes to."""
        names = ("state_topic", "json_attributes_topic")
        found = {entity[name] for entity in self.entities.values() for name in names if name in entity}
        return found | {self.config["availability_topic"]}

    def hear(self, topic: str, payload: str, at_s: float | None = None) -> None:
        """A message on one of the topics, heard now or a while ago."""
        if topic == self.config["availability_topic"]:
            self.available = {
                self.config["payload_available"]: True,
                self.config["payload_not_available"]: False,
            }.get(payload, self.available)
        for key, entity in self.entities.items():
            if entity.get("state_topic") == topic:
                self._heard_s[key] = self._now_s() if at_s is None else at_s
                self._take(key, entity, self.render(entity["value_template"], payload))
            if entity.get("json_attributes_topic") == topic:
                self.attributes[key] = json.loads(self.render(entity["json_attributes_template"], payload))
                assert isinstance(self.attributes[key], dict)

    def state(self, key: str) -> str:
        """What is shown."""
        left_s = (
            self.entities[key].get("expire_after", math.inf)
            - self._now_s()
            + self._heard_s.get(key, -math.inf)
        )
        if not self.available or ("expire_after" in self.entities[key] and left_s <= 0):
            return UNAVAILABLE
        return str(self._states.get(key, UNKNOWN))

    def command(self, key: str, value: object = "") -> tuple[str, str]:
        """Topic and payload of what a switch (on, off), a number or a button does."""
        entity = self.entities[key]
        match entity["platform"]:
            case "switch":
                payload = entity[f"payload_{value}"]
            case "button":
                payload = entity.get("payload_press", "PRESS")
            case _:
                payload = f"{value:g}"
        return entity["command_topic"], payload

    def render(self, template: str, payload: str) -> str:
        """A template over a payload; what is undefined in it is a mistake, as Home Assistant's log would tell."""
        values: dict[str, Any] = {"value": payload}
        with contextlib.suppress(ValueError):
            values["value_json"] = json.loads(payload)
        return str(self._compiled(template).render(values))

    def _take(self, key: str, entity: dict[str, Any], text: str) -> None:
        if text == "None":
            self._states[key] = UNKNOWN
            return
        match entity["platform"]:
            case "sensor" if entity.get("device_class") == "enum":
                assert text in entity["options"], text
            case "sensor" if "state_class" in entity:
                float(text)
            case "sensor":
                assert len(text) <= 255, text
            case "binary_sensor":
                text = {"ON": "on", "OFF": "off"}[text]
            case "switch":
                text = {entity["state_on"]: "on", entity["state_off"]: "off"}[text]
            case "number":
                assert entity["min"] <= float(text) <= entity["max"], text
                text = f"{float(text):g}"
        self._states[key] = text
