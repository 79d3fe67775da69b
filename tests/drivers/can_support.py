"""A CAN bus that a test breaks as it likes, and a listener that remembers."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import can

from drivers.link.can_bus import CanSettings
from drivers.link.can_wire import CanFrame


@dataclass
class Heard:
    """What a listener of a CAN bus was told."""

    ups: int = 0
    lost: list[str] = field(default_factory=list)
    frames: list[CanFrame] = field(default_factory=list)
    answer: Callable[[CanFrame], None] = lambda _frame: None

    def bus_up(self) -> None:
        self.ups += 1

    def bus_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def received(self, frame: CanFrame) -> None:
        self.frames.append(frame)
        self.answer(frame)


class BreakableBus(can.BusABC):
    """A bus with a file descriptor, whose far end is the test."""

    def __init__(self) -> None:
        super().__init__(channel="test")
        self.incoming: deque[can.Message | Exception] = deque()
        self.sent: list[can.Message] = []
        self.send_error: Exception | None = None
        self.closed = False
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)

    def give(self, what: can.Message | Exception) -> None:
        """Has the reader find a message, or fail with an error."""
        self.incoming.append(what)
        self._far.send(b"x")

    def give_error_frame(self, classes: int) -> None:
        self.give(can.Message(arbitration_id=classes, is_error_frame=True, data=bytes(8)))

    def fileno(self) -> int:
        return self._near.fileno()

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        if not self.incoming:
            return None, False
        self._near.recv(1)
        found = self.incoming.popleft()
        if isinstance(found, Exception):
            raise found
        return found, True

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.sent.append(msg)

    def shutdown(self) -> None:
        super().shutdown()
        self.closed = True
        self._near.close()
        self._far.close()


@dataclass
class Adapter:
    """Opens a BreakableBus each time; fails while ``unplugged``."""

    buses: list[BreakableBus] = field(default_factory=list)
    unplugged: Exception | None = None

    def __call__(self, _settings: CanSettings) -> Any:
        if self.unplugged is not None:
            raise self.unplugged
        self.buses.append(BreakableBus())
        return self.buses[-1]

    @property
    def bus(self) -> BreakableBus:
        return self.buses[-1]
