"""The HTTP server of the metrics: one page, and as little of HTTP as that takes.

Whoever connects may be slow or mean it badly: a connection has a bounded time, what it sends and is sent is bounded, and
there are few at a time. More is turned away at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog

from evse_daemon.framework.rate_limit import RateLimitedLog

PATH = "/metrics"

MOST_CONNECTIONS = 8

MOST_HEAD = 8 * 1024
"""Bytes of a request."""

CHUNK = 64 * 1024
"""Bytes that wait for a reader that does not read."""

WITHIN_S = 10.0
"""How long a connection may last, from its first byte to our last; Prometheus waits so long for an answer."""

RETRY_S = 10.0
"""From one attempt to have the port to the next."""

BACKLOG = 64
"""Connections that are taken in one turn of the event loop."""

log = structlog.get_logger(__name__)

Page = Callable[[str], Awaitable[tuple[str, bytes]]]
"""From the request's Accept header to content type and text."""


class BadRequestError(Exception):
    """The request is answered with a status.

    Args:
        status: which.
        text: for the person who reads it.
    """

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class MetricsServer:
    """Serves one page over HTTP.

    Args:
        host: where it listens; a name or an address.
        port: there.
        page: makes it.
        refused: told of each connection that did not get it.
        within_s: how long a connection may last.
    """

    def __init__(
        self, host: str, port: int, page: Page, refused: Callable[[], None], within_s: float = WITHIN_S
    ) -> None:
        self.address: tuple[str, int] | None = None
        """Where it listens, while it does."""
        self._host = host
        self._port = port
        self._place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._page = page
        self._refused = refused
        self._within_s = within_s
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._seldom = RateLimitedLog(log)

    async def run(self) -> None:
        """Serves until it is cancelled; where the port cannot be had, it is tried for again and again."""
        told = ""
        while True:
            try:
                server = await asyncio.start_server(
                    self._connected, self._host, self._port, limit=MOST_HEAD, backlog=BACKLOG
                )
            except (OSError, OverflowError, UnicodeError) as error:
                reason = str(error)
                if reason != told:
                    told = reason
                    log.error(  # noqa: TRY400 - no stack helps whoever reads this
                        "the metrics are not served, charging goes on without them",
                        address=self._place,
                        reason=reason,
                        remedy="Set daemon.metrics.port to a free port and host to an address of this computer; "
                        f"`ss -ltnp 'sport = :{self._port}'` shows who has the port. It is tried for again.",
                    )
                await asyncio.sleep(RETRY_S)
                continue
            try:
                self.address = server.sockets[0].getsockname()[:2]
                log.info("metrics are served", url=f"http://{self._place}{PATH}")
                await asyncio.get_running_loop().create_future()
            finally:
                self.address = None
                server.close()
                for task in tuple(self._connections):
                    task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writer.transport.set_write_buffer_limits(high=0)  # drain() waits until the system has all of it
        served = False
        try:
            if len(self._connections) >= MOST_CONNECTIONS:
                writer.write(_head(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", 0))
                return
            self._connections[task] = writer
            async with asyncio.timeout(self._within_s):
                served = await self._serve(reader, writer)
        except (OSError, TimeoutError, EOFError):
            pass  # the other end is gone, slow or silent: there is nobody to tell
        except Exception as error:  # noqa: BLE001 - a mistake here may end nothing
            self._seldom.error("failed", "a request for the metrics failed", exc_info=error)
        finally:
            self._connections.pop(task, None)
            writer.transport.abort()
            if not served:
                self._refused()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether it got the page."""
        content_type, body, status, with_body = "text/plain; charset=utf-8", b"", HTTPStatus.OK, True
        try:
            method, accept = _request(await _head_of(reader))
            content_type, body = await self._page(accept)
            with_body = method == "GET"
        except BadRequestError as error:
            status, body = error.status, f"{error}\n".encode()
        writer.write(_head(status, content_type, len(body)))
        for start in range(0, len(body) if with_body else 0, CHUNK):
            writer.write(body[start : start + CHUNK])
            await writer.drain()
        await writer.drain()
        return status is HTTPStatus.OK


async def _head_of(reader: asyncio.StreamReader) -> bytes:
    """A request up to its empty line."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequestError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request of more than {MOST_HEAD} bytes"
        ) from None


def _request(head: bytes) -> tuple[str, str]:
    """Method and Accept header of a request for the page.

    Raises:
        BadRequestError: it is none.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    match first.split(" "):
        case [method, target, version] if version.startswith("HTTP/1."):
            pass
        case _:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "this is no request in HTTP/1.1")
    if target.split("?")[0] != PATH:
        raise BadRequestError(HTTPStatus.NOT_FOUND, f"there is only {PATH}")
    if method not in ("GET", "HEAD"):
        raise BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED, "there is only GET and HEAD")
    fields = [line.partition(":") for line in lines]
    return method, ",".join(value.strip() for name, _, value in fields if name.lower() == "accept")


def _head(status: HTTPStatus, content_type: str, length: int) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\n"
        f"{allow}"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")
