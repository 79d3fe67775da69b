"""The system around the daemon: its unit, the log, memory, Python."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator

from evse_daemon import __version__
from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.doctor.machine import Machine

LITTLE_MEMORY_KIB = 64 << 10
"""Less memory at hand than this is warned of; a station needs about 50 MiB."""


def look_at_system(machine: Machine, unit: str) -> Iterator[Finding]:
    """The unit's state, whether the log lasts, and whether there is memory."""
    yield ok("system", f"evse-daemon {__version__}, Python {platform.python_version()}, {platform.machine()}")
    if sys.getfilesystemencoding().lower() != "utf-8":
        yield warning("system", "names of files are not in UTF-8", "set LANG=C.UTF-8")
    yield from _memory(machine)
    if (machine.root / "run/systemd/system").is_dir():
        yield from _unit(machine, unit)
        yield from _log(machine)


def look_at_libraries(libraries: Iterable[str], subject: str) -> Iterator[Finding]:
    """Whether Python packages that a driver loads later are there."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        yield problem(
            subject,
            f"it needs the Python package {', '.join(missing)}",
            "install the Debian package, or pip install 'evse-daemon[serial,can,modbus]'",
        )


def _memory(machine: Machine) -> Iterator[Finding]:
    for line in (machine.read("proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable" and (kib := int(value.split()[0])) < LITTLE_MEMORY_KIB:
            yield warning("system", f"only {kib >> 10} MiB of memory are at hand", "end what else runs here")


def _unit(machine: Machine, unit: str) -> Iterator[Finding]:
    subject = f"unit {unit}"
    told = machine.ask(
        ("systemctl", "show", unit, "-p", "LoadState,UnitFileState,ActiveState,Result,NRestarts")
    )
    if told is None:
        return
    state = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        return
    active = state.get("ActiveState", "?")
    if active == "failed":
        yield problem(
            subject,
            f"it has failed ({state.get('Result', '?')})",
            f"journalctl -u {unit} -e; systemctl restart {unit}",
        )
    elif active == "activating" and state.get("NRestarts", "0") not in ("", "0"):
        yield problem(
            subject, f"it has been started {state['NRestarts']} times and fails", f"journalctl -u {unit} -e"
        )
    elif state.get("UnitFileState") not in ("enabled", "static"):
        yield warning(subject, f"{active}, and not started at boot", f"systemctl enable --now {unit}")
    else:
        yield ok(subject, active)


def _log(machine: Machine) -> Iterator[Finding]:
    if (machine.root / "var/log/journal").is_dir():
        yield ok("log", "it lasts over a reboot")
    else:
        yield warning(
            "log",
            "a reboot empties it: why the charger stopped is not known then",
            "mkdir -p /var/log/journal && systemctl restart systemd-journald",
        )
