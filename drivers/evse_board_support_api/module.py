"""EVerest's evse_board_support_API: a program in any language is the board of an EVSE, over MQTT.

What it is told is decided in board.py; docs/board-program.md tells how to write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, assert_never

from pydantic import Field

from drivers.evse_board_support_api import board
from drivers.evse_board_support_api.errors import MAX_ACTIVE, PLACES, ApiError
from evse_daemon.everest_api.channels import asks, hears, says
from evse_daemon.everest_api.communication import INITIAL, LOST
from evse_daemon.everest_api.module import EverestApiModule, RequestingOptions
from evse_daemon.framework.calls import Deferred, RejectedError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import ArgumentError, Kind
from evse_daemon.framework.module import Context, Provides
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.base import Integer
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff
from evse_daemon.types.evse_manager import StopTransactionRequest

_LATE = Kind.TELEMETRY  # a command to hardware is worthless when it is late


class evse_board_support_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """The board of an EVSE, its residual current monitor and its lock, as a program on MQTT offers them."""

    class Options(RequestingOptions):
        """See RequestingOptions."""

    api_type = "evse_board_support"
    fault = "evse_board_support/CommunicationFault"
    must_be_watched = True
    channels = (
        says("enable", bool, "whether the port is enabled", _LATE),
        says("pwm_on", float, "PWM with this duty cycle (%)", _LATE),
        says("cp_state_X1", None, "control pilot +12 V, no PWM", _LATE),
        says("cp_state_F", None, "control pilot -12 V", _LATE),
        says("cp_state_E", None, "control pilot 0 V", _LATE),
        says(
            "allow_power_on", PowerOnOff, "whether the contactor may close when the car is in C or D", _LATE
        ),
        says("ac_overcurrent_limit", float, "the current of the board's own protection (A)", _LATE),
        says("ac_switch_three_phases_while_charging", str, "SinglePhase or ThreePhases", _LATE),
        says("lock", None, "locks the plug", _LATE),
        says("unlock", None, "unlocks the plug", _LATE),
        says("self_test", None, "tests the residual current monitor", _LATE),
        asks("reset", None, bool, "resets a residual current monitor that has tripped"),
        hears("event", BspEvent, "control pilot and contactor"),
        hears("ac_nr_of_phases", Annotated[Integer, Field(ge=1, le=3)], "phases that are connected"),
        hears("capabilities", HardwareCapabilities, "what the board can"),
        hears("ac_pp_ampacity", ProximityPilot, "the rating of the cable in a socket"),
        hears("request_stop_transaction", StopTransactionRequest, "somebody ends charging at the board"),
        hears("rcd_current", float, "residual current (mA)"),
        hears("raise_error", ApiError, "an error begins"),
        hears("clear_error", ApiError, "an error is over"),
    )

    main = Provides(EvseBoardSupport)
    rcd = Provides(AcRcd)
    connector_lock = Provides(ConnectorLock)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._state = board.State()
        self._timer: Timer | None = None
        self._armed_s: float | None = None

    def init(self) -> None:
        super().init()
        main = self.main
        main.handle(EvseBoardSupport.enable, lambda value: self._feed(board.Enable(value)))
        main.handle(EvseBoardSupport.pwm_on, lambda value: self._feed(board.SetPilot("pwm_on", value)))
        main.handle(EvseBoardSupport.cp_state_X1, lambda: self._feed(board.SetPilot("cp_state_X1")))
        main.handle(EvseBoardSupport.cp_state_F, lambda: self._feed(board.SetPilot("cp_state_F")))
        main.handle(EvseBoardSupport.cp_state_E, lambda: self._feed(board.SetPilot("cp_state_E")))
        main.handle(EvseBoardSupport.allow_power_on, lambda value: self._feed(board.SetPower(value)))
        limit = EvseBoardSupport.ac_set_overcurrent_limit_A
        main.handle(limit, lambda value: self._feed(board.SetLimit(value)))
        main.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, self._switch_phases)
        self.rcd.handle(AcRcd.self_test, self._self_test)
        self.rcd.handle(AcRcd.reset, self._reset)
        self.connector_lock.handle(ConnectorLock.lock, lambda: self._feed(board.SetLock("lock")))
        self.connector_lock.handle(ConnectorLock.unlock, self._unlock)
        self._init_reports()

    def _init_reports(self) -> None:
        main = self.main
        phases, capabilities = EvseBoardSupport.ac_nr_of_phases_available, EvseBoardSupport.capabilities
        cable, stop = EvseBoardSupport.ac_pp_ampacity, EvseBoardSupport.request_stop_transaction
        self.hear("event", lambda value: self._feed(board.Reported(value.event)))
        self.hear("ac_nr_of_phases", lambda value: main.publish(phases, value))
        self.hear("capabilities", lambda value: main.publish(capabilities, value))
        self.hear("ac_pp_ampacity", lambda value: main.publish(cable, value))
        self.hear("request_stop_transaction", lambda value: main.publish(stop, value))
        self.hear("rcd_current", lambda value: self.rcd.publish(AcRcd.rcd_current_mA, value))
        self.hear("raise_error", self._on_raise)
        self.hear("clear_error", self._on_clear)

    def ready(self) -> None:
        super().ready()
        self._feed(board.LinkChanged(self.there))

    def make_safe(self) -> None:
        self._feed(board.MakeSafe())

    def link_changed(self) -> None:
        self._feed(board.LinkChanged(self.there))

    def _feed(self, event: board.BoardEvent) -> None:
        now_s = self.clock.now_s()
        self._state, effects = board.step(self._state, event, now_s, connected=self.mqtt.connected)
        for effect in effects:
            match effect:
                case board.Say(topic, value):
                    self.say(topic, value)
                case board.Tell(reported):
                    self.main.publish(EvseBoardSupport.event, BspEvent(event=reported))
                case _:
                    assert_never(effect)
        self._arm()

    def _arm(self) -> None:
        deadline_s = board.next_deadline(self._state)
        if self._armed_s == deadline_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = deadline_s
        self._timer = self.after(deadline_s - self.clock.now_s(), self._due)

    def _due(self) -> None:
        self._armed_s = None
        self._feed(board.Tick())

    def _unlock(self) -> None:
        self._refuse(board.why_not_unlock(self._state))
        self._feed(board.SetLock("unlock"))

    def _switch_phases(self, value: bool) -> None:
        self._must_be_there()
        self._refuse(board.why_not_phases(self._state))
        self.say("ac_switch_three_phases_while_charging", "ThreePhases" if value else "SinglePhase")

    def _self_test(self) -> None:
        self._must_be_there()
        self.say("self_test")

    def _reset(self) -> Deferred[bool]:
        self._must_be_there()
        answer: Deferred[bool] = Deferred()
        self.ask("reset", None, self.timeout_s(AcRcd.reset), lambda done: answer.resolve(done is True))
        return answer

    def _must_be_there(self) -> None:
        if not self.there or not self.mqtt.connected:
            raise RejectedError(f"the board program behind {self.module_id} is not there")

    @staticmethod
    def _refuse(reason: str) -> None:
        if reason:
            raise RejectedError(reason)

    def _on_raise(self, error: ApiError) -> None:
        name, type_ = self._place(error)
        if sum(len(each.errors.active) for each in self.implementations.values()) >= MAX_ACTIVE:
            raise ArgumentError(f"{MAX_ACTIVE} errors are active already")
        message = error.message if len(error.message) > 1 else "raised by the board program"
        self.implementations[name].raise_error(type_, message, sub_type=error.sub_type)

    def _on_clear(self, error: ApiError) -> None:
        name, type_ = self._place(error)
        self.implementations[name].clear_error(type_, error.sub_type)

    def _place(self, error: ApiError) -> tuple[str, str]:
        places: Mapping[str, tuple[str, str]] = PLACES
        if error.type not in places:
            raise ArgumentError(f"type: there is no error {error.type}")
        if error.type == "CommunicationFault" and error.sub_type in (INITIAL, LOST):
            raise ArgumentError("sub_type: this one says whether the program is there")
        return places[error.type]
