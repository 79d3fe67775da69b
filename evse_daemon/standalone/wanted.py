"""What a board of another process is to do: the latest of each of its settings, to be sent again when it is back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from evse_daemon.framework.interface import Command
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import PowerOnOff

_SLOTS: Mapping[str, str] = {
    "allow_power_on": "power",
    "enable": "enable",
    "pwm_on": "pilot",
    "cp_state_X1": "pilot",
    "cp_state_F": "pilot",
    "cp_state_E": "pilot",
    "ac_set_overcurrent_limit_A": "limit",
}
"""Commands that set a level: to say one again changes nothing. Switching phases is none."""

_ORDER = ("power", "enable", "pilot", "limit")
"""Power first: it is off after an outage."""


class Setting(NamedTuple):
    """A level as it was last commanded, and by whom."""

    command: Command[..., Any]
    arguments: Mapping[str, Any]
    origin: str


class WantedBoard:
    """The levels of one implementation of evse_board_support."""

    def __init__(self) -> None:
        self._settings: dict[str, Setting] = {}
        self.version = 0
        """Grows with each change."""

    @staticmethod
    def sets_level(command: Command[..., Any]) -> bool:
        return command.name in _SLOTS

    def keep(self, command: Command[..., Any], arguments: Mapping[str, Any], origin: str) -> None:
        """A level was commanded."""
        self._settings[_SLOTS[command.name]] = Setting(command, arguments, origin)
        self.version += 1

    def begin(self, origin: str) -> None:
        """Nothing was commanded yet: no power, no PWM."""
        if not self._settings:
            off = PowerOnOff(allow_power_on=False, reason="PowerOff")
            self.keep(EvseBoardSupport.allow_power_on, {"value": off}, origin)
            self.keep(EvseBoardSupport.cp_state_X1, {}, origin)

    def lose(self) -> None:
        """The link is lost: whatever was wanted, no power is from here on until it is commanded anew."""
        if (power := self._settings.get("power")) is not None:
            off = PowerOnOff(allow_power_on=False, reason="PowerOff")
            self.keep(EvseBoardSupport.allow_power_on, {"value": off}, power.origin)

    @property
    def power(self) -> Setting | None:
        return self._settings.get("power")

    def __iter__(self) -> Iterator[Setting]:
        return (self._settings[slot] for slot in _ORDER if slot in self._settings)
