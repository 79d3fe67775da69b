"""What the driver knows of the power modules, what happens to it, and what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.infy_power.codec import Alarm, Capabilities, Request, SetPoint
from drivers.link.can_wire import CanFrame
from evse_daemon.types import power_supply_DC as types

FRESH_S = 2.0
"""A reading that is older says nothing about now."""

MODULE_SILENCE_S = 5.0
"""One module of several has not told its status for so long: a warning."""

SILENCE_S = 3.0
"""No module has told its status for so long: CommunicationFault, and everything is told to go off."""

ROUND_S = 0.5
"""Voltage and current are asked for twice a second; the interface wants them once."""

MODULE_GAP_S = 0.05
"""Between two frames to one module; EVerest's pace."""

SHORTEST_GAP_S = 0.01
"""Between any two frames: a frame and its answer take 2.5 ms at 125 kbit/s."""

COMMANDS_S = 1.0
"""The wanted set is sent again this often; a module that hears nothing for 10 s goes off by itself."""

OFF_AGAIN_S = 0.1
"""Off is sent again this often until each module has confirmed it."""

OFF_WAIT_S = 2.0
"""A module that is told to be off gives current no longer than this, or it is defective."""

SAFE_A = 1.0
"""Below this a relay may open."""

MIN_EXPORT_A = 1.0
"""Less cannot be set (EVerest's InfyPower)."""


GROUP_ADDRESS = -1
"""Stands for the group where an address does for a module."""


@dataclass(frozen=True, slots=True)
class Settings:
    addresses: tuple[int, ...] = ()
    """The modules' own; empty where a group is asked for its count."""
    group: int = 0
    controller: int = 0xF0
    removal_s: float = 15.0
    """A module that was silent for this long is off for certain, and its share goes to the others."""
    efficiency: float = 0.95


@dataclass(frozen=True, slots=True)
class PowerModule:
    """One module; the times are those of its latest readings."""

    status_s: float
    alarms: Alarm
    voltage_V: float = 0.0
    current_A: float = 0.0
    output_s: float | None = None
    external_V: float = 0.0
    external_s: float | None = None
    capabilities: Capabilities | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    link_up: bool = False
    fault: str | None = ""
    """Why there is no communication, empty where it has only just begun; None where there is."""
    quiet_since_s: float = 0.0
    """Since when no status came."""
    modules: Mapping[int, PowerModule] = field(default_factory=dict)
    """Those that answer, by address, until they are removed."""
    group_count: int = 0

    wanted_on: bool = False
    voltage_V: float | None = None
    current_A: float = 0.0

    is_on: bool = False
    """Whether the modules were told to be on."""
    shared: tuple[SetPoint, tuple[int, ...]] | None = None
    """What each module was told to give, and which modules, while they are on."""
    off_since_s: float = 0.0
    off_asked_s: float | None = None
    """Since when somebody waits for the modules to confirm that they are off."""
    off_again_s: float = 0.0

    queue: tuple[tuple[int, Request], ...] = ()
    """What is to be sent, and to whom: a module's address, or GROUP_ADDRESS."""
    next_send_s: float = 0.0
    next_round_s: float = 0.0
    commands_s: float = -math.inf
    """When the wanted set was sent last."""

    told_output_s: float = 0.0
    told_mode: types.Mode | None = None
    told_capabilities: types.Capabilities | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    """The active errors, with their messages."""


# Events


@dataclass(frozen=True, slots=True)
class LinkUp:
    pass


@dataclass(frozen=True, slots=True)
class LinkLost:
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    frame: CanFrame


@dataclass(frozen=True, slots=True)
class SetMode:
    on: bool


@dataclass(frozen=True, slots=True)
class SetVoltageCurrent:
    voltage_V: float
    current_A: float


@dataclass(frozen=True, slots=True)
class Due:
    """The time that the state has named has come."""


Event = LinkUp | LinkLost | Received | SetMode | SetVoltageCurrent | Due


# Effects


@dataclass(frozen=True, slots=True)
class Send:
    frame: CanFrame


@dataclass(frozen=True, slots=True)
class TellOutput:
    value: types.VoltageCurrent


@dataclass(frozen=True, slots=True)
class TellMode:
    mode: types.Mode


@dataclass(frozen=True, slots=True)
class TellCapabilities:
    value: types.Capabilities


@dataclass(frozen=True, slots=True)
class Raise:
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Clear:
    type: str


@dataclass(frozen=True, slots=True)
class OffDone:
    """Every module is off, or will say nothing more of it."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The command that was the event cannot be carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """For the log."""

    kind: str
    text: str


Effect = Send | TellOutput | TellMode | TellCapabilities | Raise | Clear | OffDone | Refuse | Note
