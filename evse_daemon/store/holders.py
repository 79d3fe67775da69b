"""Which other processes have a file, folder or device open, as far as /proc tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

_NAMES = ("evse-daemon", "evse_daemon")
_STATIONS = ("run", "simulate", "join")
"""The commands that are a station, or a part of one, for as long as they run."""


class Holder(NamedTuple):
    """A process."""

    pid: int
    name: str
    """Of its program. Its arguments are not told: there may be passwords among them."""
    is_station: bool
    """It is an evse-daemon that runs a station; a look at one (doctor, watch) is none."""

    def __str__(self) -> str:
        return f"{self.name}, pid {self.pid}"


def holders(path: Path | str, proc: Path = Path("/proc")) -> list[Holder]:
    """The processes, but for this one, that have it open; those of other users are seen by root alone."""
    wanted = os.path.realpath(path)
    ours = str(os.getpid())
    found = [
        described(process)
        for process in _processes(proc)
        if process.name != ours and _has_open(process, wanted)
    ]
    return sorted(found, key=lambda holder: holder.pid)


def described(process: Path) -> Holder:
    """The process of a folder of /proc."""
    name, command = "?", []
    with contextlib.suppress(OSError):
        name = (process / "comm").read_text("utf-8", "replace").strip()
        command = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:4]
    ours = _command_of_ours([os.path.basename(word) for word in command])  # noqa: PTH119 - words of a command line
    return Holder(int(process.name), name if ours is None else "evse-daemon", ours in _STATIONS)


def running(names: frozenset[str], proc: Path = Path("/proc")) -> list[Holder]:
    """The processes whose program has one of these names."""
    return [found for process in _processes(proc) if (found := described(process)).name in names]


def _command_of_ours(words: list[str]) -> str | None:
    """What an evse-daemon was told to do; None for other programs, such as a sudo that has started one."""
    if not words or not (words[0] in _NAMES or words[0].startswith("python")):
        return None
    return next((then for word, then in zip(words, [*words[1:], ""], strict=True) if word in _NAMES), None)


def _processes(proc: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [entry for entry in proc.iterdir() if entry.name.isdecimal()]
    return []


def _has_open(process: Path, wanted: str) -> bool:
    # The links are read, not followed: a file on a network disk that hangs would hold us up.
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()) == wanted:
                    return True
    return False
