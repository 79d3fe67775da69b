"""Serves simulated meters on a pty (RTU) or a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from simulators.modbus_meter import frames
from simulators.modbus_meter.device import Device, Reply


class Bus:
    """The meters on one line."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self.devices = {device.unit: device for device in devices}

    def answer(self, unit: int, pdu: bytes) -> Reply | None:
        """What comes to a request; nobody answers for a unit that is not there."""
        device = self.devices.get(unit)
        if device is None or not pdu:
            return None
        return device.answer(pdu, asyncio.get_running_loop().time())


@asynccontextmanager
async def on_pty(bus: Bus) -> AsyncIterator[str]:
    """Serves RTU on a new pseudo terminal; gives the path of the end for the driver."""
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    reader = frames.RtuReader()
    waiting: set[asyncio.TimerHandle] = set()

    def send(frame: bytes) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # nobody reads: as on a wire, it is lost
            os.write(master, frame)

    def ready() -> None:
        with contextlib.suppress(BlockingIOError):
            for unit, pdu in reader.feed(os.read(master, 1024)):
                if (reply := bus.answer(unit, pdu)) is not None:
                    frame = reply.damaged(frames.rtu(reply.unit, reply.pdu))
                    waiting.add(loop.call_later(reply.delay_s, send, frame))
        waiting.difference_update({handle for handle in waiting if handle.when() < loop.time() - 1.0})

    loop.add_reader(master, ready)
    try:
        # The other end stays open here: without it each close by the driver would look like a line that is gone.
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        for handle in waiting:
            handle.cancel()
        os.close(master)
        os.close(slave)


@asynccontextmanager
async def on_tcp(bus: Bus, host: str, port: int) -> AsyncIterator[int]:
    """Serves Modbus TCP; gives the port, a free one where 0 is asked for."""
    connections: dict[asyncio.StreamWriter, asyncio.Event] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed = connections[writer] = asyncio.Event()
        try:
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                pdu = await reader.readexactly(max(0, length - 1))
                if (reply := bus.answer(unit, pdu)) is not None:
                    await asyncio.sleep(reply.delay_s)
                    writer.write(reply.damaged(frames.tcp(transaction, reply.unit, reply.pdu)))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del connections[writer]
            closed.set()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer, closed in list(connections.items()):
            writer.transport.abort()
            await closed.wait()
