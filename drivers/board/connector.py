"""One connector of a board on the bus: hands commands to its driver, and tells what the driver has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from drivers.board import driver, readings, recovery, state
from drivers.board.messages import (
    PILOT_F,
    PILOT_X1,
    BoardAlive,
    MeterReading,
    RcdCommand,
    SetPhases,
    ToBoard,
)
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import CallError, Deferred, RejectedError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff

IMPLEMENTATIONS: tuple[state.OnBus, ...] = get_args(state.OnBus)


class Board(Protocol):
    """What a connector wants of its board."""

    def feed(self, connector: Connector, event: state.Event) -> None:
        """Something has happened to a connector."""

    def send(self, connector: Connector, message: ToBoard) -> bool:
        """Sends a message for a connector; False where the dialect has no word for it."""

    def knows(self, message: ToBoard) -> bool:
        """Whether the dialect has a word for a message."""


@dataclass(frozen=True, slots=True)
class Implementations:
    """What a connector is on the bus."""

    board_support: Implementation[EvseBoardSupport]
    rcd: Implementation[AcRcd]
    connector_lock: Implementation[ConnectorLock]


class Connector:
    """Runs what the driver of one connector decides, but for what is for the board.

    Args:
        board: that it is on.
        number: of it, in the board's own counting.
        implementations: what it is on the bus.
        capabilities: what it can do, given what the board says of itself (None: nothing was heard).
        tell_meter: publishes a reading of its meter, where there is one.
    """

    def __init__(
        self,
        board: Board,
        number: int,
        implementations: Implementations,
        capabilities: Callable[[BoardAlive | None], HardwareCapabilities],
        tell_meter: Callable[[MeterReading], None] = lambda _reading: None,
    ) -> None:
        self.number = number
        self.state = state.State()
        self._board = board
        self._on_bus = implementations
        self._capabilities_of = capabilities
        self._tell_meter = tell_meter
        self._capabilities: HardwareCapabilities | None = None
        self._locks: dict[int, Deferred[None]] = {}
        self._lock_requests = 0

    def handle_commands(self) -> None:
        """To be called once, by the module's ``init``."""
        support, rcd, lock = self._on_bus.board_support, self._on_bus.rcd, self._on_bus.connector_lock
        support.handle(EvseBoardSupport.enable, lambda value: self._feed(state.Enable(value)))
        support.handle(EvseBoardSupport.pwm_on, lambda value: self._feed(state.SetDuty(round(value * 100))))
        support.handle(EvseBoardSupport.cp_state_X1, lambda: self._feed(state.SetDuty(PILOT_X1)))
        support.handle(EvseBoardSupport.cp_state_F, lambda: self._feed(state.SetDuty(PILOT_F)))
        support.handle(EvseBoardSupport.cp_state_E, refuse_state_e)
        support.handle(EvseBoardSupport.allow_power_on, self._allow_power_on)
        support.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, self._switch_phases)
        # The boards of this family have no over-current protection that could be set.
        support.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)  # noqa: ARG005 - named by the interface
        rcd.handle(AcRcd.self_test, self._test_rcd)
        rcd.handle(AcRcd.reset, lambda: self._board.send(self, RcdCommand(reset=True)))
        lock.handle(ConnectorLock.lock, lambda: self._move_lock(locked=True))
        lock.handle(ConnectorLock.unlock, lambda: self._move_lock(locked=False))

    def run(self, effect: state.Effect) -> None:
        """Does what its driver has decided and is for the bus."""
        match effect:
            case state.TellEvent(event):
                self._on_bus.board_support.publish(EvseBoardSupport.event, BspEvent(event=event))
            case state.TellBoard(board):
                self._tell_board(board)
            case state.TellCable(cable):
                value = readings.proximity(cable)
                self._on_bus.board_support.publish(EvseBoardSupport.ac_pp_ampacity, value)
            case state.TellMeter(reading):
                self._tell_meter(reading)
            case state.LockDone(request_id, error):
                answer = self._locks.pop(request_id, None)
                if answer is None:
                    return  # answered when the driver failed
                if error:
                    answer.fail(CallError("HandlerException", error))
                else:
                    answer.resolve(None)
            case state.Raise(fault):
                self._of(fault).raise_error(fault.type, fault.message, sub_type=fault.sub_type)
            case state.Clear(fault):
                self._of(fault).clear_error(fault.type, fault.sub_type)
            case state.Send() | state.ResetLine():
                raise AssertionError(f"{effect} is for the board")

    def forget_told(self) -> None:
        """The driver has failed: what it has decided may not have been done; whoever waits for an answer gets one."""
        active = {
            state.Fault(name, error.type, error.message, error.sub_type)
            for name in IMPLEMENTATIONS
            for error in getattr(self._on_bus, name).errors.active
        }
        self.state = recovery.after_failure(self.state, frozenset(active))
        self._capabilities = None
        locks, self._locks = self._locks, {}
        for answer in locks.values():
            answer.fail(CallError("HandlerException", "the driver of the board has failed, and begins anew"))

    def _feed(self, event: state.Event) -> None:
        self._board.feed(self, event)

    def _of(self, fault: state.Fault) -> Implementation[Any]:
        found: Implementation[Any] = getattr(self._on_bus, fault.implementation)
        return found

    def _allow_power_on(self, value: PowerOnOff) -> None:
        self._feed(state.SetPower(value.allow_power_on))

    def _switch_phases(self, value: bool) -> None:
        if reason := driver.why_not_phases(self.state):
            raise RejectedError(reason)
        if not self._board.knows(SetPhases(value)):
            raise RejectedError("this board cannot switch its phases")
        self._feed(state.SwitchPhases(value))

    def _test_rcd(self) -> None:
        if not self._board.send(self, RcdCommand(test=True)):
            raise RejectedError("this board cannot be told to test its residual current monitor")

    def _move_lock(self, *, locked: bool) -> Deferred[None]:
        """Answered when the board reports the lock there, or its time is over."""
        if not locked and (reason := driver.why_not_unlock(self.state)):
            raise RejectedError(reason)
        self._lock_requests += 1
        answer = self._locks[self._lock_requests] = Deferred[None]()
        self._feed(state.MoveLock(self._lock_requests, locked))
        return answer

    def _tell_board(self, board: BoardAlive | None) -> None:
        capabilities = self._capabilities_of(board)
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._on_bus.board_support.publish(EvseBoardSupport.capabilities, capabilities)


def refuse_state_e() -> None:
    """No board of this family can.

    Raises:
        RejectedError: always.
    """
    raise RejectedError("this board cannot put the control pilot to 0 V (capabilities: supports_cp_state_E)")
