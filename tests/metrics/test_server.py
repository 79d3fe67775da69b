"""The HTTP server: what a scraper gets, and that none, however slow or hostile, takes much or holds anything up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from evse_daemon.metrics import server as server_module
from evse_daemon.metrics.server import MOST_CONNECTIONS, MOST_HEAD, MetricsServer
from tests.support.brokers import free_port
from tests.support.waiting import run, until

GET = b"GET /metrics HTTP/1.1\r\nHost: here\r\n"
HOST = "127.0.0.1"


class Endpoint:
    """A server whose page a test says.

    Args:
        body: the page.
        within_s: how long a connection may last.
    """

    def __init__(self, body: bytes = b"up 1\n", within_s: float = 5.0) -> None:
        self.body = body
        self.accepts: list[str] = []
        self.refused = 0
        self.server = MetricsServer(HOST, 0, self._page, self._refuse, within_s)

    async def _page(self, accept: str) -> tuple[str, bytes]:
        self.accepts.append(accept)
        return "text/plain", self.body

    def _refuse(self) -> None:
        self.refused += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.server.run())
        await until(lambda: self.server.address)
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert self.server.address is None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self.server.address is not None
        return await asyncio.open_connection(*self.server.address)

    async def ask(self, request: bytes = GET + b"\r\n") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; 0 where the connection was cut."""
        reader, writer = await self.connect()
        answer = b""
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                answer += data
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split(" ")[1]) if first else 0, fields, body

    @property
    def open(self) -> int:
        return len(self.server._connections)


def test_a_scraper_gets_the_page_and_the_connection_is_closed() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with endpoint.running():
            request = GET + b"accept: a/b\r\nAccept:c/d;q=0.5\r\nX: y\r\n\r\n"
            status, fields, body = await endpoint.ask(request)
            assert (status, body) == (200, b"up 1\n")
            assert fields["content-length"] == "5"
            assert fields["connection"] == "close"
            assert endpoint.accepts == ["a/b,c/d;q=0.5"]
            await until(lambda: endpoint.open == 0)
            assert endpoint.refused == 0

    run(scenario())


def test_head_has_no_body_and_a_query_is_no_matter() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with endpoint.running():
            status, fields, body = await endpoint.ask(b"HEAD /metrics?a=b HTTP/1.0\r\n\r\n")
            assert (status, fields["content-length"], body) == (200, "5", b"")

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (GET + b"X: " + b"x" * MOST_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_scrape_is_answered_with_its_status(request_: bytes, status: int) -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with endpoint.running():
            found, fields, body = await endpoint.ask(request_)
            assert found == status
            assert body
            assert fields.get("allow") == ("get, head" if status == 405 else None)
            assert endpoint.accepts == []
            await until(lambda: endpoint.refused == 1)

    run(scenario())


def test_ten_megabytes_of_headers_are_not_kept() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with endpoint.running():
            _, writer = await endpoint.connect()
            sent = 0
            with suppress(ConnectionError):
                writer.write(GET)
                while sent < 10_000_000:
                    writer.write(b"X: " + b"x" * 9997)
                    sent += 10_000
                    await writer.drain()
            await until(lambda: endpoint.open == 0)
            assert sent < 10_000_000, "nobody took all of it"
            writer.transport.abort()
            assert (await endpoint.ask())[0] == 200

    run(scenario())


@pytest.mark.parametrize("sends", [b"", b"GET /met", GET])
def test_half_a_request_is_cut_off_in_time(sends: bytes) -> None:
    async def scenario() -> None:
        endpoint = Endpoint(within_s=0.2)
        async with endpoint.running():
            reader, writer = await endpoint.connect()
            writer.write(sends)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            assert endpoint.open == 0
            assert endpoint.refused == 1
            writer.close()

    run(scenario())


def test_a_request_that_drips_is_cut_off_in_time() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(within_s=0.3)
        async with endpoint.running():
            reader, writer = await endpoint.connect()
            with suppress(ConnectionError):
                for _ in range(200):
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)
                    if reader.at_eof():
                        break
            assert endpoint.open == 0
            writer.close()

    run(scenario())


