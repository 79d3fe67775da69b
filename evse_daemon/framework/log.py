"""Logging that cannot block: a bounded queue and a thread that writes (design rule 9)."""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Generic, Literal, TextIO, TypeVar

import structlog

from evse_daemon.framework import journald
from evse_daemon.framework.rate_limit import RateLimitedLog

L = TypeVar("L", str, bytes)

QUEUE_LINES = 10_000
"""Lines that may wait for a slow or blocked output; beyond it lines are dropped and counted."""

QUEUE_CHARACTERS = 16 * 1024 * 1024
"""As QUEUE_LINES: a payload from the broker may be a long line."""

Format = Literal["auto", "console", "json", "journal"]
"""``auto``: fields for systemd's journal where stderr leads there, else lines for people."""


class _Logger(structlog.make_filtering_bound_logger(logging.DEBUG)):  # type: ignore[misc]  # made at run time
    """Every logger of the process: one class, so that another level reaches those that exist already."""


def set_level(level: str) -> None:
    """Tells from now on what is of this level or above."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    for name, method in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("__"):
            setattr(_Logger, name, method)
    logging.getLogger().setLevel(max(threshold, logging.WARNING))


class Writer(ABC, Generic[L]):
    """Puts lines out from a thread of its own; ``write`` never waits."""

    def __init__(self, name: str) -> None:
        self.dropped = 0
        """Lines that were given up so far."""
        self._lines: queue.Queue[L | None] = queue.Queue(QUEUE_LINES)
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name=f"write {name}", daemon=True)
        self._thread.start()

    def write(self, line: L) -> None:
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

    @abstractmethod
    def drop_note(self, dropped: int) -> L:
        """The line that stands for those that were dropped."""

    @abstractmethod
    def _put_out(self, line: L) -> None:
        """Writes one line, however long that takes."""

    def _run(self) -> None:
        told = 0
        while (line := self._lines.get()) is not None:
            self._put_out(line)
            with self._lock:
                self._waiting -= len(line)
            if (dropped := self.dropped) > told:
                self._put_out(self.drop_note(dropped - told))
                told = dropped
        self._end()

    def _end(self) -> None:
        """The last line is written."""


class LineWriter(Writer[str]):
    """Writes lines to a stream.

    It writes past the stream's buffer: a thread that hangs in it would keep its lock, and Python, which flushes
    stdout and stderr when it ends, would never end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._file = stream.fileno()
        super().__init__(stream.name)

    def drop_note(self, dropped: int) -> str:
        return f"… {dropped} lines were dropped: the output was blocked"

    def lost(self, error: OSError) -> None:
        """The output is gone; charging goes on without it."""

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


class JournalWriter(Writer[bytes]):
    """Sends records to systemd's journal; while it is away or full they wait, and those too many are counted."""

    def __init__(self, path: str) -> None:
        self._socket = journald.JournalSocket(path)
        super().__init__("the journal")

    def drop_note(self, dropped: int) -> bytes:
        return journald.note(f"{dropped} records were dropped: the journal was blocked or away")

    def _put_out(self, line: bytes) -> None:
        try:
            while wait_s := self._socket.send(line):
                time.sleep(wait_s)
        except OSError:  # this one can never be sent
            with self._lock:
                self.dropped += 1

    def _end(self) -> None:
        self._socket.close()


class _QueueLogger:
    """What structlog hands its finished lines to."""

    def __init__(self, writer: Writer[Any]) -> None:
        self._writer = writer

    def msg(self, message: str | bytes) -> None:
        self._writer.write(message)

    debug = info = warning = error = critical = exception = fatal = log = msg


_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))


class _LibraryHandler(logging.Handler):
    """Takes what libraries log over into our log."""

    def __init__(self) -> None:
        super().__init__()
        self._seldom: dict[str, RateLimitedLog] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in self._seldom:
            self._seldom[record.name] = RateLimitedLog(structlog.get_logger(record.name))
        level = next(name for least, name in _LEVELS if record.levelno >= least)
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a library's mistake in its own log must not end what it did
            text = f"{record.msg} (its values do not fit: {error})"
        trace = {"exc_info": record.exc_info} if record.exc_info and record.exc_info[0] else {}
        # The text before values are put into it: the same complaint about whatever it is.
        self._seldom[record.name].write(level, str(record.msg)[:60], text, **trace)


def _module_last(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The class's path says little to a user; the module id stays."""
    event.pop("logger", None)
    return event


def configure(
    level: str,
    format_: Format,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal: str = journald.SOCKET_PATH,
) -> Writer[Any]:
    """Sets the log up for the process; returns its writer, to be closed at the end.

    Args:
        level: what is less is not logged.
        format_: how lines look, and where they go.
        stream: for lines; stderr where none is given.
        environ: where systemd says that stderr is the journal.
        journal: the socket of systemd's journal.
    """
    out = stream or sys.stderr
    processors: list[Any] = [structlog.processors.add_log_level, _module_last]
    writer: Writer[Any]
    there = Path(journal).exists()
    if format_ == "journal" and not there:
        print(f"log_format journal: there is no {journal}; lines are written instead", file=out)
        format_ = "console"
    if format_ == "journal" or (format_ == "auto" and there and journald.is_ours(out, environ)):
        writer = JournalWriter(journal)
        processors += [
            journald.where_it_was_logged(),
            structlog.processors.format_exc_info,
            journald.render,
        ]
    else:
        writer = LineWriter(out)
        processors.append(structlog.processors.TimeStamper(fmt="iso", utc=format_ == "json"))
        processors += _json() if format_ == "json" else [_console(out)]
    structlog.configure(
        processors=processors,
        wrapper_class=_Logger,
        logger_factory=lambda *_: _QueueLogger(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    set_level(level)
    return writer


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]


def _console(out: TextIO) -> Any:
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(),
        pad_event_to=0,
        # What rich makes of one, where it is installed, shows local variables: tokens and passwords too.
        exception_formatter=structlog.dev.plain_traceback,
    )
