"""The shell around driver.py: joins a board's dialect and wire to the bus, and runs what driver.py decides."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import assert_never

from pydantic import Field

from drivers.board import driver, readings, state
from drivers.board.gpio import ResetPin
from drivers.board.messages import (
    PILOT_F,
    PILOT_X1,
    BadMessageError,
    BoardAlive,
    Codec,
    MeterReading,
    RcdCommand,
    SetPhases,
    ToBoard,
    UnsupportedMessageError,
    WasReset,
)
from drivers.board.switch_off import SwitchesOff
from drivers.link.link import CountsDamage, Link
from evse_daemon.framework.calls import CallError, Deferred, RejectedError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.module import FAILURES, Context, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff


class BoardOptions(ModuleOptions):
    """Options that the driver of any board has; EVerest's manifests lack them."""

    link_timeout_s: float = Field(2.0, ge=0.5, le=60)
    """Seconds without the board's keep-alive after which it counts as lost; boards send it at 5 Hz."""
    lock_time_s: float = Field(1.2, ge=0, le=8)
    """Seconds that the lock's motor takes at most; the published firmware drives it for 1 s."""


class BoardModule(Module):
    """The driver of a board, without its dialect and wire: a subclass says these.

    Four methods make a driver: ``make_link``, ``make_codec``, ``settings``, ``capabilities``.
    """

    class Options(BoardOptions):
        """Those of any board."""

    board_support = Provides(EvseBoardSupport)
    rcd = Provides(AcRcd)
    connector_lock = Provides(ConnectorLock)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.link = self.make_link()
        self.codec = self.make_codec()
        self.reset_pin: ResetPin | None = None
        self.state = state.State(heard_s=self.clock.now_s())
        self._settings = self.settings()
        self._capabilities: HardwareCapabilities | None = None
        self._locks: dict[int, Deferred[None]] = {}
        self._lock_requests = 0
        self._timer: Timer | None = None
        self._timer_s: float | None = None
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)
        self._damage = self.link if isinstance(self.link, CountsDamage) else None
        self._damaged = 0

    @abstractmethod
    def make_link(self) -> Link:
        """The wire to the board."""

    @abstractmethod
    def make_codec(self) -> Codec:
        """The board's dialect."""

    @abstractmethod
    def settings(self) -> state.Settings:
        """What the driver's logic is set to; ``reset_line`` follows from ``make_reset_pin``."""

    @abstractmethod
    def capabilities(self, board: BoardAlive | None) -> HardwareCapabilities:
        """What the board can do; None where it has not been heard of."""

    def make_reset_pin(self) -> ResetPin | None:
        """The line that resets the board, where the host has one; raises OSError where it cannot be had."""
        return None

    def tell_meter(self, reading: MeterReading) -> None:
        """Publishes a reading of the board's meter, where it has one."""

    def init(self) -> None:
        support = self.board_support
        support.handle(EvseBoardSupport.enable, lambda value: self._feed(state.Enable(value)))
        support.handle(EvseBoardSupport.pwm_on, lambda value: self._feed(state.SetDuty(round(value * 100))))
        support.handle(EvseBoardSupport.cp_state_X1, lambda: self._feed(state.SetDuty(PILOT_X1)))
        support.handle(EvseBoardSupport.cp_state_F, lambda: self._feed(state.SetDuty(PILOT_F)))
        support.handle(EvseBoardSupport.cp_state_E, self.refuse_state_e)
        support.handle(EvseBoardSupport.allow_power_on, self.allow_power_on)
        support.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, self.switch_phases)
        # The boards of this family have no over-current protection that could be set.
        support.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)  # noqa: ARG005 - named by the interface
        self.rcd.handle(AcRcd.self_test, self.test_rcd)
        self.rcd.handle(AcRcd.reset, self.reset_rcd)
        self.connector_lock.handle(ConnectorLock.lock, lambda: self.move_lock(locked=True))
        self.connector_lock.handle(ConnectorLock.unlock, lambda: self.move_lock(locked=False))

    def ready(self) -> None:
        try:
            self.reset_pin = self.make_reset_pin()
        except OSError as error:
            self.log.error(  # noqa: TRY400 - no stack helps whoever reads this
                "the reset line of the board cannot be used: the board is reset by a message instead, and a lost "
                "board is not switched off; see docs/hardware.md",
                reason=str(error),
            )
        self._settings = replace(self._settings, reset_line=self.reset_pin is not None)
        self.spawn("link", self.link.run(self))

    def make_safe(self) -> None:
        for message in driver.safe_messages(self.state):
            self._send(message)

    async def switch_off_alone(self) -> tuple[bool, str]:
        """See framework.switch_off."""
        try:
            pin = self.make_reset_pin()
        except OSError:
            pin = None  # the message remains
        return await SwitchesOff(self.link, self.codec, pin).run()

    def recover(self, error: Exception, failures: int) -> bool:
        """Power-off, and the board is restarted: what was known of it may be what made the driver fail."""
        self.make_safe()
        if not super().recover(error, failures):
            return False
        wire = self.state.wire
        self._feed(state.LinkLost(f"error {failures} of {FAILURES} in its driver"))
        if wire:
            self._feed(state.LinkUp())
        return True

    # The link's side; see drivers.link.link.LinkListener.

    def link_up(self) -> None:
        self.context.inbox.put(self._feed, state.LinkUp())

    def link_lost(self, reason: str) -> None:
        self.context.inbox.put(self._feed, state.LinkLost(reason))

    def received(self, message: bytes) -> None:
        self.context.inbox.put(self._received, message)

    # The bus' side.

    def refuse_state_e(self) -> None:
        raise RejectedError(
            "this board cannot put the control pilot to 0 V (capabilities: supports_cp_state_E)"
        )

    def allow_power_on(self, value: PowerOnOff) -> None:
        self._feed(state.SetPower(value.allow_power_on))

    def switch_phases(self, value: bool) -> None:
        if reason := driver.why_not_phases(self.state):
            raise RejectedError(reason)
        if self._encoded(SetPhases(value)) is None:
            raise RejectedError("this board cannot switch its phases")
        self._feed(state.SwitchPhases(value))

    def test_rcd(self) -> None:
        if not self._send_rcd(RcdCommand(test=True)):
            raise RejectedError("this board cannot be told to test its residual current monitor")

    def reset_rcd(self) -> bool:
        return self._send_rcd(RcdCommand(reset=True))

    def move_lock(self, *, locked: bool) -> Deferred[None]:
        """Answered when the board reports the lock there, or its time is over."""
        if not locked and (reason := driver.why_not_unlock(self.state)):
            raise RejectedError(reason)
        self._lock_requests += 1
        answer = self._locks[self._lock_requests] = Deferred[None]()
        self._feed(state.MoveLock(self._lock_requests, locked))
        return answer

    def _received(self, data: bytes) -> None:
        if self._damage is not None and self._damage.damaged != self._damaged:
            self._damaged = self._damage.damaged
            self._feed(state.Damaged())
        try:
            message = self.codec.decode_from_board(data)
        except BadMessageError as error:
            self._limited_log.warning("message", "a message of the board was ignored", reason=str(error))
            return
        if isinstance(message, WasReset):
            self._limited_log.info("started", "the board has started", reason=message.reason)
        self._feed(state.Received(message))

    def _feed(self, event: state.Event) -> None:
        self.state, effects = driver.step(self.state, event, self.clock.now_s(), self._settings)
        for effect in effects:
            self._run(effect)
        self._arm()

    def _arm(self) -> None:
        deadline_s = driver.next_deadline(self.state, self._settings)
        if deadline_s == self._timer_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, deadline_s
        if deadline_s is not None:
            self._timer = self.clock.call_at(deadline_s, lambda: self.context.inbox.put(self._tick))

    def _tick(self) -> None:
        self._timer_s = None
        self._feed(state.Tick())

    def _run(self, effect: state.Effect) -> None:
        match effect:
            case state.Send(message):
                self._send(message)
            case state.ResetLine(held):
                self._hold(held)
            case state.TellEvent(event):
                self.board_support.publish(EvseBoardSupport.event, BspEvent(event=event))
            case state.TellBoard(board):
                self._tell_board(board)
            case state.TellCable(cable):
                self.board_support.publish(EvseBoardSupport.ac_pp_ampacity, readings.proximity(cable))
            case state.TellMeter(reading):
                self.tell_meter(reading)
            case state.LockDone(request_id, error):
                answer = self._locks.pop(request_id)
                if error:
                    answer.fail(CallError("HandlerException", error))
                else:
                    answer.resolve(None)
            case state.Raise(fault):
                self.implementations[fault.implementation].raise_error(
                    fault.type, fault.message, sub_type=fault.sub_type
                )
            case state.Clear(fault):
                self.implementations[fault.implementation].clear_error(fault.type, fault.sub_type)
            case _:
                assert_never(effect)

    def _send(self, message: ToBoard) -> None:
        self.link.send(self.codec.encode_to_board(message))

    def _send_rcd(self, command: RcdCommand) -> bool:
        data = self._encoded(command)
        if data is not None:
            self.link.send(data)
        return data is not None

    def _encoded(self, message: ToBoard) -> bytes | None:
        """None where the dialect has no word for it."""
        try:
            return self.codec.encode_to_board(message)
        except UnsupportedMessageError:
            return None

    def _hold(self, held: bool) -> None:
        if self.reset_pin is None:
            return
        try:
            self.reset_pin.hold(held)
        except OSError as error:
            self._limited_log.error("reset", "the reset line of the board does not move", reason=str(error))

    def _tell_board(self, board: BoardAlive | None) -> None:
        if board is not None:
            self._limited_log.info(
                "board",
                "the board",
                firmware=board.version,
                protocol=".".join(map(str, board.protocol)),
                hardware=f"{board.hardware_type}.{board.hardware_revision}",
            )
        capabilities = self.capabilities(board)
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self.board_support.publish(EvseBoardSupport.capabilities, capabilities)
