"""Enumerations as the boards of the Yeti family number them, and what every codec checks."""

from __future__ import annotations

import math
from typing import TypeVar, get_args

from drivers.board.messages import BadMessageError, Cable, Lock, Pilot, ResetReason

T = TypeVar("T", bound=str)

PILOTS: tuple[Pilot, ...] = get_args(Pilot)
CABLES: tuple[Cable, ...] = get_args(Cable)
LOCKS: tuple[Lock, ...] = get_args(Lock)[:3]
"""Of boards that do not report a lock that moves."""
MOVING_LOCKS: tuple[Lock, ...] = get_args(Lock)
RESET_REASONS: tuple[ResetReason, ...] = get_args(ResetReason)

MAX_VERSION = 50
"""Characters of a version text that the firmware reserves room for."""


def name_of(names: tuple[T, ...], number: int, what: str) -> T:
    """The name of an enumeration's number.

    Raises:
        BadMessageError: there is none.
    """
    if not 0 <= number < len(names):
        raise BadMessageError(f"{what} {number} is none of 0…{len(names) - 1}")
    return names[number]


def finite(what: str, *values: float) -> None:
    """Refuses NaN and infinity.

    Raises:
        BadMessageError: a value is neither.
    """
    for value in values:
        if not math.isfinite(value):
            raise BadMessageError(f"{what}: {value} is no finite number")


def printable_version(text: str) -> str:
    """A version text without what a terminal or log would stumble over, of the firmware's length at most."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_VERSION])
