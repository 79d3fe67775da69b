"""Commands a board off from a process of its own, where the daemon that ran it has died: docs/operate.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from drivers.board.gpio import ResetPin
from drivers.board.messages import (
    PILOT_X1,
    AllowPower,
    HostAlive,
    Reset,
    SetPilot,
    ToBoard,
)
from drivers.link.link import Link

HELD_S = 1.0
"""How long the reset line is held, where there is one: the contactor opens."""

ANSWER_S = 1.0
"""How long the wire may take to open, and the board to say that it has restarted, in all."""

OFF: tuple[ToBoard, ...] = (
    # The first message may run into what the dead process has left half sent; nothing is said of the others.
    HostAlive(),
    HostAlive(),
    AllowPower(False),
    SetPilot(PILOT_X1),
    AllowPower(False),
    Reset(),
)
"""A board that has restarted has its contactor open, and PWM off."""


class SwitchesOff:
    """Tells a board to be off as soon as its wire is open.

    Args:
        link: its wire.
        off: what it is told, in its dialect: OFF, to each of its connectors.
        has_restarted: whether a message of the board says so.
        pin: the line that resets it, where there is one.
    """

    def __init__(
        self,
        link: Link,
        off: Sequence[bytes],
        has_restarted: Callable[[bytes], bool],
        pin: ResetPin | None,
    ) -> None:
        self._link = link
        self._off = off
        self._has_restarted = has_restarted
        self._pin = pin
        self._restarted = asyncio.Event()
        self._told = False
        self._lost = "the wire did not open"

    async def run(self) -> tuple[bool, str]:
        """Whether the board is off for sure, and what was done, as a sentence for the log."""
        held = self._hold(True)
        carries = asyncio.ensure_future(self._link.run(self))
        try:
            if held:
                await asyncio.sleep(HELD_S)
                return True, f"held in reset by its line for {HELD_S:g} s: power is off"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._restarted.wait(), ANSWER_S)
        finally:
            if held:
                self._hold(False)
            carries.cancel()
            # The last commands leave while it closes.
            with contextlib.suppress(asyncio.CancelledError):
                await carries
        if self._restarted.is_set():
            return True, "told to switch off, and restarted: power is off"
        if self._told:
            return False, "told to switch off, but it does not answer: whether power is off is not known"
        return False, f"could not be told to switch off: {self._lost}"

    def link_up(self) -> None:
        self._told = True
        for message in self._off:
            self._link.send(message)

    def link_lost(self, reason: str) -> None:
        self._lost = reason

    def received(self, message: bytes) -> None:
        if self._has_restarted(message):
            self._restarted.set()

    def _hold(self, held: bool) -> bool:
        """Whether there is a line, and it moved."""
        if self._pin is None:
            return False
        try:
            self._pin.hold(held)
        except OSError:
            return False
        return True
