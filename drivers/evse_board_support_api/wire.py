"""How the commands of a board are told to its program: topic and payload (reference api.md §2.3). Pure."""

from __future__ import annotations

from typing import Any

from evse_daemon.standalone.wanted import Setting
from evse_daemon.types.evse_board_support import PowerOnOff

POWER = "allow_power_on"

OFF = PowerOnOff(allow_power_on=False, reason="PowerOff")

TOPICS = {"ac_set_overcurrent_limit_A": "ac_overcurrent_limit"}
"""By command, where the topic has another name."""


def told(setting: Setting, *, power_allowed: bool) -> tuple[str, Any]:
    """The topic's name and the value for a level that is wanted.

    Args:
        setting: the level.
        power_allowed: False tells the board to be off, whatever is wanted.
    """
    name = setting.command.name
    value = setting.arguments.get("value")
    if name == POWER and not power_allowed:
        value = OFF
    return TOPICS.get(name, name), value
