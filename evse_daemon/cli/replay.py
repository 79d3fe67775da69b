"""``evse-daemon replay FILE``: publishes the messages of a recording again (seed 000, "Message Replay").

Variables and errors, unless other kinds are named: those of a daemon's own modules change nothing inside it, since of these
it takes only commands from the broker. Nothing is retained.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from evse_daemon.cli.broker_options import Place, place
from evse_daemon.cli.message_filter import MessageFilter, filter_of
from evse_daemon.cli.recording import COMMENT, MAX_LINE_BYTES, Line, read_line
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.mqtt.client import MqttConnection
from evse_daemon.mqtt.decoded import decode
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable

KINDS = ("var", "error")
"""What is replayed where nothing else is asked for."""

QOS = 2
"""Each message once and in order, whatever it was published with; a subscriber of a lower one gets that."""

PAUSE_S = 0.1
"""Between messages whose lines have no time: the seed's own pause."""


class RecordingError(Exception):
    """The file cannot be replayed; the text says where and why."""


class Pace:
    """When the next message is due.

    Args:
        speed: recorded seconds in each real second.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._last_s: float | None = None

    def wait_s(self, at_s: float | None) -> float:
        """Seconds from the message before until this one; none where the recorder's clock was set back."""
        if at_s is None:
            wait_s = PAUSE_S
        else:
            wait_s = 0.0 if self._last_s is None else max(0.0, at_s - self._last_s)
            self._last_s = at_s
        return wait_s / self._speed


def replay(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Replays a file; returns the exit status."""
    try:
        where = place(arguments, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    log_writer = logging_setup.configure("info", "console")
    try:
        with arguments.file.open("rb") as file:
            return asyncio.run(_replay(arguments, where, file))
    except RecordingError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    except OSError as error:
        print(f"{arguments.file} cannot be read: {error.strerror or error}", file=sys.stderr)
        return ExitCode.FAILED
    finally:
        log_writer.close()


def read(path: Path, file: BinaryIO) -> Iterator[Line]:
    """The messages of a recording; its comments, such as of messages that are missing, are printed.

    Raises:
        RecordingError: a line is none of a recording.
    """
    number = 0
    while data := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(data) > MAX_LINE_BYTES:
            raise RecordingError(f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes; is this a recording?")
        try:
            text = data.decode("utf-8")
            line = read_line(text)
        except UnicodeDecodeError:
            raise RecordingError(f"{path}:{number}: not UTF-8; is this a recording?") from None
        except ValueError as error:
            raise RecordingError(f"{path}:{number}: {error}") from None
        if line is not None:
            yield line
        elif text.startswith(COMMENT):
            print(f"{path}:{number}: {text[1:].strip()}", file=sys.stderr)


async def _replay(arguments: argparse.Namespace, where: Place, file: BinaryIO) -> int:
    connection = MqttConnection(
        "replay", f"evse-daemon-replay-{secrets.token_hex(6)}", where.broker, clean=True
    )
    try:
        await connection.start()
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    gc.enable()  # the command line has switched it off
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    wanted = filter_of(arguments, KINDS)
    counts = _Counts()
    try:
        await _publish_all(
            connection, where, wanted, Pace(arguments.speed), read(arguments.file, file), counts
        )
    except asyncio.CancelledError:
        print(counts.describe(), file=sys.stderr)
        return ExitCode.INTERRUPTED
    finally:
        await connection.stop()
    print(counts.describe(), file=sys.stderr)
    return ExitCode.OK


class _Counts:
    def __init__(self) -> None:
        self.replayed = 0
        self.left_out = 0

    def describe(self) -> str:
        return f"{self.replayed} messages were replayed, {self.left_out} of other kinds or names left out."


async def _publish_all(
    connection: MqttConnection,
    where: Place,
    wanted: MessageFilter,
    pace: Pace,
    lines: Iterator[Line],
    counts: _Counts,
) -> None:
    topics = Topics(where.everest_prefix)
    due_s = time.monotonic()
    last: asyncio.Future[None] | None = None
    for line in lines:
        due_s += pace.wait_s(line.at_s)
        payload = line.payload.encode("utf-8")
        if not wanted.wants(decode(topics, line.topic, payload)):
            counts.left_out += 1
            continue
        if (left_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        try:
            last = await connection.send(line.topic, payload, QOS)
        except ValueError as error:
            raise RecordingError(f"{error}") from None
        counts.replayed += 1
    if last is not None:
        await last
