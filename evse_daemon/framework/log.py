"""Logging that cannot block: a bounded queue and a thread that writes (design rule 9)."""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

QUEUE_LINES = 10_000
"""Lines that may wait for a slow or blocked output; beyond it lines are dropped and counted."""

QUEUE_CHARACTERS = 16 * 1024 * 1024
"""As QUEUE_LINES: a payload from the broker may be a long line."""

Format = Literal["console", "json"]


class _Logger(structlog.make_filtering_bound_logger(logging.DEBUG)):  # type: ignore[misc]  # made at run time
    """Every logger of the process: one class, so that another level reaches those that exist already."""


def set_level(level: str) -> None:
    """Tells from now on what is of this level or above."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    for name, method in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("__"):
            setattr(_Logger, name, method)
    logging.getLogger().setLevel(max(threshold, logging.WARNING))


class LineWriter:
    """Writes lines to a stream from a thread of its own; ``write`` never waits.

    It writes past the stream's buffer: a thread that hangs in it would keep its lock, and Python, which flushes
    stdout and stderr when it ends, would never end.
    """

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        """Lines that were given up so far."""
        self._file = stream.fileno()
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_LINES)
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name=f"write {stream.name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queues a line; dropped and counted where the queue is full."""
        with self._lock:
            if self._waiting + len(line) > QUEUE_CHARACTERS:
                self.dropped += 1
                return
            try:
                self._lines.put_nowait(line)
            except queue.Full:
                self.dropped += 1
            else:
                self._waiting += len(line)

    def close(self, timeout_s: float = 0.5) -> None:
        """Writes what waits, as far as the output takes it in that time."""
        deadline = time.monotonic() + timeout_s
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def drop_note(self, dropped: int) -> str:
        """The line that stands for those that were dropped."""
        return f"… {dropped} lines were dropped: the output was blocked"

    def lost(self, error: OSError) -> None:
        """The output is gone; charging goes on without it."""

    def _run(self) -> None:
        told = 0
        while (line := self._lines.get()) is not None:
            self._put_out(line)
            with self._lock:
                self._waiting -= len(line)
            if (dropped := self.dropped) > told:
                self._put_out(self.drop_note(dropped - told))
                told = dropped

    def _put_out(self, line: str) -> None:
        data = f"{line}\n".encode("utf-8", "replace")
        try:
            while data:
                try:
                    data = data[os.write(self._file, data) :]
                except BlockingIOError:  # whoever shares this terminal or pipe has made it so
                    select.select([], [self._file], [])
        except OSError as error:
            self.lost(error)


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
        wrapper_class=_Logger,
        logger_factory=lambda *_: _QueueLogger(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    set_level(level)
    return writer
