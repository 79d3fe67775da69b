"""The reset line, against the layout of linux/gpio.h."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from drivers.board.gpio import GpioButton, GpioLine


def test_the_line_is_asked_for_and_moved_as_the_kernel_wants_it(tmp_path: Path) -> None:
    chip = tmp_path / "chip"
    chip.touch()
    calls: list[tuple[int, bytes]] = []

    def ioctl(descriptor: int, request: int, data: bytearray) -> int:
        os.fstat(descriptor)
        calls.append((request, bytes(data)))
        if request >> 16 & 0x3FFF == 592:
            data[588:592] = struct.pack("=i", os.open(chip, os.O_RDWR))
        return 0

    line = GpioLine(str(chip), 27, active_low=True, ioctl=ioctl)
    line.hold(True)
    line.hold(False)

    (request, asked), (move, held), (_, let_go) = calls
    # _IOWR(0xB4, 0x07, struct gpio_v2_line_request), _IOWR(0xB4, 0x0F, struct gpio_v2_line_values)
    assert (request, move) == (0xC250B407, 0xC010B40F)
    assert len(asked) == 592
    assert struct.unpack_from("=2I", asked) == (27, 0)
    assert asked[256:288].rstrip(b"\0") == b"evse-daemon"
    assert struct.unpack_from("=Q", asked, 288) == (0b1010,), "an output that is active low"
    assert struct.unpack_from("=I", asked, 560) == (1,), "one line"
    assert struct.unpack("=QQ", held) == (1, 1)
    assert struct.unpack("=QQ", let_go) == (0, 1)


def test_a_button_tells_of_each_press(tmp_path: Path) -> None:
    chip = tmp_path / "chip"
    chip.touch()
    line, kernel = os.pipe()
    asked: list[bytes] = []

    def ioctl(descriptor: int, request: int, data: bytearray) -> int:
        assert request == 0xC250B407
        asked.append(bytes(data))
        data[588:592] = struct.pack("=i", line)
        return 0

    button = GpioButton(str(chip), 36, active_low=True, ioctl=ioctl)
    (request,) = asked
    assert struct.unpack_from("=I", request) == (36,)
    assert struct.unpack_from("=Q", request, 288) == (0b10110,), (
        "an input that is active low, at rising edges"
    )
    # struct gpio_v2_line_event: nanoseconds, 1 for a rising edge, offset, two running numbers, padding.
    event = struct.pack("=QIIII24x", 123, 1, 36, 1, 1)
    for presses in (1, 3):
        os.write(kernel, event * presses)
        assert button.presses() == presses
    os.close(kernel)
    with pytest.raises(OSError, match="has ended"):
        button.presses()
    os.close(button.fileno())


def test_a_chip_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        GpioLine("no-such-chip", 1, active_low=False)
