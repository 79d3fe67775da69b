"""Lines of the host's own, by Linux' character device for GPIO (linux/gpio.h, v2): one that resets a board, and buttons."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from typing import Protocol


class ResetPin(Protocol):
    """A line that resets a board."""

    def hold(self, held: bool) -> None:
        """Holds the board in reset, or lets it go; raises OSError."""


Ioctl = Callable[[int, int, bytearray], int]

_GET_LINE = 0xC250B407
_SET_VALUES = 0xC010B40F
_ACTIVE_LOW = 1 << 1
_INPUT = 1 << 2
_OUTPUT = 1 << 3
_RISING_EDGE = 1 << 4

# struct gpio_v2_line_request: 64 offsets, the consumer's name, flags and attributes, the number of lines, the descriptor.
_REQUEST = struct.Struct("=64I32sQI20x240xII20xi")
_VALUES = struct.Struct("=QQ")

_EVENT_BYTES = 48
"""Of a struct gpio_v2_line_event."""


class GpioLine:
    """One output of a GPIO chip; it begins with the board let go.

    Args:
        chip: its name, as gpiochip0, or its path.
        line: the offset on the chip.
        active_low: the board is in reset while the line is low.
        ioctl: as fcntl.ioctl.

    Raises:
        OSError: the line cannot be had.
    """

    def __init__(self, chip: str, line: int, *, active_low: bool, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._ioctl = ioctl
        self._descriptor = _line(chip, line, _OUTPUT | (_ACTIVE_LOW if active_low else 0), ioctl)

    def hold(self, held: bool) -> None:
        self._ioctl(self._descriptor, _SET_VALUES, bytearray(_VALUES.pack(int(held), 1)))


class GpioButton:
    """One input of a GPIO chip that tells when it becomes active.

    Args:
        chip: its name, as gpiochip0, or its path.
        line: the offset on the chip.
        active_low: the button is pressed while the line is low.
        ioctl: as fcntl.ioctl.

    Raises:
        OSError: the line cannot be had.
    """

    def __init__(self, chip: str, line: int, *, active_low: bool, ioctl: Ioctl = fcntl.ioctl) -> None:
        # An edge of a line that is active low is meant as it is seen through that.
        flags = _INPUT | _RISING_EDGE | (_ACTIVE_LOW if active_low else 0)
        self._descriptor = _line(chip, line, flags, ioctl)

    def fileno(self) -> int:
        """Readable when the button was pressed."""
        return self._descriptor

    def presses(self) -> int:
        """How often it was pressed since it was asked last, bounces included; waits for a press where there is none.

        Raises:
            OSError: the chip is gone.
        """
        events = os.read(self._descriptor, 16 * _EVENT_BYTES)
        if not events:
            raise OSError(errno.ENODEV, "the line has ended")
        return len(events) // _EVENT_BYTES


def chip_path(chip: str) -> str:
    """The device of a chip that is given by its name or its path."""
    return chip if chip.startswith("/") else f"/dev/{chip}"


def _line(chip: str, line: int, flags: int, ioctl: Ioctl) -> int:
    """The descriptor of a line."""
    request = bytearray(_REQUEST.pack(line, *[0] * 63, b"evse-daemon", flags, 0, 1, 0, 0))
    descriptor = os.open(chip_path(chip), os.O_RDWR | os.O_CLOEXEC)
    try:
        ioctl(descriptor, _GET_LINE, request)
    finally:
        os.close(descriptor)
    found: int = _REQUEST.unpack(request)[-1]
    return found
