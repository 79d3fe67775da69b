"""EVerest's evse_board_support_API: a program in any language is the board of an EVSE, over MQTT.

Everything that it is to do is a level, told when it changes and again each second, so that a lost message or a program
that starts anew does no harm; power off is told each 100 ms until the board reports it, for 1 s (design rule 5). A
program that is not there is an error that keeps power off; docs/board-program.md tells how to write one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from drivers.evse_board_support_api.errors import MAX_ACTIVE, PLACES, ApiError
from drivers.evse_board_support_api.wire import OFF, POWER, told
from evse_daemon.everest_api.channels import asks, hears, says
from evse_daemon.everest_api.communication import INITIAL, LOST
from evse_daemon.everest_api.module import EverestApiModule, RequestingOptions
from evse_daemon.framework.calls import Deferred, RejectedError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import ArgumentError, Command, Kind
from evse_daemon.framework.module import Context, Provides
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.standalone.wanted import Setting, WantedBoard
from evse_daemon.types.base import Integer
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff
from evse_daemon.types.evse_manager import StopTransactionRequest

REFRESH_S = 1.0
REPEAT_OFF_S = 0.1
REPEAT_OFF_FOR_S = 1.0

_LATE = Kind.TELEMETRY  # a command to hardware is worthless when it is late

LEVELS: tuple[Command[..., Any], ...] = (
    EvseBoardSupport.enable,
    EvseBoardSupport.pwm_on,
    EvseBoardSupport.cp_state_X1,
    EvseBoardSupport.cp_state_F,
    EvseBoardSupport.cp_state_E,
    EvseBoardSupport.allow_power_on,
    EvseBoardSupport.ac_set_overcurrent_limit_A,
)


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
        says(POWER, PowerOnOff, "whether the contactor may close when the car is in C or D", _LATE),
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
        self._wanted = WantedBoard()
        self._wanted.begin(self.module_id)
        self._closed: bool | None = None
        """Whether the contactor is closed, as the board reports it."""
        self._lock = ""
        """What was wanted of the lock last."""
        self._lock_untold = False
        self._off_until_s = 0.0
        self._repeat: Timer | None = None

    def init(self) -> None:
        super().init()
        for command in LEVELS:
            self.main.handle(command, self._level(command))
        self.main.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, self._switch_phases)
        self.rcd.handle(AcRcd.self_test, self._self_test)
        self.rcd.handle(AcRcd.reset, self._reset)
        self.connector_lock.handle(ConnectorLock.lock, lambda: self._set_lock("lock"))
        self.connector_lock.handle(ConnectorLock.unlock, lambda: self._set_lock("unlock"))
        main = self.main
        self.hear("event", self._on_event)
        self.hear(
            "ac_nr_of_phases", lambda value: main.publish(EvseBoardSupport.ac_nr_of_phases_available, value)
        )
        self.hear("capabilities", lambda value: main.publish(EvseBoardSupport.capabilities, value))
        self.hear("ac_pp_ampacity", lambda value: main.publish(EvseBoardSupport.ac_pp_ampacity, value))
        self.hear(
            "request_stop_transaction",
            lambda value: main.publish(EvseBoardSupport.request_stop_transaction, value),
        )
        self.hear("rcd_current", lambda value: self.rcd.publish(AcRcd.rcd_current_mA, value))
        self.hear("raise_error", self._on_raise)
        self.hear("clear_error", self._on_clear)

    def ready(self) -> None:
        super().ready()
        self._tell_all()
        self._insist_on_off()
        self.every(REFRESH_S, self._tell_all)

    def make_safe(self) -> None:
        self._wanted.begin(self.module_id)
        self._wanted.lose()
        self._wanted.keep(EvseBoardSupport.cp_state_X1, {}, self.module_id)
        self._tell_all()

    def link_changed(self) -> None:
        """The program is lost: it may hear us still. It is back: it is told everything, power off, before that counts."""
        self._wanted.lose()
        self._tell_all()
        self._insist_on_off()
        if self.there and self._lock:
            self._tell_lock()

    # What the board is to do

    def _level(self, command: Command[..., Any]) -> Callable[..., None]:
        def handler(**arguments: Any) -> None:
            self._wanted.keep(command, arguments, self.module_id)
            self._tell(Setting(command, arguments, self.module_id))
            if command is EvseBoardSupport.allow_power_on and not arguments["value"].allow_power_on:
                self._insist_on_off()

        return handler

    def _tell_all(self) -> None:
        if self._lock_untold:
            self._tell_lock()
        for setting in self._wanted:
            self._tell(setting)

    def _tell(self, setting: Setting) -> None:
        self.say(*told(setting, power_allowed=self.there))

    def _insist_on_off(self) -> None:
        """Power off is told again and again until the board has reported it."""
        self._off_until_s = self.clock.now_s() + REPEAT_OFF_FOR_S
        if self._repeat is None:
            self._repeat = self.after(REPEAT_OFF_S, self._off_again)

    def _off_again(self) -> None:
        self._repeat = None
        if self._closed is False or self._power_wanted() or self.clock.now_s() > self._off_until_s:
            return
        self.say(POWER, OFF)
        self._repeat = self.after(REPEAT_OFF_S, self._off_again)

    def _power_wanted(self) -> bool:
        power = self._wanted.power
        return self.there and power is not None and bool(power.arguments["value"].allow_power_on)

    def _switch_phases(self, value: bool) -> None:
        self._must_be_there()
        self.say("ac_switch_three_phases_while_charging", "ThreePhases" if value else "SinglePhase")

    def _set_lock(self, name: str) -> None:
        # Nothing is refused while nobody is there: that is an error already, and ends when this has been told.
        self._lock = name
        self._tell_lock()

    def _tell_lock(self) -> None:
        """Told once, and again to a program that is back: it may be a motor that runs each time."""
        self._lock_untold = not self.mqtt.connected
        self.say(self._lock)

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

    # What the board says

    def _on_event(self, event: BspEvent) -> None:
        match event.event:
            case "PowerOn":
                self._closed = True
            case "PowerOff":
                self._closed = False
        self.main.publish(EvseBoardSupport.event, event)
        if self._closed and not self._power_wanted() and self._repeat is None:
            self.say(POWER, OFF)

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
