"""The board's end of the wires."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from simulators.yeti_firmware.line import SerialLine
from simulators.yeti_firmware.pty_pipe import PtyPipe


def serial_line(link: Path | None, received: Callable[[bytes], None], seed: str) -> SerialLine:
    """A line on a pseudo-terminal, closed yet."""
    return SerialLine(PtyPipe(link), received, random.Random(seed))


def can_line(link: Path | None, received: Callable[[bytes], None], seed: str) -> SerialLine:
    """A CAN adapter on a pseudo-terminal, closed yet."""
    from drivers.link.isotp_link import IsoTpIds  # noqa: PLC0415 - a serial line does not need it
    from simulators.yeti_firmware.can_line import CanLine  # noqa: PLC0415 - as above

    return CanLine(PtyPipe(link), received, random.Random(seed), IsoTpIds())
