"""Frames of the reference implementation's own encoder: every one of drivers-vectors.txt where that is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[3] / "shared" / "reference" / "drivers-vectors.txt"


@dataclass(frozen=True, slots=True)
class Vector:
    name: str
    message: bytes
    frame: bytes


def read(heading: str) -> list[Vector]:
    """The vectors below a heading of the file ("Yeti EVerest->MCU"); none where the file is not there."""
    found: list[Vector] = []
    inside = False
    for line in FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else ():
        if line.startswith("#"):
            inside = line.strip("# ") == heading
        elif inside and " pb=" in line:
            name, _, rest = line.partition(" pb=")
            message, _, frame = rest.partition("  frame=")
            found.append(Vector(name.strip(), bytes.fromhex(message), bytes.fromhex(frame)))
    return found
