"""What a check finds, and how checks are run: side by side, each within its time, none ending another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evse_daemon.exit_codes import ExitCode

WITHIN_S = 2.0
"""How long a check may take."""

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    """``problem``: the station will not work as configured. ``warning``: it will, and may not for ever."""
    subject: str
    """What was looked at: ``serial port /dev/ttyUSB0 (yeti_driver)``."""
    message: str
    remedy: str = ""
    """What to do; empty where all is well."""
    status: ExitCode = ExitCode.FAILED
    """Of a problem: the exit status, where there is no other."""


def ok(subject: str, message: str) -> Finding:
    return Finding("ok", subject, message)


def warning(subject: str, message: str, remedy: str = "") -> Finding:
    return Finding("warning", subject, message, remedy)


def problem(subject: str, message: str, remedy: str = "", status: ExitCode = ExitCode.FAILED) -> Finding:
    return Finding("problem", subject, message, remedy, status)


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at."""

    subject: str
    look: Callable[[], Iterable[Finding]]


def run_checks(checks: Sequence[Check], within_s: float = WITHIN_S) -> list[Finding]:
    """All findings, in the order of the checks.

    What a check found before it failed or ran out of time is told too. A thread that hangs is left behind.
    """
    found: list[list[Finding]] = [[] for _ in checks]
    threads = [_started(check, into) for check, into in zip(checks, found, strict=True)]
    until_s = time.monotonic() + within_s
    result: list[Finding] = []
    for check, thread, into in zip(checks, threads, found, strict=True):
        thread.join(max(0.0, until_s - time.monotonic()))
        result += into
        if thread.is_alive():
            result.append(
                warning(check.subject, f"this did not end within {within_s:g} s, and was not waited for")
            )
    return result


def exit_status(findings: Iterable[Finding]) -> ExitCode:
    """What the problems come to: the status of the one kind that there is, FAILED where there are several."""
    statuses = {found.status for found in findings if found.level == "problem"}
    if ExitCode.CONFIGURATION in statuses:
        return ExitCode.CONFIGURATION
    if len(statuses) > 1:
        return ExitCode.FAILED
    return statuses.pop() if statuses else ExitCode.OK


def _started(check: Check, into: list[Finding]) -> threading.Thread:
    def work() -> None:
        try:
            into.extend(check.look())
        except Exception as error:  # noqa: BLE001 - a check that fails does not end the others
            into.append(
                warning(
                    check.subject,
                    f"this could not be looked at: {type(error).__name__}: {error}",
                    "where this is not a right that is missing, please report it",
                )
            )

    thread = threading.Thread(target=work, name=f"doctor {check.subject}", daemon=True)
    thread.start()
    return thread
