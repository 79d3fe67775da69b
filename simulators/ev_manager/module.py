"""EVerest's EvManager: runs a script on a simulated car, through the board at the car's end of the cable."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from evse_daemon.framework.calls import RejectedError
from evse_daemon.framework.module import (
    Context,
    Message,
    Module,
    ModuleOptions,
    Provides,
    Requires,
    RequiresOptional,
    unsupported,
)
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.car_simulator import CarSimulator
from evse_daemon.interfaces.ev_board_support import EvBoardSupport
from evse_daemon.interfaces.ev_manager import EvManager as EvManagerInterface
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.mqtt import topics
from evse_daemon.types.board_support_common import BspEvent, BspMeasurement
from evse_daemon.types.evse_manager import EVInfo
from simulators.ev_manager import commands, simulation
from simulators.ev_manager.commands import ScriptError, Statement
from simulators.ev_manager.simulation import TICK_S, Battery, Car


class EvManager(Module):
    """The simulated car. It does nothing before it is enabled."""

    class Options(ModuleOptions):
        connector_id: int
        auto_enable: bool = False
        auto_exec: bool = False
        auto_exec_infinite: bool = False
        auto_exec_commands: str = ""
        ac_nominal_voltage: float = 230.0
        dc_max_current_limit: int = unsupported(300)
        dc_max_power_limit: int = unsupported(150000)
        dc_max_voltage_limit: int = unsupported(900)
        dc_energy_capacity: int = Field(60000, gt=0)
        dc_target_current: int = unsupported(5)
        dc_target_voltage: int = unsupported(200)
        support_sae_j2847: bool = unsupported(False)
        dc_discharge_max_current_limit: int = unsupported(300)
        dc_discharge_max_power_limit: int = unsupported(150000)
        dc_discharge_target_current: int = unsupported(5)
        dc_discharge_v2g_minimal_soc: int = unsupported(20)
        max_current: float = 16.0
        three_phases: bool = True
        departure_time: int = unsupported(86400)
        e_amount: int = unsupported(0)
        soc: int = Field(30, ge=0, le=100)
        keep_cross_boot_plugin_state: bool = unsupported(False)
        plugin_commands: str = ""
        force_payment_option: bool = unsupported(False)

    main = Provides(CarSimulator)
    ev_manager = Provides(EvManagerInterface)
    ev_board_support = Requires(EvBoardSupport)
    # EVerest's configurations may connect these; a car without ISO 15118 has no use for them.
    powermeter = RequiresOptional(Powermeter)
    kvs = RequiresOptional(Kvs)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, EvManager.Options)
        self.options = context.options
        self.enabled = False
        self.car = Car(
            battery=Battery(
                capacity_wh=self.options.dc_energy_capacity,
                voltage_v=self.options.ac_nominal_voltage,
                soc_percent=self.options.soc,
            ),
            three_phases=self.options.three_phases,
        )
        self._ticked_at_s = self.clock.now_s()
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self.main.handle(CarSimulator.enable, self.enable)
        self.main.handle(CarSimulator.execute_charging_session, self.execute)
        self.ev_board_support.subscribe(EvBoardSupport.bsp_event, self.on_bsp_event)
        self.ev_board_support.subscribe(EvBoardSupport.bsp_measurement, self.on_measurement)
        self.ev_board_support.subscribe_lost(self.on_board_lost)
        for name, handler in (
            ("enable", self.on_enable_message),
            ("execute_charging_session", self.on_execute_message),
            ("modify_charging_session", self.on_modify_message),
        ):
            self.mqtt.subscribe(
                topics.carsim_command(self.options.connector_id, name), self.context.inbox, handler
            )
        self.mqtt.subscribe(
            topics.carsim_enable_of_yocto(self.options.connector_id),
            self.context.inbox,
            self.on_enable_message,
        )

    def ready(self) -> None:
        self.car = simulation.with_plugin(self.car, self._plugin_script())
        self._ticked_at_s = self.clock.now_s()
        self.every(TICK_S, self.tick)
        if not self.options.auto_enable:
            self.main.publish(CarSimulator.enabled, False)
            return
        self.enable(True)
        if self.options.auto_exec:
            self._execute_automatically()

    def enable(self, value: bool) -> None:
        """Starts or ends the simulation; the value it has already changes nothing."""
        if value == self.enabled:
            return
        self.enabled = value
        board = self.ev_board_support
        if value:
            board.call(EvBoardSupport.allow_power_on, False)
            board.call(EvBoardSupport.set_ac_max_current, self.options.max_current)
            board.call(EvBoardSupport.set_three_phases, self.options.three_phases)
        else:
            self.car = simulation.cancel(self.car)
        board.call(EvBoardSupport.enable, value)
        self.main.publish(CarSimulator.enabled, value)

    def execute(self, value: str) -> None:
        """Begins a session.

        Raises:
            RejectedError: the simulation is disabled or a session is running, or the script is wrong.
        """
        if self.car.running:
            raise RejectedError(
                "a session is running: use modify_charging_session, or disable the simulation"
            )
        self.car = simulation.execute(self.car, self._parse(value), self.options.soc)

    def modify(self, value: str) -> None:
        """Replaces what is left of the session.

        Raises:
            RejectedError: the simulation is disabled, or the script is wrong.
        """
        self.car = simulation.modify(self.car, self._parse(value))

    def on_enable_message(self, message: Message) -> None:
        if message.payload not in ("true", "false"):
            self._limited_log.warning(
                "enable", "neither true nor false: ignored", topic=message.topic, payload=message.payload[:60]
            )
            return
        self.enable(message.payload == "true")

    def on_execute_message(self, message: Message) -> None:
        try:
            self.execute(message.payload)
        except RejectedError as error:
            self._limited_log.warning("session", "session refused", topic=message.topic, reason=error.message)

    def on_modify_message(self, message: Message) -> None:
        try:
            self.modify(message.payload)
        except RejectedError as error:
            self._limited_log.warning("session", "session refused", topic=message.topic, reason=error.message)

    def on_bsp_event(self, event: BspEvent) -> None:
        self.ev_manager.publish(EvManagerInterface.bsp_event, event)
        if event.event == "Disconnected" and self.car.running:
            self.log.info("disconnected: the session is cancelled")
        self.car = simulation.on_event(self.car, event.event)

    def on_measurement(self, measurement: BspMeasurement) -> None:
        self.car = simulation.measured(self.car, measurement.cp_pwm_duty_cycle)

    def on_board_lost(self) -> None:
        self.log.error("the car's board has failed: the session is cancelled")
        self.car = simulation.cancel(self.car)

    def tick(self) -> None:
        now_s = self.clock.now_s()
        elapsed_s, self._ticked_at_s = now_s - self._ticked_at_s, now_s
        self.car, effects = simulation.tick(self.car, elapsed_s)
        for effect in effects:
            self._run(effect)

    def _run(self, effect: simulation.Effect) -> None:
        board = self.ev_board_support
        match effect:
            case simulation.SetCpState(state):
                board.call(EvBoardSupport.set_cp_state, state)
            case simulation.AllowPower(value):
                board.call(EvBoardSupport.allow_power_on, value)
            case simulation.SetCurrent(current_a, three_phases):
                board.call(EvBoardSupport.set_ac_max_current, current_a)
                board.call(EvBoardSupport.set_three_phases, three_phases)
            case simulation.SetDiode(shorted):
                board.call(EvBoardSupport.diode_fail, shorted)
            case simulation.SetResidualCurrent(milliampere):
                board.call(EvBoardSupport.set_rcd_error, milliampere)
            case simulation.TellCarInfo():
                self.ev_manager.publish(EvManagerInterface.ev_info, self.car_info())
            case simulation.Finished():
                self.log.info("session finished")
                if self.options.auto_exec and self.options.auto_exec_infinite:
                    self._execute_automatically()

    def car_info(self) -> EVInfo:
        """The battery, and what the car wants once it drew power (AC: no voltage)."""
        wanted: dict[str, Any] = {}
        if self.car.current_a is not None:
            wanted = {"target_current": self.car.current_a, "target_voltage": 0.0}
        return EVInfo(
            soc=self.car.battery.soc_percent,
            battery_capacity=self.car.battery.capacity_wh,
            battery_full_soc=100.0,
            **wanted,
        )

    def _execute_automatically(self) -> None:
        try:
            self.execute(self.options.auto_exec_commands)
        except RejectedError as error:
            self.log.error("auto_exec_commands refused", reason=error.message)  # noqa: TRY400

    def _parse(self, text: str) -> tuple[Statement, ...]:
        if not self.enabled:
            raise RejectedError("the car simulation is disabled")
        try:
            script = commands.parse(text)
        except ScriptError as error:
            raise RejectedError(str(error)) from None
        for reason in script.skipped:
            self._limited_log.warning("statement", "statement skipped", reason=reason)
        if not script.statements:
            raise RejectedError("the script has no statement that can be executed")
        return script.statements

    def _plugin_script(self) -> tuple[Statement, ...]:
        """What ``plugin`` stands for; it cannot stand for itself."""
        try:
            script = commands.parse(self.options.plugin_commands)
        except ScriptError as error:
            self.log.error("plugin_commands refused", reason=str(error))  # noqa: TRY400 - a wrong option, no bug
            return ()
        for reason in script.skipped:
            self.log.warning("statement of plugin_commands skipped", reason=reason)
        if commands.Plugin() in script.statements:
            self.log.error("plugin_commands refused", reason="plugin cannot be one of them")
            return ()
        return script.statements
