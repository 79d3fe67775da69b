"""``evse-daemon doctor``: looks at the machine that is to run a configuration, and changes nothing."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from json import dumps
from pathlib import Path

import structlog

from evse_daemon.cli.run import RELEASED
from evse_daemon.config import ConfigurationError, RunConfig, load
from evse_daemon.config.units import state_folder, unit_of
from evse_daemon.doctor.account import Account, Looked, account
from evse_daemon.doctor.clock import look_at_clock
from evse_daemon.doctor.findings import Check, Finding, exit_status, ok, problem, run_checks, warning
from evse_daemon.doctor.machine import Machine
from evse_daemon.doctor.station import checks_of, questions_of
from evse_daemon.doctor.system import look_at_system
from evse_daemon.exit_codes import ExitCode


def doctor(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints what was found; returns the exit status."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # the report alone is printed
    try:
        who = account(arguments.user)
    except KeyError:
        print(f"there is no user {arguments.user}", file=sys.stderr)
        return ExitCode.USAGE
    found = look(arguments.config, arguments.state_dir, who, environ, Machine())
    print(_json(found, who) if arguments.json else _text(found, who))
    status = exit_status(found)
    if threading.active_count() > 1:
        # What hangs is not waited for.
        sys.stdout.flush()
        os._exit(status)
    return status


def look(
    path: Path, state_dir: Path | None, who: Account, environ: Mapping[str, str], machine: Machine
) -> list[Finding]:
    """All findings.

    Args:
        path: the run configuration.
        state_dir: of the command line; None: the units', or the configuration's.
        who: the user who will run the daemon.
        environ: may override the configuration.
        machine: where to look.
    """
    subject = f"configuration {path}"
    checks = [
        Check("clock", partial(look_at_clock, dt.datetime.now(dt.UTC).date(), RELEASED)),
        Check("system", partial(look_at_system, machine, unit_of(path))),
    ]
    try:
        config = load(path, environ)
    except ConfigurationError as error:
        count = len(error.problems)
        first = str(error.problems[0]).splitlines()[0].removeprefix(f"{path}: ")
        more = f" (and {count - 1} more)" if count > 1 else ""
        bad = problem(
            subject, f"{first}{more}", f"evse-daemon check-config {path}", status=ExitCode.CONFIGURATION
        )
        return [bad, *run_checks(checks)]
    folder = state_folder(path, state_dir, config.daemon.state_dir)
    rights = Looked(who, questions_of(config, folder))
    return [
        _configuration(config, subject),
        *run_checks([*checks_of(config, folder, who, rights, machine), *checks]),
    ]


def _configuration(config: RunConfig, subject: str) -> Finding:
    count = len(config.warnings)
    if count:
        what = f"{count} warning{'s' if count > 1 else ''}"
        return warning(subject, f"it can be used, with {what}", f"evse-daemon check-config {config.file}")
    return ok(subject, f"{len(config.modules)} modules")


def _text(found: Sequence[Finding], who: Account) -> str:
    lines = [f"As user {who.name}:"]
    for each in found:
        lines.append(f"{each.level:8} {each.subject}: {each.message}")
        if each.remedy:
            lines.append(f"{'':8} {each.remedy}")
    lines.append(_summary(found))
    return "\n".join(lines)


def _summary(found: Iterable[Finding]) -> str:
    counts = Counter(each.level for each in found)
    parts = [
        f"{counts[level]} {level}{'s' if counts[level] > 1 else ''}"
        for level in ("problem", "warning")
        if counts[level]
    ]
    return ", ".join(parts) or "all is well"


def _plain(finding: Finding) -> dict[str, str]:
    return {name: value for name, value in dataclasses.asdict(finding).items() if name != "status"}


def _json(found: Sequence[Finding], who: Account) -> str:
    report = {
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "user": who.name,
        "status": int(exit_status(found)),
        "findings": [_plain(each) for each in found],
    }
    return dumps(report, indent=2, ensure_ascii=False)
