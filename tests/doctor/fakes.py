"""A machine made of files, and rights that are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evse_daemon.doctor.account import Account
from evse_daemon.doctor.findings import Finding
from evse_daemon.doctor.machine import Machine

WHO = Account("evse-daemon", 990, 990, frozenset({990}))


class Given:
    """Rights: everything but what is refused."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused

    def may(self, path: str, mode: int) -> bool | None:
        return path not in self._refused


class Unknown(Given):
    """Nothing could be found out."""

    def may(self, path: str, mode: int) -> bool | None:
        return None


def machine(root: Path, programs: Mapping[str, str] | None = None, **files: str) -> Machine:
    """A machine with these files below a root, and what programs print, by their first word."""

    def ask(command: Sequence[str]) -> str | None:
        return (programs or {}).get(command[0])

    for name, text in files.items():
        write(root, name.replace("__", "/"), text)
    return Machine(root, ask)


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def process(root: Path, pid: int, name: str, *, has: str = "", command: str = "") -> None:
    """A process in /proc."""
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(name)
    (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
    if has:
        (folder / "fd" / "5").symlink_to(has)


def said(found: Iterable[Finding]) -> list[str]:
    """What a person reads, without the subjects."""
    return [f"{each.level}: {each.message}" + (f" → {each.remedy}" if each.remedy else "") for each in found]
