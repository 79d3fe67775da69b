"""Frames of the reference implementation's own encoder: every one of drivers-vectors.txt where that is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "shared" / "reference" / "drivers-vectors.txt"


@dataclass(frozen=True, slots=True)
class Vector:
    name: str
    message: bytes
    frame: bytes


def read(*headings: str) -> list[Vector]:
    """The vectors below headings of the file ("Yeti EVerest->MCU"); where the file is not there, the test is skipped."""
    if not FILE.exists():
        pytest.skip(f"NOT TESTED: the published frames are not at {FILE}")
    return [vector for heading in headings for vector in _below(heading)]


def _below(heading: str) -> list[Vector]:
    found: list[Vector] = []
    inside = False
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            inside = line.strip("# ") == heading
        elif inside and " pb=" in line:
            name, _, rest = line.partition(" pb=")
            message, _, frame = rest.partition("  frame=")
            found.append(Vector(name.strip(), bytes.fromhex(message), bytes.fromhex(frame)))
    return found
