"""The language that breaks a simulated board: ``weld on;hang 3``, in the manner of the car's (ev_manager/commands.py)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from simulators.yeti_firmware.messages import ErrorFlags, PpState, ResetReason, Version

MAX_LENGTH = 1000

FLAGS = tuple(field.name for field in dataclasses.fields(ErrorFlags))


class FaultError(ValueError):
    """A text is no fault; the message says why, and nothing of it is done."""


@dataclass(frozen=True, slots=True)
class Noise:
    """This part of the bytes on the line is changed, either way."""

    part: float


@dataclass(frozen=True, slots=True)
class Loss:
    """This part of the bytes on the line is lost, either way."""

    part: float


@dataclass(frozen=True, slots=True)
class HalfFrame:
    """The next message of the board breaks off in the middle."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """So many bytes of no meaning, now."""

    count: int


@dataclass(frozen=True, slots=True)
class Mute:
    """Nothing of the board arrives at the host."""

    on: bool


@dataclass(frozen=True, slots=True)
class Deaf:
    """Nothing of the host arrives at the board."""

    on: bool


@dataclass(frozen=True, slots=True)
class Port:
    """The port is there, or has vanished as when its plug is pulled."""

    there: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The processor is reset."""

    reason: ResetReason


@dataclass(frozen=True, slots=True)
class Hang:
    """The firmware stops, until its processor's watchdog resets it; None for never."""

    watchdog_s: float | None


@dataclass(frozen=True, slots=True)
class SetVersion:
    """What the board says it is; None for what it is."""

    version: Version | None


@dataclass(frozen=True, slots=True)
class Weld:
    """Closed contacts stay closed."""

    on: bool


@dataclass(frozen=True, slots=True)
class SlowRelay:
    """How long the contactor takes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StickLock:
    """The lock does not move."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetFlag:
    """An error flag that the board sends."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class SetPp:
    """The cable's rating that the board sends."""

    pp: PpState


@dataclass(frozen=True, slots=True)
class Diode:
    """The car's diode is shorted."""

    shorted: bool


@dataclass(frozen=True, slots=True)
class Residual:
    """A residual current flows."""

    milliampere: float


@dataclass(frozen=True, slots=True)
class AllOver:
    """Nothing is broken any more; what has been tripped or reset stays so."""


OnTheLine = Noise | Loss | HalfFrame | Garbage | Mute | Deaf | Port | AllOver
"""Faults of the wire; those of a serial line's bytes have no meaning on CAN."""

Fault = (
    OnTheLine | Reset | Hang | SetVersion | Weld | SlowRelay | StickLock | SetFlag | SetPp | Diode | Residual
)


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise FaultError(f"{text} is no number between {low:g} and {high:g}")
    return value


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise FaultError(f"{text} is neither on nor off")
    return text == "on"


def _percent(text: str) -> float:
    return _number(text, 0, 100) / 100


def _choice(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise FaultError(f"unknown name {text!r}; known are {', '.join(known)}")
    return text


def _version(protocol: str, software: str = "2.2") -> SetVersion:
    if protocol == "off":
        return SetVersion(None)
    major, _, minor = protocol.partition(".")
    return SetVersion(Version(int(_number(major, 0, 1e6)), int(_number(minor or "0", 0, 1e6)), software))


def _pp(name: str) -> SetPp:
    return SetPp(PpState[_choice(name.upper(), tuple(PpState.__members__))])


_COMMANDS: dict[str, tuple[int, int, Callable[..., Fault], str]] = {
    "noise": (1, 1, lambda part: Noise(_percent(part)), "PERCENT of the bytes on the line are changed"),
    "lose": (1, 1, lambda part: Loss(_percent(part)), "PERCENT of the bytes on the line are lost"),
    "half": (0, 0, HalfFrame, "the next message of the board breaks off"),
    "garbage": (1, 1, lambda count: Garbage(int(_number(count, 1, 10_000))), "N bytes of no meaning, now"),
    "mute": (1, 1, lambda on: Mute(_switch(on)), "on|off: nothing of the board arrives"),
    "deaf": (1, 1, lambda on: Deaf(_switch(on)), "on|off: nothing arrives at the board"),
    "port": (1, 1, lambda there: Port(_switch(there)), "off|on: the port vanishes, and comes back"),
    "reset": (0, 0, lambda: Reset(ResetReason.USER), "the board is reset"),
    "watchdog": (0, 0, lambda: Reset(ResetReason.WATCHDOG), "the processor's watchdog resets the board"),
    "hang": (
        0,
        1,
        lambda seconds=None: Hang(None if seconds is None else _number(seconds, 0, 1e6)),
        "[S] the firmware stops; after S its processor's watchdog resets it",
    ),
    "version": (1, 2, _version, "MAJOR.MINOR [SOFTWARE] of what it says it is; off: the true one"),
    "weld": (1, 1, lambda on: Weld(_switch(on)), "on|off: closed contacts stay closed"),
    "slow": (1, 1, lambda seconds: SlowRelay(_number(seconds, 0, 60)), "S that the contactor takes"),
    "lock_stuck": (1, 1, lambda on: StickLock(_switch(on)), "on|off: the lock does not move"),
    "flag": (
        2,
        2,
        lambda name, on: SetFlag(_choice(name, FLAGS), _switch(on)),
        f"NAME on|off, of {', '.join(FLAGS)}",
    ),
    "pp": (1, 1, _pp, "NC|A13|A20|A32|A70|FAULT: the cable that the board sees"),
    "diode": (1, 1, lambda on: Diode(_switch(on)), "on|off: the car's diode is shorted"),
    "rcd": (1, 1, lambda current: Residual(_number(current, 0, 1e6)), "MILLIAMPERE of residual current"),
    "none": (0, 0, AllOver, "nothing is broken any more"),
}
"""How many arguments a command takes at least and at most, what makes a fault of them, and its help."""

HELP = tuple(f"{name:10} {text}" for name, (_, _, _, text) in _COMMANDS.items())


def parse(text: str) -> tuple[Fault, ...]:
    """Reads faults, separated by semicolons or newlines.

    Raises:
        FaultError: the text is too long, empty, or a part of it is wrong.
    """
    if len(text) > MAX_LENGTH:
        raise FaultError(f"longer than {MAX_LENGTH} characters")
    found: list[Fault] = []
    for line in text.replace("\n", ";").split(";"):
        words = line.replace(",", " ").split()
        if not words:
            continue
        name, *arguments = words
        if name.lower() not in _COMMANDS:
            raise FaultError(f"unknown fault {name!r}; known are {', '.join(_COMMANDS)}")
        least, most, build, help_ = _COMMANDS[name.lower()]
        if not least <= len(arguments) <= most:
            raise FaultError(f"{line.strip()}: {name} takes {help_}")
        found.append(build(*arguments))
    if not found:
        raise FaultError("no fault is named")
    return tuple(found)
