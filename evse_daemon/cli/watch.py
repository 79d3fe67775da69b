"""``evse-daemon watch``: shows what the modules of a station say to each other, and records it.

It disturbs nobody: a clean session, no last will, nothing published. Where its output is slow, messages are dropped and
counted; the broker is always read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import gc
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from evse_daemon.cli.broker_options import Place, place
from evse_daemon.cli.message_filter import MessageFilter, filter_of
from evse_daemon.cli.message_view import as_json, as_text
from evse_daemon.cli.recording import COMMENT, write_line
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.decoded import decode
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable

QOS = 2
"""Of the subscriptions: each message comes as it was published, none is made more or less of."""

CLOSE_OUTPUT_S = 0.2
"""How long the end waits for a terminal that does not take its lines."""

CLOSE_FILE_S = 5.0
"""How long the end of a recording may take to reach the disk."""


class _Lines(logging_setup.LineWriter):
    """Lines that are worth nothing to us once their reader is gone."""

    def __init__(self, stream: TextIO, gone: Callable[[OSError], None], note: str) -> None:
        self._gone = gone
        self._note = note
        super().__init__(stream)

    def drop_note(self, dropped: int) -> str:
        return self._note.format(dropped)

    def lost(self, error: OSError) -> None:
        self._gone(error)


class _Watch:
    """One run: where messages go, and why it ended."""

    def __init__(self, arguments: argparse.Namespace, where: Place, notes: logging_setup.Writer[str]) -> None:
        self.topics = Topics(where.everest_prefix, where.external_prefix)
        self.unrecordable = 0
        self.ended = asyncio.Event()
        self.status = ExitCode.OK
        self._notes = notes
        self._json: bool = arguments.json
        self._filter: MessageFilter = filter_of(arguments)
        self._loop = asyncio.get_running_loop()
        # The time of day may be set meanwhile; distances in a recording are those that were.
        self._began, self._began_s = dt.datetime.now(dt.UTC), time.monotonic()
        note = '{{"dropped":{}}}' if self._json else "… {} messages were dropped: the output was blocked"
        self.out = _Lines(sys.stdout, self._reader_gone, note)
        self.file: _Lines | None = None

    def record(self, stream: TextIO) -> None:
        """Records from now on."""
        self.file = _Lines(
            stream, self._disk_failed, f"{COMMENT} {{}} messages are missing: the disk was too slow"
        )

    def hear(self, inbound: Inbound) -> None:
        """A message from the broker."""
        message = decode(self.topics, inbound.topic, inbound.payload)
        if not self._filter.wants(message):
            return
        at = self._began + dt.timedelta(seconds=time.monotonic() - self._began_s)
        self.out.write((as_json if self._json else as_text)(at, message, inbound))
        if self.file is not None:
            line = write_line(at, inbound.topic, inbound.payload)
            if line is None:
                self.unrecordable += 1
            else:
                self.file.write(line)

    def state(self, connected: bool) -> None:
        """The connection was made, or is lost."""
        if not connected and self.file is not None and not self.ended.is_set():
            self.file.write(f"{COMMENT} messages may be missing: the connection to the broker was lost")

    def _reader_gone(self, _error: OSError) -> None:
        """As at the end of ``evse-daemon watch | head``: nobody looks on, and that is no failure."""
        self._end_soon(ExitCode.OK)

    def _disk_failed(self, error: OSError) -> None:
        if not self.ended.is_set():
            self._notes.write(f"The recording ends: {error.strerror or error}.")
        self._end_soon(ExitCode.FAILED)

    def _end_soon(self, status: ExitCode) -> None:
        """From the thread of an output."""

        def end() -> None:
            self.status = self.status or status
            self.ended.set()

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(end)


def watch(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Watches until Ctrl-C; returns the exit status."""
    try:
        where = place(arguments, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    if arguments.record is None:
        return _run(arguments, where, None)
    try:
        with arguments.record.open("w", encoding="utf-8") as file:
            return _run(arguments, where, file)
    except OSError as error:
        print(f"{arguments.record} cannot be written: {error.strerror or error}", file=sys.stderr)
        return ExitCode.FAILED


def _run(arguments: argparse.Namespace, where: Place, file: TextIO | None) -> int:
    notes = logging_setup.configure("info", "console")
    try:
        return asyncio.run(_watch(arguments, where, file, notes))
    finally:
        notes.close()


async def _watch(
    arguments: argparse.Namespace, where: Place, file: TextIO | None, notes: logging_setup.Writer[str]
) -> int:
    watching = _Watch(arguments, where, notes)
    if file is not None:
        watching.record(file)
    connection = MqttConnection(
        "watch",
        f"evse-daemon-watch-{secrets.token_hex(6)}",
        where.broker,
        clean=True,
        on_message=watching.hear,
        on_state=watching.state,
        subscriptions=[(topic, QOS) for topic in (*watching.topics.whole_station, *arguments.topic)],
    )
    loop = asyncio.get_running_loop()
    try:
        await connection.start()
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, watching.ended.set)
    gc.enable()  # the command line has switched it off
    for topic in connection.refused_subscriptions:
        notes.write(f"The broker does not let us hear {topic}.")
    notes.write(f"Watching {where.everest_prefix}/ on {where.broker.describe()}; Ctrl-C ends it.")
    await watching.ended.wait()
    await connection.stop()
    watching.out.close(CLOSE_OUTPUT_S)
    if watching.file is not None:
        watching.file.close(CLOSE_FILE_S)
    if watching.unrecordable:
        notes.write(f"{watching.unrecordable} messages could not be recorded: they are not one line of text.")
    return watching.status
