"""A CAN bus in memory whose bytes are damaged: what reaches its nodes are frames that are whole, late, doubled or lost.

A controller that reads a damaged frame destroys it for all with an error frame, and its sender repeats it: late. Damaged
in its very last bit a frame is taken, and repeated all the same: doubled (ISO 11898-1, 13.6). One whose sender gives up,
or whose receiver has no room, is lost: a message of several frames then lacks one in the middle.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from drivers.link.can_wire import CanFrame, CanListener
from evse_daemon.framework.clock import Clock
from tests.support.memory_can import MemoryCan
from tests.support.memory_wire import MemoryPipe

FRAME_BYTES = 14
"""111 bits of a frame with 8 bytes of data and an identifier of 11 bits, without stuffing."""

REPEAT_S = 0.0003
"""A frame at 500 kbit/s, and the error frame before it."""

LOST, DOUBLED = 0.1, 0.1
"""Parts of the damaged frames; the others are repeated until they arrive."""

HELD_S = 0.1
"""How long a busy gateway may hold a frame, and all behind it."""


class Disturbance:
    """What happens to the frames of one direction; their order stays.

    Args:
        clock: of the station.
        chance: decides which frames are hit.
    """

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self.part = 0.0
        """Of the bytes that are damaged; as many frames are held up."""
        self.happened: Counter[str] = Counter()
        self._clock = clock
        self._chance = chance
        self._free_s = 0.0

    def carry(self, frame: CanFrame, deliver: Callable[[CanFrame], None]) -> None:
        """Has a frame delivered when, as often and if it arrives."""
        damaged = 1 - (1 - self.part) ** FRAME_BYTES
        delay_s, times = 0.0, 1
        while times == 1 and self._chance.random() < damaged:
            delay_s += REPEAT_S
            kind = self._chance.random()
            if kind < LOST:
                times = 0
            elif kind < LOST + DOUBLED:
                times = 2
        self._count(delay_s, times)
        if self._chance.random() < self.part:
            self.happened["held"] += 1
            delay_s += self._chance.uniform(0, HELD_S)
        self._free_s = max(self._free_s, self._clock.now_s() + delay_s)
        for _ in range(times):
            self._clock.call_at(self._free_s, lambda: deliver(frame))

    def _count(self, delay_s: float, times: int) -> None:
        self.happened["frames"] += 1
        if delay_s:
            self.happened[{0: "lost", 1: "late", 2: "doubled"}[times]] += 1


class DisturbedCan(MemoryCan):
    """The host's end of such a bus."""

    def __init__(self, pipe: Callable[[], MemoryPipe], clock: Clock, seed: int) -> None:
        super().__init__(pipe)
        self.to_board = Disturbance(clock, random.Random(f"to board {seed}"))
        self.to_host = Disturbance(clock, random.Random(f"to host {seed}"))

    async def run(self, listener: CanListener) -> None:
        await super().run(_Behind(self.to_host, listener))

    def send(self, frame: CanFrame) -> None:
        self.to_board.carry(frame, super().send)

    def damage(self, part: float) -> None:
        """From now on; 0 for none."""
        self.to_board.part = self.to_host.part = part


class _Behind:
    """A listener behind the disturbance."""

    def __init__(self, disturbance: Disturbance, listener: CanListener) -> None:
        self._disturbance = disturbance
        self._listener = listener

    def bus_up(self) -> None:
        self._listener.bus_up()

    def bus_lost(self, reason: str) -> None:
        self._listener.bus_lost(reason)

    def received(self, frame: CanFrame) -> None:
        self._disturbance.carry(frame, self._listener.received)
