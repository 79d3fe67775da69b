"""``evse-daemon make-safe CONFIG``: commands the boards off that a daemon which has died may have left on.

systemd runs it when the daemon has ended (ExecStopPost). Boards switch off by themselves only where they watch their
host, which published firmware does not (docs/hardware.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from evse_daemon.config import ConfigurationError, Problem, RunConfig
from evse_daemon.config.loading import load_modules
from evse_daemon.config.model import DaemonSettings, ModuleConfig, Settings
from evse_daemon.config.remembered import remembered
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework.bus import Inbox
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Message
from evse_daemon.framework.switch_off import SwitchesOffAlone
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal

WITHIN_S = 1.3
"""How long all boards together may take: each has its own thread, and none waits for another."""

SERVICE_RESULT = "SERVICE_RESULT"
"""By it systemd says how the daemon ended (systemd.exec)."""


def make_safe(path: Path, environ: Mapping[str, str], state_dir: Path | None = None) -> int:
    """Commands every board of a configuration off, prints one line for each, and never raises.

    What is wrong elsewhere in the configuration does not matter here.

    Args:
        path: the run configuration.
        environ: the environment.
        state_dir: of the daemon: what it was started with is kept there, and counts before the file, which may have
            been changed or broken since.

    Returns:
        The exit status: 0 where every board is off for sure.
    """
    # The answers alone are on stdout; what drivers log is not among them.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    if environ.get(SERVICE_RESULT) == "success":
        print("make-safe: the daemon ended in order, and has switched off itself")
        return ExitCode.OK
    if _never_had_the_boards(environ):
        print("make-safe: another daemon runs this station, and has its boards: nothing was switched off")
        return ExitCode.OK
    try:
        modules, problems = _modules(path, remembered(state_dir))
    except ConfigurationError as error:
        print(f"make-safe: no board could be commanded off: {error}", file=sys.stderr)
        return ExitCode.CONFIGURATION
    boards = {
        module_id: entry
        for module_id, entry in modules.items()
        if issubclass(entry.cls, SwitchesOffAlone) and not entry.standalone
    }
    unread = [found for found in problems if not any(_is_of(found.path, module_id) for module_id in modules)]
    for problem in unread:
        print(f"make-safe: not commanded off, where it is a board: {problem}", file=sys.stderr)
    if not boards:
        print("make-safe: no driver of a board is configured: there is nothing to switch off")
        return ExitCode.CONFIGURATION if unread else ExitCode.OK
    answers: dict[str, tuple[bool, str]] = {}
    workers = [_started(module_id, entry, answers) for module_id, entry in boards.items()]
    for worker in workers:
        # The first may use the time of all: they work at the same time.
        worker.join(WITHIN_S if worker is workers[0] else 0.05)
    for module_id in boards:
        _, said = answers.get(module_id, (False, f"did not take a command within {WITHIN_S:g} s"))
        print(f"make-safe: {module_id}: {said}")
    off = not unread and all(answers.get(module_id, (False, ""))[0] for module_id in boards)
    status = ExitCode.OK if off else ExitCode.FAILED
    if threading.active_count() > 1:
        # A device that blocks is not waited for.
        sys.stdout.flush()
        os._exit(status)
    return status


def _never_had_the_boards(environ: Mapping[str, str]) -> bool:
    """Whether the daemon ended because another one has the state: it had opened no board yet."""
    how, status = environ.get("EXIT_CODE"), environ.get("EXIT_STATUS")
    return how == "exited" and status == str(int(ExitCode.STATION_ONLINE))


def _modules(path: Path, kept: Path | None) -> tuple[dict[str, ModuleConfig], tuple[Problem, ...]]:
    if kept is not None:
        with contextlib.suppress(ConfigurationError):
            return load_modules(kept)
    return load_modules(path)


def _is_of(path: str, module_id: str) -> bool:
    return path.startswith((f"active_modules.{module_id}.", f"{module_id}."))


def _started(module_id: str, entry: ModuleConfig, answers: dict[str, tuple[bool, str]]) -> threading.Thread:
    def work() -> None:
        try:
            answers[module_id] = asyncio.run(_switch_off(entry))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other boards are commanded
            answers[module_id] = False, f"could not be commanded off: {type(error).__name__}: {error}"

    worker = threading.Thread(target=work, name=module_id, daemon=True)
    worker.start()
    return worker


async def _switch_off(entry: ModuleConfig) -> tuple[bool, str]:
    config = RunConfig("make-safe", Settings(), DaemonSettings(), {entry.module_id: entry})
    station = Station(config, RealClock(), MemoryJournal(), asyncio.get_running_loop().call_soon)
    station.build(_NoMqtt())
    module = station.modules[entry.module_id]
    assert isinstance(module, SwitchesOffAlone)
    return await module.switch_off_alone()


class _NoMqtt:
    """There is no broker, and none is needed."""

    connected = False

    def publish(self, topic: str, payload: str, **how: Any) -> None:
        """Nobody hears it."""

    def subscribe(self, topic: str, inbox: Inbox, handler: Callable[[Message], None], **how: Any) -> None:
        """Nothing is ever heard."""
