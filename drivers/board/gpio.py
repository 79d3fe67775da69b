"""The line of the host's own that holds a board in reset, by Linux' character device for GPIO (linux/gpio.h, v2)."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from typing import Protocol


class ResetPin(Protocol):
    """A line that resets a board."""

    def hold(self, held: bool) -> None:
        """Holds the board in reset, or lets it go; raises OSError."""


_GET_LINE = 0xC250B407
_SET_VALUES = 0xC010B40F
_OUTPUT = 1 << 3
_ACTIVE_LOW = 1 << 1

# struct gpio_v2_line_request: 64 offsets, the consumer's name, flags and attributes, the number of lines, the descriptor.
_REQUEST = struct.Struct("=64I32sQI20x240xII20xi")
_VALUES = struct.Struct("=QQ")


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

    def __init__(
        self,
        chip: str,
        line: int,
        *,
        active_low: bool,
        ioctl: Callable[[int, int, bytearray], int] = fcntl.ioctl,
    ) -> None:
        self._ioctl = ioctl
        request = bytearray(_request(line, active_low=active_low))
        descriptor = os.open(chip_path(chip), os.O_RDWR | os.O_CLOEXEC)
        try:
            ioctl(descriptor, _GET_LINE, request)
        finally:
            os.close(descriptor)
        self._descriptor = _REQUEST.unpack(request)[-1]

    def hold(self, held: bool) -> None:
        self._ioctl(self._descriptor, _SET_VALUES, bytearray(_VALUES.pack(int(held), 1)))


def chip_path(chip: str) -> str:
    """The device of a chip that is given by its name or its path."""
    return chip if chip.startswith("/") else f"/dev/{chip}"


def _request(line: int, *, active_low: bool) -> bytes:
    flags = _OUTPUT | (_ACTIVE_LOW if active_low else 0)
    return _REQUEST.pack(line, *[0] * 63, b"evse-daemon", flags, 0, 1, 0, 0)
