"""MQTT 3.1.1 by hand: a server and a client that do exactly what a test says, right or wrong."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x10, 0x20, 0x30, 0x40, 0x50, 0x62, 0x70
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x82, 0x90, 0xC0, 0xD0, 0xE0
DUP = 0x08


def packet(kind: int, body: bytes = b"") -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind]) + bytes(length) + body


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def connect(client_id: str, *, clean: bool = True) -> bytes:
    flags = 0x02 if clean else 0
    return packet(CONNECT, string("MQTT") + bytes([4, flags, 0, 60]) + string(client_id))


def publish(topic: str, payload: bytes, qos: int = 0, mid: int = 0, *, dup: bool = False) -> bytes:
    head = PUBLISH | qos << 1 | (DUP if dup else 0)
    return packet(head, string(topic) + (struct.pack("!H", mid) if qos else b"") + payload)


def ack(kind: int, mid: int) -> bytes:
    return packet(kind, struct.pack("!H", mid))


class Peer:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.clean = False
        self.client_id = ""

    async def read(self) -> tuple[int, bytes]:
        """The next packet, as first byte and body."""
        (head,) = await self.reader.readexactly(1)
        length = shift = 0
        while True:
            (digit,) = await self.reader.readexactly(1)
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return head, await self.reader.readexactly(length)

    def write(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    def close(self) -> None:
        self.writer.transport.abort()


def topic_and_rest(body: bytes) -> tuple[str, bytes]:
    end = 2 + struct.unpack_from("!H", body)[0]
    return body[2:end].decode(), body[end:]


class RawServer:
    """Calls `serve(peer, n)` for the n-th connection, after CONNECT was read."""

    def __init__(self, serve: Callable[[Peer, int], Awaitable[None]]) -> None:
        self._serve = serve
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer)
        try:
            _, body = await peer.read()
            peer.clean = bool(body[7] & 0x02)
            peer.client_id = body[12 : 12 + struct.unpack_from("!H", body, 10)[0]].decode()
            self._count += 1
            await self._serve(peer, self._count)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            peer.close()


async def raw_client(port: int, client_id: str, *, clean: bool = True) -> Peer:
    """A client of a real broker, logged in."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
    peer.write(connect(client_id, clean=clean))
    head, body = await peer.read()
    assert (head, body[1]) == (CONNACK, 0)
    return peer
