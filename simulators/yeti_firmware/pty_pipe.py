"""A pseudo-terminal as a serial port: the board has its master, the host opens its slave."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK = 4096


class LinkRefusedError(OSError):
    """The symbolic link cannot be made; the message says why."""


class PtyPipe:
    """See line.Pipe.

    A pseudo-terminal gets another name whenever it is opened; the link, if one is given, keeps its name. Baud rate and
    parity have no meaning on it.

    Args:
        link: a symbolic link to the slave, replaced where it is one already.
    """

    def __init__(self, link: Path | None = None) -> None:
        self.path: str | None = None
        """Of the slave, while it is open."""
        self._link = link
        self._master = self._slave = -1

    def open(self, received: Callable[[bytes], None]) -> None:
        """Opens it.

        Raises:
            LinkRefusedError: the link cannot be made.
            OSError: the system has no more pseudo-terminals.
        """
        if self.path is not None:
            return
        self._master, self._slave = os.openpty()
        # Or it would echo. The slave stays open here: else a read of the master fails while no host has it open.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        try:
            self._make_link(self.path)
        except LinkRefusedError:
            self.close()
            raise
        asyncio.get_running_loop().add_reader(self._master, self._readable, received)

    def write(self, data: bytes) -> None:
        if self.path is None:
            return
        with suppress(OSError):  # nobody reads, and its buffer is full: what a line without a host loses
            os.write(self._master, data)

    def close(self) -> None:
        if self.path is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        if self._link is not None:
            with suppress(OSError):
                if str(self._link.readlink()) == self.path:
                    self._link.unlink()
        self.path = None

    @property
    def place(self) -> str:
        return "" if self.path is None else str(self._link or self.path)

    def _readable(self, received: Callable[[bytes], None]) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except OSError:
            return
        received(data)

    def _make_link(self, target: str) -> None:
        if self._link is None:
            return
        if self._link.exists() and not self._link.is_symlink():
            raise LinkRefusedError(f"{self._link} is there, and is no symbolic link: choose another path")
        new = self._link.with_name(f"{self._link.name}.{os.getpid()}")
        try:
            new.symlink_to(target)
            new.replace(self._link)
        except OSError as error:
            raise LinkRefusedError(f"{self._link}: {error.strerror}") from error
