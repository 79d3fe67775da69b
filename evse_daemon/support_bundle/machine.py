"""The parts of a bundle that tell of the computer: versions, logs, systemd, devices, disk, clock."""

from __future__ import annotations

import datetime as dt
import grp
import importlib.metadata
import os
import platform
import pwd
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from evse_daemon import __version__
from evse_daemon.support_bundle.collecting import AbsentError, File, Part, ask
from evse_daemon.support_bundle.redaction import Redactor
from evse_daemon.support_bundle.station import as_json

MOST_LOG_BYTES = 10 << 20
MOST_LOG_LINES = 100_000
MOST_BYTES = 1 << 20
MOST_ENTRIES = 500
"""Of a folder."""

_LIBRARIES = (
    "gmqtt pydantic pydantic-core PyYAML structlog pyserial pyserial-asyncio python-can can-isotp pymodbus protobuf"
    " cobs amqtt prometheus-client"
)

UNIT_PROPERTIES = (
    "ActiveState,SubState,Result,NRestarts,ExecMainPID,ExecMainStatus,ExecMainCode,ActiveEnterTimestamp,"
    "InactiveEnterTimestamp,StatusText,MemoryCurrent,MemoryPeak,CPUUsageNSec,TasksCurrent,FragmentPath,DropInPaths,"
    "UnitFileState,User,SupplementaryGroups"
)
"""Named one by one: ``Environment=`` is none of them."""

DEVICES = ("/dev/serial/by-id", "/dev/serial/by-path")
PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*", "gpiochip*")


class Machine:
    """The computer that the bundle is made on."""

    def __init__(
        self, unit: str, state_dir: Callable[[], Path], logs: Sequence[Path], redactor: Redactor
    ) -> None:
        self._unit = unit
        self._state_dir = state_dir
        self._logs = logs
        self._redactor = redactor

    def parts(self) -> list[Part]:
        return [
            Part("versions", self._versions, 10),
            Part("log", self._log, 60),
            Part("systemd", self._systemd, 15),
            Part("devices", self._devices, 10),
            Part("network", self._network, 10),
            Part("disk", self._disk, 10),
            Part("clock", self._clock, 15),
            *(Part(f"log {path}", partial(self._log_file, path), 60) for path in self._logs),
        ]

    def _versions(self) -> Iterator[File]:
        yield as_json(
            "versions.json",
            {
                "evse-daemon": __version__,
                "python": sys.version,
                "sqlite": sqlite3.sqlite_version,
                "libraries": {name: version for name in _LIBRARIES.split() if (version := _version(name))},
                "kernel": platform.release(),
                "machine": platform.machine(),
                "system": _os_release(),
                "mosquitto": _mosquitto(),
            },
        )

    def _log(self) -> Iterator[File]:
        command = (
            f"journalctl --unit {self._unit} --no-pager --output short-iso-precise --lines {MOST_LOG_LINES}"
        )
        said = ask(command.split(), 45, MOST_LOG_BYTES)
        yield self._text("log.txt", said.text, cut=said.cut or said.status is None)

    def _log_file(self, path: Path) -> Iterator[File]:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_LOG_BYTES))
            text = file.read(MOST_LOG_BYTES).decode("utf-8", "replace")
        yield self._text(f"log-{path.name}.txt", text, cut=size > MOST_LOG_BYTES)

    def _systemd(self) -> Iterator[File]:
        shown = ask(["systemctl", "show", self._unit, "--property", UNIT_PROPERTIES], 10, MOST_BYTES)
        yield self._text("systemd.txt", shown.text, cut=shown.cut)

    def _devices(self) -> Iterator[File]:
        lines = [f"# as {_who()}"]
        for folder in DEVICES:
            lines += _listed(folder, _entries(folder))
        for pattern in PORTS:
            lines += _listed(f"/dev/{pattern}", sorted(Path("/dev").glob(pattern)))
        yield self._text("devices.txt", "\n".join(lines))

    def _network(self) -> Iterator[File]:
        said = ask(["ip", "-details", "-statistics", "link", "show"], 5, MOST_BYTES)
        yield self._text("network.txt", said.text, cut=said.cut)

    def _disk(self) -> Iterator[File]:
        folder = self._state_dir()
        lines = []
        for place in (folder, Path("/"), Path("/var/log"), Path("/tmp")):  # noqa: S108 - it is only looked at
            try:
                total, used, free = shutil.disk_usage(place)
                lines.append(f"{place}: {free >> 20} MiB free of {total >> 20} MiB, {used >> 20} MiB used")
            except OSError as error:
                lines.append(f"{place}: {error.strerror}")
        lines += ["", f"# {folder}", *_listed(str(folder), _entries(folder))]
        lines += [
            "",
            "# mounts",
            *(line for line in _read("/proc/mounts").splitlines() if line.startswith("/")),
        ]
        yield self._text("disk.txt", "\n".join(lines))

    def _clock(self) -> Iterator[File]:
        now = dt.datetime.now(dt.UTC)
        lines = [
            f"now {now.isoformat()}",
            f"monotonic {time.monotonic():.0f} s",
            f"uptime {_read('/proc/uptime').partition(' ')[0]} s",
        ]
        try:
            lines.append(ask(["timedatectl", "show"], 5, MOST_BYTES).text)
        except AbsentError as absent:
            lines.append(str(absent))
        yield self._text("clock.txt", "\n".join(lines))

    def _text(self, name: str, text: str, *, cut: bool = False) -> File:
        return File(name, self._redactor.text(text).encode("utf-8", "replace"), cut)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _mosquitto() -> str:
    for program in ("mosquitto", "/usr/sbin/mosquitto"):
        try:
            return ask([program, "-h"], 3, 4096).text.partition("\n")[0]
        except (AbsentError, OSError):
            continue
    return "not installed here"


def _os_release() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return "unknown"


def _who() -> str:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}, groups {' '.join(_group(number) for number in os.getgroups())}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _entries(folder: Path | str) -> list[Path]:
    try:
        return sorted(Path(folder).iterdir())[:MOST_ENTRIES]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OSError(f"{folder}: {error.strerror}") from None


def _listed(what: str, paths: Iterable[Path]) -> list[str]:
    """As ``ls -l``."""
    lines = []
    for path in paths:
        try:
            found = path.lstat()
        except OSError as error:
            lines.append(f"{path}: {error.strerror}")
            continue
        link = f" -> {path.readlink()}" if stat.S_ISLNK(found.st_mode) else ""
        when = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
        lines.append(
            f"{stat.filemode(found.st_mode)} {found.st_uid} {_group(found.st_gid)} {found.st_size:>12}"
            f" {when:%Y-%m-%dT%H:%M:%SZ} {path}{link}"
        )
    return lines or [f"{what}: nothing there"]


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        return f"{path}: {error.strerror}\n"
