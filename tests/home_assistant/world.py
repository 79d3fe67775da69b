"""A station in virtual time with what it says by itself, and Home Assistant listening."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import simulators
from evse_daemon.config import load_text
from evse_daemon.config.model import HomeAssistantSettings, RunConfig
from evse_daemon.home_assistant.discovery import discovery
from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.explain_topic import ExplainTopic
from evse_daemon.mqtt.topics import Topics, carsim_command
from tests.support.home_assistant import Device
from tests.support.virtual_station import VirtualStation

CONFIG = Path(simulators.__file__).with_name("config-sim.yaml")
CAR = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 100000"


def configuration(text: str = "", environ: Mapping[str, str] | None = None, **how: Any) -> RunConfig:
    """The simulator's, or another, with Home Assistant switched on, unless ``how`` says otherwise."""
    config = load_text(text or CONFIG.read_text("utf-8"), environ)
    settings = HomeAssistantSettings(**{"enabled": True, **how})
    return replace(config, daemon=config.daemon.model_copy(update={"home_assistant": settings}))


class World:
    """The station, and the devices it has announced.

    Args:
        config: its configuration.
    """

    def __init__(self, config: RunConfig) -> None:
        self.virtual = VirtualStation(config)
        self.topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
        self.discovery = discovery(config, self.topics, self.virtual.station.bus)
        self._explain = ExplainTopic(self.topics, self.virtual.clock, self.virtual.station.explain)
        self._heard = 0
        self.devices: dict[str, Device] = {}
        """By the topic of the announcement."""
        self.announced: list[str] = []
        """The topics of all announcements so far."""
        for own in (self.discovery, self._explain):
            own.attached(self)  # type: ignore[arg-type]  # as much of a sender as they use
        self.virtual.begin()
        for own in (self.discovery, self._explain):
            own.begin()

    def newest(self, topic: str, render: Callable[[], bytes], delivery: Delivery) -> None:
        """As the sender's."""
        payload = render().decode()
        if topic in self.discovery.kept():
            assert delivery.retain
            self.announced.append(topic)
            self.devices[topic] = Device(payload, self.virtual.clock.now_s)
            self.devices[topic].hear(self.topics.status, "online")
        self.virtual.rows.append({"t": self.virtual.clock.now_s(), "topic": topic, "payload": payload})

    @property
    def device(self) -> Device:
        """The only one."""
        [device] = self.devices.values()
        return device

    def advance(self, seconds: float) -> None:
        """Time passes; the devices hear what is said."""
        self.virtual.advance(seconds)
        rows, self._heard = self.virtual.rows[self._heard :], len(self.virtual.rows)
        for row in rows:
            for device in self.devices.values():
                if row["topic"] in device.topics:
                    device.hear(row["topic"], row["payload"], row["t"])

    def press(self, key: str, value: object = "") -> None:
        """Somebody uses a switch, a number or a button; a second passes."""
        self.virtual.send(*self.device.command(key, value))
        self.advance(2)

    def plug_in(self) -> None:
        """A car comes and charges."""
        self.virtual.send(carsim_command(1, "execute_charging_session"), CAR)
        self.advance(30)

    def states(self) -> dict[str, str]:
        return {key: self.device.state(key) for key in self.device.entities}
