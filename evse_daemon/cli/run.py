"""``evse-daemon run``: a station until it is told to end."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from evse_daemon.config import ConfigurationError, RunConfig, load
from evse_daemon.config.document import Item
from evse_daemon.config.loading import load_with_lines
from evse_daemon.config.remembered import remember
from evse_daemon.event_log import EventLog
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.clock import RealClock
from evse_daemon.process.executor import UnwaitedExecutor
from evse_daemon.process.hangups import Hangups, Source
from evse_daemon.process.run_station import run_station
from evse_daemon.store import SqliteJournal
from evse_daemon.store.lock import FolderTaken, locked
from evse_daemon.store.retention import Limits

RELEASED = dt.date(2026, 1, 1)
"""No computer that runs this can be earlier: its clock has lost its battery, or found no time server yet."""

log = structlog.get_logger("evse_daemon")


def run(config_path: Path, state_dir: Path | None, environ: Mapping[str, str]) -> int:
    """Runs the station of a configuration file; returns the exit status."""
    hangups = Hangups()
    try:
        config = load(config_path, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    folder = _folder(config, state_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it names cards
    except OSError as error:
        print(f"transactions cannot be stored in {folder}: {error}", file=sys.stderr)
        return ExitCode.FAILED
    config = _with_state_in(config, state_dir)
    writer = logging_setup.configure(config.daemon.log_level, config.daemon.log_format)

    def read_again() -> tuple[RunConfig, Item]:
        wanted, document = load_with_lines(config_path, environ)
        return _with_state_in(wanted, state_dir), document

    threads = UnwaitedExecutor(thread_name_prefix="asyncio")
    try:
        with locked(folder):
            remember(config_path, folder)
            source = Source(hangups, read_again, partial(remember, config_path, folder))
            status = asyncio.run(_run(config, folder, source, threads))
    except FolderTaken as error:
        print(error, file=sys.stderr)
        return ExitCode.STATION_ONLINE
    finally:
        hangups.detach()
        writer.close()
    if threads.hangs():
        sys.stdout.flush()
        os._exit(status)
    return status


def _folder(config: RunConfig, state_dir: Path | None) -> Path:
    return state_dir or config.daemon.state_dir or Path("state")


def _with_state_in(config: RunConfig, state_dir: Path | None) -> RunConfig:
    daemon = config.daemon.model_copy(update={"state_dir": _folder(config, state_dir)})
    return replace(config, daemon=daemon)


async def _run(config: RunConfig, state_dir: Path, source: Source, threads: UnwaitedExecutor) -> int:
    asyncio.get_running_loop().set_default_executor(threads)
    for warning in config.warnings:
        log.warning(warning.message, where=f"{config.file}:{warning.line}")
    today = RealClock().utc().date()
    if today < RELEASED:
        log.warning(
            "the clock of this computer is wrong: charging goes on, with wrong times in the transactions",
            says=str(today),
            remedy="Set the clock, or let a time server do it (timedatectl).",
        )
    # Where it cannot be used, it says so itself, and no transaction starts until it can.
    limits = Limits(config.daemon.history_days, config.daemon.history_mb << 20)
    journal = SqliteJournal(state_dir / "journal.db", asyncio.get_running_loop(), limits)
    try:
        return await run_station(config, config.broker(), journal, taps=lambda _: [EventLog()], source=source)
    finally:
        journal.close()
