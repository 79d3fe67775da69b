"""What the error frames of a bus mean (Linux: include/uapi/linux/can/error.h)."""

from __future__ import annotations

BUS_OFF = 0x40

_CLASSES = {
    0x001: "transmit time-out",
    0x002: "lost arbitration",
    0x004: "controller problem",
    0x008: "protocol violation",
    0x010: "transceiver problem",
    0x020: "no acknowledge",
    BUS_OFF: "bus-off",
    0x080: "bus error",
    0x100: "controller restarted",
}

DEADLINE_S = 1.0
"""Errors for this long without a good frame between them, and the bus counts as lost."""

BUS_OFF_REASON = (
    "bus-off: the controller has left the bus after too many errors;"
    " check wiring, termination (120 Ω at both ends) and bit rate"
)


def describe(classes: int) -> str:
    """The error classes of an error frame, for people."""
    return ", ".join(text for bit, text in _CLASSES.items() if classes & bit) or f"class {classes:#x}"


class ErrorPeriod:
    """How long errors have gone on: from the first one, until a good frame or a second without any ends it."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._latest_s = 0.0

    def good(self) -> None:
        """A frame came or went without error."""
        self._since_s = None

    def error(self, now_s: float) -> bool:
        """An error; true where they have gone on for DEADLINE_S."""
        if self._since_s is None or now_s - self._latest_s > DEADLINE_S:
            self._since_s = now_s
        self._latest_s = now_s
        return now_s - self._since_s >= DEADLINE_S
