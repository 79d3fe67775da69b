"""Modbus lines for tests: a driver's line that runs, and a wire whose far end is the test itself."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import structlog

from drivers.modbus.client import Place, SerialPort
from drivers.modbus.line import Line, Patience
from drivers.modbus.requests import Outcome, Request
from tests.support.waiting import until

QUICK = Patience(timeout_s=0.15, retries=0)


@asynccontextmanager
async def running(place: Place, patience: Patience = QUICK) -> AsyncIterator[Line]:
    line = Line(place, patience, structlog.get_logger())
    task = asyncio.create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(line: Line, request: Request, patience_s: float = 10.0) -> Outcome:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    line.submit(request, patience_s, future.set_result)
    return await future


class RawEnd:
    """The far end of a pty, byte by byte."""

    def __init__(self, file: int, path: str) -> None:
        self._file = file
        self.port = SerialPort(path, 115200)

    async def read(self, count: int) -> bytes:
        found = b""

        def more() -> bool:
            nonlocal found
            with suppress(BlockingIOError):
                found += os.read(self._file, 1024)
            return len(found) >= count

        await until(more)
        return found

    def write(self, data: bytes) -> None:
        os.write(self._file, data)


@contextmanager
def raw_end() -> Iterator[RawEnd]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        yield RawEnd(master, os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)


@asynccontextmanager
async def crossed() -> AsyncIterator[tuple[str, str]]:
    """Two serial ports that are joined by a cable."""
    loop = asyncio.get_running_loop()
    ends = [os.openpty() for _ in range(2)]

    def carry(source: int, target: int) -> None:
        with suppress(BlockingIOError):
            os.write(target, os.read(source, 1024))

    for (master, slave), (other, _) in zip(ends, reversed(ends), strict=True):
        tty.setraw(slave)
        os.set_blocking(master, False)
        loop.add_reader(master, carry, master, other)
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)
