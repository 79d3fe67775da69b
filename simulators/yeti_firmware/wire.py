"""The board's end of the wires: what needs protobuf, cobs or a CAN library, imported only where a board is simulated."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from simulators.yeti_firmware import codec
from simulators.yeti_firmware.line import SerialLine
from simulators.yeti_firmware.pty_pipe import PtyPipe

__all__ = ["codec", "serial_line"]


def serial_line(link: Path | None, received: Callable[[bytes], None], seed: str) -> SerialLine:
    """A line on a pseudo-terminal, closed yet."""
    return SerialLine(PtyPipe(link), received, random.Random(seed))
