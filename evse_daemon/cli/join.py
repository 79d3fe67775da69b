"""``evse-daemon join --module ID …``: modules of ours in a station whose manager is EVerest's."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from evse_daemon.cli.broker_options import place
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.standalone.join import Member, Part
from evse_daemon.standalone.joined import JoinError
from evse_daemon.store import SqliteJournal
from evse_daemon.store.lock import FolderTaken, locked


def join(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Takes part until SIGTERM, Ctrl-C or the manager's shutdown; returns the exit status."""
    try:
        where = place(arguments, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    folder: Path = arguments.state_dir or Path("state")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it names cards
    except OSError as error:
        print(f"transactions cannot be stored in {folder}: {error}", file=sys.stderr)
        return ExitCode.FAILED
    part = Part(
        tuple(dict.fromkeys(arguments.module)),
        where.broker,
        where.everest_prefix,
        where.external_prefix,
        arguments.config_messages,
    )
    writer = logging_setup.configure("info", "auto")
    try:
        with locked(folder, shared=True):
            return asyncio.run(_join(part, folder))
    except FolderTaken as error:
        print(error, file=sys.stderr)
        return ExitCode.STATION_ONLINE
    finally:
        writer.close()


async def _join(part: Part, folder: Path) -> int:
    loop = asyncio.get_running_loop()
    until = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)
    gc.enable()
    journal = SqliteJournal(folder / "journal.db", loop)
    try:
        await Member(part, journal, until).run()
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    except JoinError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    finally:
        journal.close()
    return ExitCode.OK
