"""What every wire to a board offers, whatever carries the messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from evse_daemon.framework.measures import Measure


class LinkListener(Protocol):
    """Who uses a link. Each method is called from the event loop and returns at once."""

    def link_up(self) -> None:
        """The wire is open. It says nothing about whether a board listens."""

    def link_lost(self, reason: str) -> None:
        """The wire is gone (port vanished, bus off, error frames); the link opens it again by itself."""

    def received(self, message: bytes) -> None:
        """A whole message with a good checksum; its content is not looked at."""


class Link(Protocol):
    """Carries whole messages to and from a board."""

    async def run(self, listener: LinkListener) -> None:
        """Opens the wire and keeps it open, with back-off, until cancelled; then it is closed."""

    def send(self, message: bytes) -> None:
        """Sends a message at once, or drops it while the wire is gone; never raises and never waits."""


@runtime_checkable
class MeasuredLink(Protocol):
    """A link that counts what passes on its wire."""

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See evse_daemon.framework.measures; of the driver with this module id."""


@runtime_checkable
class CountsDamage(Protocol):
    """A link on which messages may arrive damaged and are dropped, unseen by whoever uses it."""

    @property
    def damaged(self) -> int:
        """How many were dropped since the start."""
