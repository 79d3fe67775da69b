"""What the driver of a board knows and wants, what happens to it, and what it does about it (design rule 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drivers.board.messages import (
    PILOT_X1,
    BoardAlive,
    Cable,
    Configure,
    ErrorFlags,
    FromBoard,
    Lock,
    MeterReading,
    Pilot,
    ToBoard,
)

NO_FLAGS = ErrorFlags()

Phase = Literal["away", "resetting", "starting", "running"]
"""``away``: there is no wire, or the board is held in reset. ``resetting``: it was told to restart. ``starting``: it has
restarted, and its state is not known yet. ``running``: only now may power flow."""


OnBus = Literal["board_support", "rcd", "connector_lock"]
"""What a connector is on the bus."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a driver is set to, and what is particular to its dialect."""

    link_timeout_s: float = 2.0
    """After how long without the board's keep-alive it counts as lost."""
    lock_time_s: float = 1.2
    """How long the lock's motor may take; a board without feedback on its lock is believed after it."""
    reset_line: bool = False
    """A line of the host's own resets the board; otherwise a message does."""
    protocol_major: int | None = None
    """The major version of the protocol that this dialect is; None where boards do not tell it."""
    minimum_firmware: tuple[int, int] | None = None
    """The oldest firmware that speaks the dialect, where that is known."""
    reset_pulse_s: float = 0.01
    """How long the reset line is held to restart the board."""
    configuration: Configure | None = None
    """What the board asks for before it works; None where it needs nothing."""
    rcd_error: str = "evse_board_support/MREC2GroundFailure"
    """What a tripped residual current monitor is called."""
    latched: frozenset[str] = frozenset({"rcd_triggered", "connector_lock_failed"})
    """Flags that stand until the car has left (YetiDriver.cpp:115-170): a restart of the board does not undo them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the kernel commanded last. Nothing is allowed before it says so."""

    enabled: bool = False
    duty: int = PILOT_X1
    """As in messages.SetPilot."""
    power: bool = False
    three_phases: bool | None = None
    """None before anybody has said: the board's own default holds."""
    locked: bool | None = None
    """None before anybody has said: the motor is left alone."""


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A command to the lock whose answer is open."""

    request_id: int | None
    """None: nobody waits for it; the lock goes where it was wanted before the board restarted."""
    locked: bool
    by_s: float | None = None
    """When the lock should be there; None while the board has yet to start."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that is raised as long as its cause is there."""

    implementation: OnBus
    type: str
    message: str = field(compare=False)
    sub_type: str = ""


@dataclass(frozen=True, slots=True)
class State:
    phase: Phase = "away"
    phase_until_s: float | None = None
    """When the phase has lasted too long."""
    wanted: Wanted = Wanted()

    wire: bool = False
    heard_s: float = 0.0
    """When the board's keep-alive came last."""
    silent: bool = False
    lost: Fault | None = None
    """Why power may not flow; until the board is running again."""
    resets: int = 0
    """Attempts to restart the board that it has not answered."""
    line_held: bool = False
    """The host's reset line holds the board in reset."""
    line_until_s: float | None = None
    """When it is let go of."""

    configured: bool = True
    """The board has not been restarted since it got its configuration, where it needs one."""
    unstarted: int = 0
    """Starts in a row after which its first report did not come."""

    board: BoardAlive | None = None
    pilot: Pilot | None = None
    relay_closed: bool | None = None
    flags: ErrorFlags = NO_FLAGS
    flags_s: float = float("-inf")
    """When they were reported last."""
    latched: frozenset[str] = frozenset()
    """Flags that count until the car has left, whatever restarts meanwhile."""
    car_left: bool = False
    """State A was seen, and no car since."""
    cable: Cable | None = None
    """As reported since the board has started."""
    reports_cable: bool = False
    cable_s: float = float("-inf")
    """When it was reported last."""
    lock: Lock = "undefined"
    reports_lock: bool = False
    lock_request: LockRequest | None = None
    lock_failed: bool = False

    closed_unasked: bool = False
    """The contactor was reported closed while it had to be open."""
    off_until_s: float | None = None
    """Power-off is repeated until the board confirms it; here it should have."""
    off_next_s: float = 0.0
    welded: bool = False
    refresh_s: float = 0.0
    """When the wanted set and the host's keep-alive are due again."""

    damaged_s: float = float("-inf")
    """When a message of the board last arrived damaged: a report may be missing."""
    doubt_s: float | None = None
    """Since when the control pilot's voltage contradicts its state."""
    unclosed: int = 0
    """Refreshes during which the contactor should be closed, and is not as far as is known."""

    told_pilot: Pilot | None = None
    told_power: bool | None = False
    """None: what was told is not known."""
    told_cable: Cable | None = None
    told_missing: bool = False
    """The default capabilities were published, as nothing was heard of the board."""
    raised: frozenset[Fault] = frozenset()

    @property
    def power(self) -> bool:
        """Whether the board may be told to close its contactor."""
        return self.wanted.power and self.wanted.enabled and self.phase == "running"

    @property
    def duty(self) -> int:
        """What the control pilot is to show; a disabled port offers nothing, and keeps what it was told."""
        offers = 0 < self.wanted.duty < 10_000
        return PILOT_X1 if offers and not self.wanted.enabled else self.wanted.duty


# Events.


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The wire is open."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    message: FromBoard


@dataclass(frozen=True, slots=True)
class Damaged:
    """A message arrived damaged, and nobody knows which."""


@dataclass(frozen=True, slots=True)
class Enable:
    on: bool


@dataclass(frozen=True, slots=True)
class SetDuty:
    """As in messages.SetPilot."""

    duty: int


@dataclass(frozen=True, slots=True)
class SetPower:
    on: bool


@dataclass(frozen=True, slots=True)
class SwitchPhases:
    """Only while ``driver.why_not_phases`` is empty."""

    three: bool


@dataclass(frozen=True, slots=True)
class MoveLock:
    """Only while ``driver.why_not_unlock`` is empty; answered by LockDone."""

    request_id: int
    locked: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline that ``driver.next_deadline`` named has come."""

    spare: bool = False
    """A connector that does not start must not restart the board: another one on it is in use."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """Another connector of the board has it restarted."""


Event = (
    LinkUp
    | LinkLost
    | Received
    | Damaged
    | Enable
    | SetDuty
    | SetPower
    | SwitchPhases
    | MoveLock
    | Tick
    | Restarts
)


# Effects, to be run in their order.


@dataclass(frozen=True, slots=True)
class Send:
    message: ToBoard


@dataclass(frozen=True, slots=True)
class ResetLine:
    """Holds the board in reset, or lets it go."""

    held: bool


@dataclass(frozen=True, slots=True)
class TellEvent:
    event: Literal["A", "B", "C", "D", "E", "F", "PowerOn", "PowerOff"]


@dataclass(frozen=True, slots=True)
class TellBoard:
    """Who the board is and what it can do; None where it has not been heard of."""

    board: BoardAlive | None


@dataclass(frozen=True, slots=True)
class TellCable:
    cable: Cable


@dataclass(frozen=True, slots=True)
class TellMeter:
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class LockDone:
    """The answer to MoveLock; ``error`` is empty where it worked."""

    request_id: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Raise:
    fault: Fault


@dataclass(frozen=True, slots=True)
class Clear:
    fault: Fault


Effect = Send | ResetLine | TellEvent | TellBoard | TellCable | TellMeter | LockDone | Raise | Clear
