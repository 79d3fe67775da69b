"""Lines of GPIO chips: their state is read (linux/gpio.h, v2), and none is requested or moved."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator

from evse_daemon.doctor.account import Account, Rights
from evse_daemon.doctor.findings import Finding, ok, problem, warning

GET_CHIP_INFO = 0x8044B401
GET_LINE_INFO = 0xC100B405
USED = 1

# struct gpiochip_info: name, label, lines. struct gpio_v2_line_info: name, consumer, offset, attributes, flags, padding.
CHIP = struct.Struct("=32s32sI")
LINE = struct.Struct("=32s32sIIQ160x16x")

CONSUMER = "evse-daemon"
"""As which our drivers hold lines (drivers/board/gpio.py)."""

UDEV = 'a udev rule: SUBSYSTEM=="gpio", GROUP="dialout", MODE="0660"'


def look_at_line(
    path: str,
    line: int,
    subject: str,
    who: Account,
    rights: Rights,
    ioctl: Callable[[int, int, bytearray], int] = fcntl.ioctl,
) -> Iterator[Finding]:
    """Whether a chip is there and the user's, has that line, and nobody else holds it.

    Args:
        path: of the chip.
        line: the offset on it.
        subject: what findings name it.
        who: the user.
        rights: what the user may do.
        ioctl: as fcntl.ioctl.
    """
    try:
        is_device = stat.S_ISCHR(os.stat(path).st_mode)  # noqa: PTH116 - as in the other checks
    except OSError as error:
        yield problem(subject, f"{path}: {error.strerror}", "gpiodetect lists the chips that there are")
        return
    if not is_device:
        yield problem(subject, f"{path} is no device", "gpiodetect lists the chips that there are")
        return
    if rights.may(path, os.R_OK | os.W_OK) is False:
        group = f"usermod -aG gpio {who.name}, where that group exists; else "
        yield problem(subject, f"{who.name} may not use {path}", group + UDEV)
        return
    try:
        lines, holder = _line(path, line, ioctl)
    except OSError as error:
        yield warning(subject, f"{path} cannot be asked: {error.strerror}", "run this as root")
        return
    if line >= lines:
        yield problem(subject, f"{path} has the lines 0 to {lines - 1}", "correct reset_gpio")
    elif holder is None:
        yield ok(subject, "free")
    elif holder == CONSUMER:
        yield ok(subject, "in use by the daemon")
    else:
        yield problem(subject, f"it is in use by {holder or 'the kernel'}", "free it, or name another line")


def _line(path: str, line: int, ioctl: Callable[[int, int, bytearray], int]) -> tuple[int, str | None]:
    """How many lines the chip has, and who holds the one; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        chip = bytearray(CHIP.size)
        ioctl(descriptor, GET_CHIP_INFO, chip)
        lines: int = CHIP.unpack(chip)[2]
        if line >= lines:
            return lines, None
        info = bytearray(LINE.pack(b"", b"", line, 0, 0))
        ioctl(descriptor, GET_LINE_INFO, info)
    finally:
        os.close(descriptor)
    _, consumer, _, _, flags = LINE.unpack(info)
    return lines, consumer.rstrip(b"\0").decode("utf-8", "replace") if flags & USED else None
