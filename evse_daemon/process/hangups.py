"""SIGHUP: somebody wants the configuration read again (reload.py), or has closed our terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from evse_daemon.config import RunConfig
from evse_daemon.config.document import Item

Read = Callable[[], tuple[RunConfig, Item]]
"""Reads the configuration, with its lines; raises ConfigurationError."""

Changed = Callable[[RunConfig, tuple[str, ...]], None]
"""Is told what runs after something was taken over, and the ids of the modules that have."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration comes from that can be read again."""

    hangups: Hangups
    read: Read
    runs: Callable[[], None]
    """Called, in a thread, when what it says is what runs."""


class Hangups:
    """Whether somebody asks for a reload, from the first moment of the process on: without this SIGHUP would end it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_terminal = os.isatty(0)
        self._gone = False
        self._ends: Callable[[], None] | None = None
        signal.signal(signal.SIGHUP, self._heard)

    def attach(self, loop: asyncio.AbstractEventLoop, ends: Callable[[], None]) -> None:
        """There is an event loop from now on.

        Args:
            loop: runs what follows a signal.
            ends: called when the terminal that we were started in is closed, which also sends SIGHUP.
        """
        self._loop, self._ends = loop, ends
        if self._gone:
            loop.call_soon(ends)

    def detach(self) -> None:
        """The process is about to end: signals change nothing any more."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._loop = None

    async def asked(self) -> None:
        """Waits until a reload is asked for."""
        await self._asked.wait()

    async def next(self) -> None:
        """The same for the next one; several that have come meanwhile are one."""
        await self._asked.wait()
        self._asked.clear()

    def _heard(self, *_: object) -> None:
        if self._gone:  # the shell and the kernel both tell of it
            return
        asked: Callable[[], None] = self._asked.set
        if self._in_terminal and not os.isatty(0):
            self._gone = True
            asked = self._ends or (lambda: None)
        if self._loop is None:
            asked()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(asked)
