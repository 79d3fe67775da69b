"""Runs the kernel's board effects: at once and in their order, never behind a store, a meter or a broker (rule 2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, assert_never

import structlog

from evse_daemon.framework.bus import Client
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.modules.evse_manager import effects, events
from evse_daemon.types.evse_board_support import PowerOnOff


class BoardLane:
    """The board and the lock of one EVSE.

    Args:
        bsp: the board.
        connector_lock: None where the connector has none.
        feed: takes what they answer.
        log: of the module.
    """

    def __init__(
        self,
        bsp: Client[EvseBoardSupport],
        connector_lock: Client[ConnectorLock] | None,
        feed: Callable[[events.Event], object],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._bsp = bsp
        self._connector_lock = connector_lock
        self._feed = feed
        self._log = log

    def run(self, effect: effects.BoardEffect) -> None:
        """Commands what the kernel wants; a refusal and an answer that it waits for come back as events."""
        bsp = self._bsp
        match effect:
            case effects.AllowPower(on):
                value = PowerOnOff(allow_power_on=on, reason="FullPowerCharging" if on else "PowerOff")
                call: Any = bsp.call(EvseBoardSupport.allow_power_on, value=value)
            case effects.SetPwm(duty):
                call = bsp.call(EvseBoardSupport.pwm_on, value=duty * 100)
            case effects.SetX1():
                call = bsp.call(EvseBoardSupport.cp_state_X1)
            case effects.SetF():
                call = bsp.call(EvseBoardSupport.cp_state_F)
            case effects.EnableBoard(on):
                call = bsp.call(EvseBoardSupport.enable, value=on)
            case effects.SetOvercurrentLimit(limit_a):
                call = bsp.call(EvseBoardSupport.ac_set_overcurrent_limit_A, value=limit_a)
            case effects.Lock(request_id, locked):
                self._lock(request_id, locked)
                return
            case effects.SwitchPhases(request_id, three_phases):
                self._switch_phases(request_id, three_phases)
                return
            case _:
                assert_never(effect)
        call.then(None, partial(self._refused, call.command.name))

    def _refused(self, command: str, error: CallError) -> None:
        self._feed(
            events.BoardFailed(f"the board refused {command}: {error.message}; unplug the car to try again")
        )

    def _lock(self, request_id: int, locked: bool) -> None:
        assert self._connector_lock is not None
        command = ConnectorLock.lock if locked else ConnectorLock.unlock
        self._connector_lock.call(command).then(
            lambda _: self._answered(events.LockDone(request_id)),
            lambda error: self._answered(events.LockDone(request_id, error.message)),
        )

    def _switch_phases(self, request_id: int, three_phases: bool) -> None:
        self._bsp.call(EvseBoardSupport.ac_switch_three_phases_while_charging, value=three_phases).then(
            lambda _: self._answered(events.PhasesSwitched(request_id)),
            lambda error: self._answered(events.PhasesSwitched(request_id, error.message)),
        )

    def _answered(self, event: events.Event) -> None:
        self._feed(event)

    def make_safe(self) -> None:
        """Power off and PWM off, past the kernel: it may be what failed."""
        value = PowerOnOff(allow_power_on=False, reason="PowerOff")
        self._bsp.call(EvseBoardSupport.allow_power_on, value=value).then(None, self._unsafe)
        self._bsp.call(EvseBoardSupport.cp_state_X1).then(None, self._unsafe)

    def _unsafe(self, error: CallError) -> None:
        self._log.error("the board did not take a command to make the outputs safe", reason=error.message)
