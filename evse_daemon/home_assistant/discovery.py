"""Announces the EVSEs to Home Assistant, and takes the announcements back.

They are retained: Home Assistant finds them whenever it comes, and a broker that keeps nothing is helped by its birth
message, after which they are sent again (https://www.home-assistant.io/integrations/mqtt/#birth-and-last-will-messages).
The values need no such care: the public API says them each second, the explanation is retained and renewed.

What an earlier run has announced is asked of the broker, once at the start: there is nothing to remember on a disk, and
nothing that could be forgotten there. An EVSE that is not announced any more gets an empty message, by which Home
Assistant removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from evse_daemon.config.model import RunConfig
from evse_daemon.framework.bus import Bus
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.home_assistant.ids import ANY, device_topic
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Delivery, to_json
from evse_daemon.mqtt.outbox import already
from evse_daemon.mqtt.sender import Sender
from evse_daemon.mqtt.topics import Topics, home_assistant_status
from evse_daemon.types.evse_board_support import HardwareCapabilities

PACE_S = 1.0
"""Between two looks at what there is to announce."""

BOARD_S = 10.0
"""So long a board is waited for that has not told what it is built for."""

AGAIN_S = 10.0
"""Least time between two repetitions because Home Assistant has come: nobody can have more by saying so more often."""

ONLINE = b"online"
"""Home Assistant's default for the payload of its birth message."""

DELIVERY = Delivery(1, retain=True)

Describe = Callable[[HardwareCapabilities | None], dict[str, Any]]

log = structlog.get_logger(__name__)


def discovery(config: RunConfig, topics: Topics, bus: Bus) -> Discovery:
    """As the configuration wants it; switched off it only removes what was announced before."""
    wanted = config.daemon.home_assistant
    if not wanted.enabled:
        return Discovery(topics, bus, wanted.discovery_prefix, {})
    from evse_daemon.home_assistant.device import device  # noqa: PLC0415 - it is off by default
    from evse_daemon.home_assistant.evses import evses  # noqa: PLC0415 - as device

    described = {
        evse.module_id: partial(device, evse, topics, commands=wanted.commands)
        for evse in evses(config.modules)
    }
    return Discovery(topics, bus, wanted.discovery_prefix, described)


class Discovery:
    """Announces EVSEs while the station runs.

    Args:
        topics: names of everything.
        bus: where the boards tell what they are built for.
        discovery_prefix: Home Assistant's.
        devices: by the module id of an EVSE, what makes its announcement; empty where it is switched off.
    """

    def __init__(
        self, topics: Topics, bus: Bus, discovery_prefix: str, devices: Mapping[str, Describe]
    ) -> None:
        self._topics = topics
        self._bus = bus
        self._clock = bus.clock
        self._devices = devices
        self._prefix = discovery_prefix
        self._birth = home_assistant_status(discovery_prefix)
        self._sender: Sender | None = None
        self._announced: dict[str, HardwareCapabilities | None] = {}
        self._began_s = 0.0
        self._repeated_s = -AGAIN_S
        self._has_come = False
        self._seldom = RateLimitedLog(log)

    def attached(self, sender: Sender) -> None:
        """Where it is published."""
        self._sender = sender

    def subscriptions(self) -> list[tuple[str, int]]:
        return [(self._birth, 1)] if self._devices else []

    def retained(self) -> tuple[str, ...]:
        """None: a station that has ended is still a device, and unavailable."""
        return ()

    def leftovers(self) -> tuple[str, ...]:
        """A filter of what any run of this station has announced, under whichever discovery prefix."""
        return (device_topic(ANY, self._topics.name, ANY),)

    def kept(self) -> frozenset[str]:
        """The topics of those that are announced still."""
        return frozenset(self._topic(evse) for evse in self._devices)

    def begin(self) -> None:
        """The station is ready."""
        if self._devices:
            self._began_s = self._clock.now_s()
            self._due()

    def reconnected(self) -> None:
        """The broker may have forgotten them."""
        self._announced.clear()

    def receive(self, message: Inbound) -> bool:
        """Hears that Home Assistant has come; False where the message says nothing of the kind."""
        if not self._devices or message.topic != self._birth:
            return False
        if message.payload == ONLINE and not message.retain:
            self._has_come = True
        return True

    def _due(self) -> None:
        try:
            self._announce(self._clock.now_s())
        except Exception as error:  # noqa: BLE001 - it only announces: a mistake in it may end nothing
            self._seldom.error("failed", "the EVSEs cannot be announced to Home Assistant", exc_info=error)
        self._clock.call_at(self._clock.now_s() + PACE_S, self._due)

    def _announce(self, now_s: float) -> None:
        if self._has_come and now_s - self._repeated_s >= AGAIN_S:
            self._has_come, self._repeated_s = False, now_s
            self._announced.clear()
        for evse, describe in self._devices.items():
            capabilities = self._capabilities(evse)
            if capabilities is None and now_s - self._began_s < BOARD_S:
                continue
            if evse not in self._announced or self._announced[evse] != capabilities:
                self._publish(self._topic(evse), describe(capabilities))
                self._announced[evse] = capabilities

    def _capabilities(self, evse: str) -> HardwareCapabilities | None:
        for (module_id, _), implementation in self._bus.implementations.items():
            if module_id == evse and implementation.interface is EvseManager:
                found: HardwareCapabilities | None = implementation.last_values.get(
                    EvseManager.hw_capabilities.name
                )
                return found
        return None

    def _publish(self, topic: str, payload: dict[str, Any]) -> None:
        assert self._sender is not None
        self._sender.newest(topic, already(to_json(payload)), DELIVERY)

    def _topic(self, evse: str) -> str:
        return device_topic(self._prefix, self._topics.name, evse)
