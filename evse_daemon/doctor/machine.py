"""The machine as checks see it; a test hands in another."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM_S = 1.5
"""How long a program that is asked may take."""


def ask(command: Sequence[str]) -> str | None:
    """What a program that only tells prints; None where there is none, or it fails."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system, with arguments of ours
            [program, *command[1:]],
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look."""

    root: Path = Path("/")
    """Of /proc, /sys, /run, /var and /dev/serial; devices and folders of the configuration are meant as they are."""
    ask: Callable[[Sequence[str]], str | None] = ask
    """Asks a program."""

    @property
    def proc(self) -> Path:
        return self.root / "proc"

    def read(self, path: str) -> str | None:
        """A small file below the root, without white space at its ends; None where it cannot be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return None
