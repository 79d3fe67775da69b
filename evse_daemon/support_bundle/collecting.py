"""Collects the parts of a bundle, each within its time: one that fails or hangs is a line of the manifest."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

CHUNK = 64 * 1024


class AbsentError(Exception):
    """There is nothing to collect here; the text says why."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle."""

    name: str
    """With slashes."""
    content: bytes
    cut: bool = False
    """There was more."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is collected."""

    name: str
    collect: Callable[[], Iterable[File]]
    """Raises AbsentError, or whatever it likes."""
    within_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a part."""

    name: str
    status: Literal["ok", "absent", "failed", "too late"]
    took_s: float
    files: tuple[File, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class _Attempt:
    files: tuple[File, ...] = ()
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


def collect(part: Part) -> Outcome:
    """Collects a part; a thread that hangs (a dead disk, a hung mount) is left behind."""
    attempt = _Attempt()

    def work() -> None:
        try:
            attempt.files = tuple(part.collect())
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are wanted
            attempt.error = error
        attempt.done.set()

    begin_s = time.monotonic()
    threading.Thread(target=work, name=part.name, daemon=True).start()
    in_time = attempt.done.wait(part.within_s)
    took_s = round(time.monotonic() - begin_s, 3)
    if not in_time:
        return Outcome(part.name, "too late", took_s, reason=f"not done within {part.within_s:g} s")
    match attempt.error:
        case None:
            return Outcome(part.name, "ok", took_s, attempt.files)
        case AbsentError() as absent:
            return Outcome(part.name, "absent", took_s, reason=str(absent))
        case error:
            return Outcome(part.name, "failed", took_s, reason=f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Said:
    """What a program has printed, and its exit status; None: it was ended because it took too long."""

    text: str
    status: int | None
    cut: bool


def ask(
    command: Sequence[str], within_s: float, most_bytes: int, environ: Mapping[str, str] | None = None
) -> Said:
    """Runs a program and keeps the end of what it prints.

    Raises:
        AbsentError: it is not installed.
        OSError: it cannot be run.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the callers' own commands, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise AbsentError(f"{command[0]} is not installed") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        if process.poll() is None:
            os.killpg(
                process.pid, signal.SIGKILL
            )  # with what it has started: that would keep its output open

    timer = threading.Timer(within_s, end)
    timer.daemon = True
    timer.start()
    kept, cut = bytearray(), False
    assert process.stdout is not None
    try:
        while chunk := os.read(process.stdout.fileno(), CHUNK):
            kept += chunk
            if len(kept) > 2 * most_bytes:
                del kept[:-most_bytes]
                cut = True
        status = process.wait()
    finally:
        timer.cancel()
        process.stdout.close()
    if len(kept) > most_bytes:
        del kept[:-most_bytes]
        cut = True
    return Said(kept.decode("utf-8", "replace"), None if late.is_set() else status, cut)
