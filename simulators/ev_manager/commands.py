"""The language that tells the simulated car what to do: ``sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3``.

Statements are separated by semicolons or newlines, arguments by blanks or commas; upper and lower case are the same
(evse-manager.md §9.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MAX_SCRIPT_LENGTH = 10_000

MAX_SLEEP_S = 1e7
"""About four months."""


class ScriptError(ValueError):
    """The whole script is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class WaitForPower:
    """Plugged in, until the duty cycle lies between two limits in percent (both excluded)."""

    above_percent: float
    below_percent: float = 97.0


@dataclass(frozen=True, slots=True)
class DrawPower:
    """Charge with a current per phase; regulated: only while the EVSE offers power."""

    current_a: float
    three_phases: bool
    regulated: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Plugged in, without drawing power."""


@dataclass(frozen=True, slots=True)
class Unplug:
    pass


@dataclass(frozen=True, slots=True)
class ShortPilot:
    """``error_e``: the control pilot is shorted to 0 V."""


@dataclass(frozen=True, slots=True)
class ShortDiode:
    """``diode_fail``"""


@dataclass(frozen=True, slots=True)
class ResidualCurrent:
    milliampere: float


@dataclass(frozen=True, slots=True)
class WaitForRealPlugin:
    """Until the board reports state A."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """Do what the option plugin_commands says."""


@dataclass(frozen=True, slots=True)
class SetSoc:
    percent: float


Statement = (
    Sleep
    | WaitForPower
    | DrawPower
    | Pause
    | Unplug
    | ShortPilot
    | ShortDiode
    | ResidualCurrent
    | WaitForRealPlugin
    | Plugin
    | SetSoc
)


@dataclass(frozen=True, slots=True)
class Script:
    """What a script says, and which of its statements were left out because of their arguments."""

    statements: tuple[Statement, ...]
    skipped: tuple[str, ...] = ()


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not low <= value <= high or not math.isfinite(value):
        raise ValueError(f"{text} is not between {low:g} and {high:g}")
    return value


def _draw(current: str, phases: str, *, regulated: bool) -> DrawPower:
    return DrawPower(_number(current, -1000, 1000), three_phases=phases == "3", regulated=regulated)


_COMMANDS: dict[str, tuple[int, Callable[..., Statement]]] = {
    "sleep": (1, lambda seconds: Sleep(_number(seconds, 0, MAX_SLEEP_S))),
    "iec_wait_pwr_ready": (0, lambda: WaitForPower(above_percent=7)),
    "iso_wait_pwm_is_running": (0, lambda: WaitForPower(above_percent=4)),
    "draw_power_regulated": (2, lambda current, phases: _draw(current, phases, regulated=True)),
    "draw_power_fixed": (2, lambda current, phases: _draw(current, phases, regulated=False)),
    "pause": (0, Pause),
    "unplug": (0, Unplug),
    "error_e": (0, ShortPilot),
    "diode_fail": (0, ShortDiode),
    "rcd_current": (1, lambda milliampere: ResidualCurrent(_number(milliampere, 0, 1e6))),
    "wait_for_real_plugin": (0, WaitForRealPlugin),
    "plugin": (0, Plugin),
    "set_soc": (1, lambda percent: SetSoc(_number(percent, 0, 100))),
}
"""The number of arguments of each command, and what makes a statement of them."""

KNOWN = tuple(_COMMANDS)

NEEDS_ISO_15118 = frozenset(
    {
        "iso_wait_slac_matched",
        "iso_start_v2g_session",
        "iso_wait_pwr_ready",
        "iso_dc_power_on",
        "iso_draw_power_regulated",
        "iso_stop_charging",
        "iso_wait_for_stop",
        "iso_wait_v2g_session_stopped",
        "iso_pause_charging",
        "iso_wait_for_resume",
        "iso_start_bcb_toggle",
    }
)
"""EVerest's commands for a car with digital communication."""


def parse(text: str) -> Script:
    """Reads a script; a statement whose arguments are wrong in number or value is skipped.

    Raises:
        ScriptError: the script is too long, or a command of it is unknown or not supported.
    """
    if len(text) > MAX_SCRIPT_LENGTH:
        raise ScriptError(f"the script is longer than {MAX_SCRIPT_LENGTH} characters")
    statements: list[Statement] = []
    skipped: list[str] = []
    for line in text.lower().replace("\n", ";").split(";"):
        words = line.replace(",", " ").split()
        if not words:
            continue
        name, *arguments = words
        if name in NEEDS_ISO_15118:
            raise ScriptError(f"{name} needs ISO 15118, not supported")
        if name not in _COMMANDS:
            raise ScriptError(f"unknown command {name!r}; known are {', '.join(KNOWN)}")
        count, build = _COMMANDS[name]
        if len(arguments) != count:
            skipped.append(f"{line.strip()}: {name} takes {count} arguments, not {len(arguments)}")
            continue
        try:
            statements.append(build(*arguments))
        except ValueError as error:
            skipped.append(f"{line.strip()}: {error}")
    return Script(tuple(statements), tuple(skipped))
