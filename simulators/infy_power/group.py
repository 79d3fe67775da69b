"""Several simulated power modules on one bus."""

from __future__ import annotations

from collections.abc import Callable

from drivers.infy_power.codec import GROUP, Command, ModuleCount, decode_id, response
from drivers.link.can_wire import CanFrame
from simulators.infy_power.rectifier import Battery, Rectifier


class RectifierGroup:
    """The modules of a group, joined at their outputs; its master is the first of them.

    Args:
        addresses: of the modules.
        group: what their dials are set to.
    """

    def __init__(self, addresses: tuple[int, ...] = (0,), group: int = 0) -> None:
        self.battery = Battery()
        self.group = group
        self.rectifiers = {address: Rectifier(address, self.battery) for address in addresses}

    def received(self, frame: CanFrame, now_s: float) -> list[CanFrame]:
        """What the modules answer to a frame."""
        self.tick(now_s)
        if not frame.extended:
            return []
        fields = decode_id(frame.id)
        if fields.device == GROUP:
            return self._count(fields.source) if self._is_asked(fields.command, fields.destination) else []
        answers = [each.received(frame, now_s) for each in self.rectifiers.values()]
        return [answer for answer in answers if answer is not None]

    def tick(self, now_s: float) -> None:
        for each in self.rectifiers.values():
            each.tick(now_s)

    @property
    def current_A(self) -> float:
        return sum(each.current_A for each in self.rectifiers.values())

    def _is_asked(self, command: int, group: int) -> bool:
        return command == Command.MODULE_COUNT and group == self.group

    def _count(self, controller: int) -> list[CanFrame]:
        heard = [each for each in self.rectifiers.values() if not (each.faults.silent or each.faults.deaf)]
        if not heard:
            return []
        return [response(ModuleCount(len(self.rectifiers)), module=heard[0].address, controller=controller)]


class GroupOnBus:
    """The modules as a listener of a bus.

    Args:
        group: the modules.
        send: puts a frame on the bus.
        now_s: the time.
    """

    def __init__(
        self, group: RectifierGroup, send: Callable[[CanFrame], None], now_s: Callable[[], float]
    ) -> None:
        self._group = group
        self._send = send
        self._now_s = now_s

    def bus_up(self) -> None:
        """Modules speak only when they are asked."""

    def bus_lost(self, reason: str) -> None:
        """As bus_up."""

    def received(self, frame: CanFrame) -> None:
        for answer in self._group.received(frame, self._now_s()):
            self._send(answer)
