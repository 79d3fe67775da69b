"""A network between a client and a broker on this machine, with the faults that networks have."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Proxy:
    """Hands TCP connections on to a port of 127.0.0.1. It runs in a thread of its own while its context lasts.

    Args:
        to_port: of the broker.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        """Each piece of data is on its way for so long."""
        self.accepted = 0
        """Connections so far."""
        self._to_port = to_port
        self._silent = False
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(5)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def abort(self) -> None:
        """Resets every connection, at both ends."""

        def reset() -> None:
            for pair in tuple(self._pairs):
                pair.abort()

        self._do(reset)

    def silence(self) -> None:
        """Loses all data from now on, without a FIN; what connects meanwhile is accepted and gets no answer."""

        def lose() -> None:
            self._silent = True
            for pair in self._pairs:
                pair.dead = True

        self._do(lose)

    def speak(self) -> None:
        """Connections made from now on work again; those that were silenced stay so."""

        def recover() -> None:
            self._silent = False

        self._do(recover)

    def _do(self, action: Callable[[], object]) -> None:
        async def done() -> None:
            action()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(5)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for pair in tuple(self._pairs):
            pair.abort()
        await asyncio.gather(*(pair.task for pair in tuple(self._pairs)), return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        pair = _Pair(task, writer, dead=self._silent)
        self._pairs.add(pair)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
            pair.back = back
            if pair.dead:
                await asyncio.Event().wait()
            ways = (self._carry(pair, reader, back), self._carry(pair, there, writer))
            await asyncio.gather(*ways)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            pair.reset()
            self._pairs.discard(pair)

    async def _carry(self, pair: "_Pair", source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if not pair.dead:
                sink.write(data)
                await sink.drain()
        if pair.dead:
            await asyncio.Event().wait()  # its FIN is lost, too
        sink.close()


class _Pair:
    """A connection and the one that it is handed on to."""

    def __init__(self, task: "asyncio.Task[None]", writer: asyncio.StreamWriter, *, dead: bool) -> None:
        self.task = task
        self.writer = writer
        self.back: asyncio.StreamWriter | None = None
        self.dead = dead

    def abort(self) -> None:
        self.reset()
        self.task.cancel()

    def reset(self) -> None:
        for writer in (self.writer, self.back):
            if writer is not None:
                writer.transport.abort()
