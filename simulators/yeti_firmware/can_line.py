"""The board's end of a CAN bus: ISO-TP through an adapter on a serial port, whose bytes can be disturbed."""

from __future__ import annotations

import random
from collections.abc import Callable

import structlog

from drivers.link.can_wire import CanFrame, CanListener
from drivers.link.isotp_link import IsoTpIds, IsoTpLink
from simulators.wires.slcan_adapter import SlcanAdapter
from simulators.yeti_firmware.line import Pipe, SerialLine


class CanLine(SerialLine):
    """See module.Line. Faults of the line hit the bytes between adapter and driver.

    Args:
        pipe: carries the bytes.
        received: is given each whole message with a good checksum.
        chance: decides which bytes are hit.
        ids: the identifiers of the frames.
    """

    def __init__(
        self, pipe: Pipe, received: Callable[[bytes], None], chance: random.Random, ids: IsoTpIds
    ) -> None:
        super().__init__(pipe, received, chance)
        self._adapter = SlcanAdapter(self._put, self._take)
        self._link = IsoTpLink(
            _Adapted(self._adapter),
            in_order=True,
            sends=ids.to_host,
            receives=ids.to_board,
            log=structlog.get_logger(__name__),
        )
        self._ears = self._link.attach(_Host(received))

    def open(self) -> None:
        self._ears.bus_up()
        self._pipe.open(self._arrived)

    def close(self) -> None:
        super().close()
        self._adapter.reset()

    def forget(self) -> None:
        self._ears.bus_up()

    def send(self, message: bytes) -> None:
        self._link.send(message)

    def _take(self, frame: CanFrame) -> None:
        self._ears.received(frame)

    def _put(self, data: bytes) -> None:
        if self.faults.half:
            self.faults.half = False
            data = data[: len(data) // 2]
        if not self.faults.mute:
            self._pipe.write(self._disturbed(data))

    def _arrived(self, data: bytes) -> None:
        if not self.faults.deaf:
            self._adapter.feed(self._disturbed(data))


class _Adapted:
    """The adapter as the link's bus; it is opened with the line."""

    def __init__(self, adapter: SlcanAdapter) -> None:
        self._adapter = adapter

    async def run(self, listener: CanListener) -> None:
        """The line opens it."""

    def send(self, frame: CanFrame) -> None:
        self._adapter.send(frame)


class _Host:
    """The board, as the link sees it."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self.received = received

    def link_up(self) -> None:
        """A board begins by itself."""

    def link_lost(self, reason: str) -> None:
        """A board does not notice."""
