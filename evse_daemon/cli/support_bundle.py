"""``evse-daemon support-bundle``: writes one file with what somebody from outside needs to help."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from evse_daemon import __version__
from evse_daemon.config.units import unit_of
from evse_daemon.exit_codes import ExitCode
from evse_daemon.support_bundle import archive
from evse_daemon.support_bundle.collecting import Outcome, Part, collect
from evse_daemon.support_bundle.machine import Machine
from evse_daemon.support_bundle.redaction import Redactor
from evse_daemon.support_bundle.station import Station

STDOUT = "-"
LEARN_S = 20.0


def support_bundle(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Collects, writes, and says what is missing; returns the exit status."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    now = dt.datetime.now(dt.UTC)
    name = f"evse-daemon-support-{now:%Y%m%dT%H%M%SZ}"
    redactor = Redactor(secrets.token_bytes(16))
    redactor.learn(value for variable, value in environ.items() if _is_secret(variable))
    station = Station(arguments.config, arguments.state_dir, environ, redactor)
    machine = Machine(unit_of(arguments.config), lambda: station.state_dir, arguments.log, redactor)
    parts = [Part("read the configuration", station.learn, LEARN_S), *station.parts(), *machine.parts()]
    outcomes = [_without_secrets(collect(part), redactor) for part in parts]
    head = {
        "made": now.isoformat(timespec="seconds"),
        "by": f"evse-daemon {__version__}",
        "configuration": str(arguments.config),
        "left_out": "passwords, keys, tokens; cards are named by their end and a name that is this bundle's own",
    }
    files = [file for outcome in outcomes for file in outcome.files]
    content = archive.packed(name, [archive.manifest(head, outcomes), *files], now.timestamp())
    path = arguments.output or Path(f"{name}.tar.gz")
    try:
        if str(path) == STDOUT:
            archive.write_to_stdout(content)
        else:
            archive.write(path, content)
    except OSError as error:
        print(f"the bundle cannot be written to {path}: {error.strerror or error}", file=sys.stderr)
        return _exit(ExitCode.FAILED)
    for outcome in outcomes:
        if outcome.status != "ok":
            print(f"not in it: {outcome.name}: {outcome.reason}", file=sys.stderr)
    if str(path) != STDOUT:
        print(path)
    return _exit(ExitCode.OK)


def _without_secrets(outcome: Outcome, redactor: Redactor) -> Outcome:
    return Outcome(outcome.name, outcome.status, outcome.took_s, outcome.files, redactor.text(outcome.reason))


def _is_secret(variable: str) -> bool:
    return any(word in variable.upper() for word in ("PASSWORD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"))


def _exit(status: ExitCode) -> ExitCode:
    if threading.active_count() > 1:  # a part hangs: it is not waited for
        sys.stdout.flush()
        os._exit(status)
    return status
