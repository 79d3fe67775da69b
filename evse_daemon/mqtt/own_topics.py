"""What the daemon says and hears by itself, as the gateway sees it: its explanation, Home Assistant's discovery."""

from __future__ import annotations

from typing import Protocol

from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.sender import Sender


class OwnTopics(Protocol):
    """Topics beside the tree and the modules."""

    def attached(self, sender: Sender) -> None:
        """Where it is published."""

    def subscriptions(self) -> list[tuple[str, int]]:
        """What has to be heard."""

    def begin(self) -> None:
        """The station is ready."""

    def reconnected(self) -> None:
        """There is a connection, the first or another; the broker may have forgotten everything."""

    def receive(self, message: Inbound) -> bool:
        """Takes a message; False where it is none of these."""

    def retained(self) -> tuple[str, ...]:
        """The topics to clear at an orderly end."""

    def leftovers(self) -> tuple[str, ...]:
        """Filters of what earlier runs may have left retained, beside ``Topics.can_be_retained``."""

    def kept(self) -> frozenset[str]:
        """The topics of those that this run says again: they are not cleared before."""
