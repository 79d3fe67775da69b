"""The far end of a serial line: a pseudo terminal whose other side the driver opens."""

from __future__ import annotations

import os
import select
import tty
from pathlib import Path

from drivers.link.framing import FrameDecoder, encode_frame


class PtyEnd:
    """Opens a pty behind a path that stays the same when it vanishes and comes back, as udev's links do.

    Args:
        path: of the link to the other side.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decoder = FrameDecoder()
        self._master = -1
        self._heard: list[bytes] = []

    def plug_in(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def pull_out(self) -> None:
        self.path.unlink()
        os.close(self._master)
        self._master = -1

    def write(self, data: bytes) -> None:
        os.write(self._master, data)

    def send(self, message: bytes) -> None:
        self.write(encode_frame(message))

    def heard(self) -> list[bytes]:
        """All messages that have arrived."""
        while self._master >= 0 and select.select([self._master], [], [], 0)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # nobody has the other side open
                break
            self._heard += self.decoder.feed(data)
        return self._heard
