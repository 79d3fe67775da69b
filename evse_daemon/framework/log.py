"""Logging that cannot block: a bounded queue and a thread that writes (design rule 9)."""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

QUEUE_LINES = 10_000
"""Lines that may wait for a slow or blocked output; beyond it lines are dropped and counted."""

Format = Literal["console", "json"]


class LineWriter:
    """Writes lines to a stream from a thread of its own; ``write`` never waits.

    It writes past the stream's buffer: a thread that hangs in it would keep its lock, and Python, which flushes
    stdout and stderr when it ends, would never end.
    """

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        self._file = stream.fileno()
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_LINES)
        self._thread = threading.Thread(target=self._run, name=f"write {stream.name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queues a line; dropped and counted where the queue is full."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def close(self, timeout_s: float = 0.5) -> None:
        """Writes what waits, as far as the output takes it in that time."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._put_out(line)
            if self.dropped:
                dropped, self.dropped = self.dropped, 0
                self._put_out(f"… {dropped} lines were dropped: the output was blocked")

    def _put_out(self, line: str) -> None:
        data = f"{line}\n".encode("utf-8", "replace")
        try:
            while data:
                try:
                    data = data[os.write(self._file, data) :]
                except BlockingIOError:  # whoever shares this terminal or pipe has made it so
                    select.select([], [self._file], [])
        except OSError:
            return  # the output is gone; charging goes on without it


class _QueueLogger:
    """What structlog hands its finished lines to."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, message: str) -> None:
        self._writer.write(message)

    debug = info = warning = error = critical = exception = fatal = log = msg


class _LibraryHandler(logging.Handler):
    """Takes what libraries log over into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage())


def _module_last(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The class's path says little to a user; the module id stays."""
    event.pop("logger", None)
    return event


def configure(level: str, format_: Format, stream: TextIO | None = None) -> LineWriter:
    """Sets the log up for the process; returns its writer, to be closed at the end."""
    writer = LineWriter(stream or sys.stderr)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if format_ == "json"
        else structlog.dev.ConsoleRenderer(
            colors=(stream or sys.stderr).isatty(),
            pad_event_to=0,
            # What rich makes of one, where it is installed, shows local variables: tokens and passwords too.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=format_ == "json"),
        _module_last,
    ]
    if format_ == "json":
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _QueueLogger(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(max(threshold, logging.WARNING))
    return writer
