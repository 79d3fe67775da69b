"""What every CAN bus offers, whatever hardware or simulation is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CanFrame:
    """A data frame of classic CAN: at most 8 bytes."""

    id: int
    data: bytes
    extended: bool = False
    """29-bit identifier."""


class CanListener(Protocol):
    """Who uses a bus. Each method is called from the event loop and returns at once."""

    def bus_up(self) -> None:
        """The bus is open. It says nothing about whether another node listens."""

    def bus_lost(self, reason: str) -> None:
        """The bus is gone or cannot be opened; it is opened again by itself."""

    def received(self, frame: CanFrame) -> None:
        """A data frame, of any identifier."""


class CanWire(Protocol):
    """Carries single frames."""

    async def run(self, listener: CanListener) -> None:
        """Opens the bus and keeps it open, with back-off, until cancelled; then it is closed."""

    def send(self, frame: CanFrame) -> None:
        """Sends a frame at once, or drops it while the bus is gone; never raises and never waits."""