def test_who_never_reads_holds_little_and_is_cut_off_in_time() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(b"x" * 50_000_000, within_s=0.5)
        async with endpoint.running():
            with socket.create_connection(endpoint.server.address or ("", 0)) as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.sendall(GET + b"\r\n")
                await until(lambda: endpoint.accepts)
                await asyncio.sleep(0)
                for writer in endpoint.server._connections.values():
                    assert writer.transport.get_write_buffer_size() <= server_module.CHUNK
                await until(lambda: endpoint.open == 0)
            assert endpoint.refused == 1
            endpoint.body = b"small"
            assert (await endpoint.ask())[2] == b"small"

    run(scenario())


def test_a_hundred_connections_leave_a_bounded_number_and_the_next_scraper_is_served_after_them() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(within_s=60)
        async with endpoint.running():
            held = [await endpoint.connect() for _ in range(100)]
            await until(lambda: endpoint.open == MOST_CONNECTIONS)
            await until(lambda: endpoint.refused == 100 - MOST_CONNECTIONS)
            assert (await endpoint.ask())[0] in (503, 0)
            for _, writer in held:
                writer.close()
            await until(lambda: endpoint.open == 0)
            assert (await endpoint.ask())[0] == 200

    run(scenario())


def test_connections_that_are_cut_by_the_other_end_leave_nothing() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(b"x" * 1_000_000)
        async with endpoint.running():
            with capture_logs() as logs:
                for sends in (b"", b"GET /m", GET + b"\r\n") * 5:
                    _, writer = await endpoint.connect()
                    writer.write(sends)
                    writer.transport.abort()
                await until(lambda: endpoint.open == 0)
            assert logs == []
            assert (await endpoint.ask())[0] == 200

    run(scenario())


def test_a_page_that_cannot_be_made_ends_nothing() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        endpoint.body = None  # type: ignore[assignment]  # a mistake of ours
        async with endpoint.running():
            with capture_logs() as logs:
                assert (await endpoint.ask())[0] == 0
            assert [entry["event"] for entry in logs] == ["a request for the metrics failed"]
            endpoint.body = b"well"
            assert (await endpoint.ask())[2] == b"well"

    run(scenario())


def test_a_port_in_use_is_named_with_what_to_do_and_taken_once_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "RETRY_S", 0.02)

    async def scenario() -> None:
        endpoint = Endpoint()
        port = free_port()
        endpoint.server = MetricsServer(HOST, port, endpoint._page, endpoint._refuse)
        taken = socket.create_server((HOST, port))
        with capture_logs() as logs:
            task = asyncio.ensure_future(endpoint.server.run())
            await until(lambda: logs)
            await asyncio.sleep(0.1)
            assert len(logs) == 1, "the same reason is not told at each attempt"
            assert logs[0]["address"] == f"{HOST}:{port}"
            assert "in use" in logs[0]["reason"]
            assert "daemon.metrics.port" in logs[0]["remedy"]
            taken.close()
            await until(lambda: endpoint.server.address)
        assert (await endpoint.ask())[0] == 200
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run(scenario())


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "\udcff", "x" * 300])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        endpoint.server = MetricsServer(host, 9464, endpoint._page, endpoint._refuse)
        with capture_logs() as logs:
            task = asyncio.ensure_future(endpoint.server.run())
            await until(lambda: logs)
        assert logs[0]["log_level"] == "error"
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run(scenario())


def test_the_end_waits_for_no_scraper() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(within_s=60)
        async with endpoint.running():
            reader, writer = await endpoint.connect()
            await until(lambda: endpoint.open == 1)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert endpoint.open == 0
        writer.close()

    run(scenario())
