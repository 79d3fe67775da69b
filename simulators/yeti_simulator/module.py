"""EVerest's YetiSimulator: the board of a charger, and the car's end of the cable, in one module."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import RejectedError
from evse_daemon.framework.interface import ArgumentError
from evse_daemon.framework.module import Context, Message, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.ev_board_support import EvBoardSupport
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.interfaces.temperature_sensor import TemperatureSensor
from evse_daemon.mqtt import topics
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff, Telemetry
from evse_daemon.types.powermeter import TransactionReq, TransactionStartResponse, TransactionStopResponse
from evse_daemon.types.units_signed import SignedMeterValue
from simulators.yeti_simulator import board, control_pilot, error_injection, external_topics, readings
from simulators.yeti_simulator.board import Board
from simulators.yeti_simulator.car import RCD_IDLE_MA, Car
from simulators.yeti_simulator.car_side import CarSide
from simulators.yeti_simulator.control_pilot import Levels
from simulators.yeti_simulator.electrics import EnergyCounter, Measurement, Noise, measure

TICK_S = 0.25
"""How often the control pilot is read; every second time the meter and the telemetry are published."""

MESSAGE = "Simulated fault event"


class YetiSimulator(Module):
    """The simulated board. It starts disabled with power off, and opens its contactor whenever it is disabled."""

    class Options(ModuleOptions):
        connector_id: int
        reset_powermeter_on_session_start: bool = True
        dummy_meter_value_send_on_transaction_start: bool = True
        dummy_meter_value_blob_start: str = "test start value"
        dummy_meter_value_blob_stop: str = "test stop value"
        ac_nominal_voltage: float = Field(230.0, ge=99)
        ac_nominal_frequency: float = Field(50.0, ge=50, le=60)
        max_current_A_import: float = Field(32.0, ge=0)
        min_current_A_import: float = Field(6.0, ge=0)

    board_support = Provides(EvseBoardSupport)
    ev_board_support = Provides(EvBoardSupport)
    powermeter = Provides(Powermeter)
    temperature_sensor = Provides(TemperatureSensor)
    rcd = Provides(AcRcd)
    connector_lock = Provides(ConnectorLock)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, YetiSimulator.Options)
        self.options = context.options
        self.board = Board()
        self.car_side = CarSide(
            self.ev_board_support,
            lambda: self.board.car,
            self._change_car,
            lambda state: self._apply(board.set_car_state(self.board, state)),
        )
        self.locked = False
        voltage_v = self.options.ac_nominal_voltage
        self.measurement = Measurement(
            voltage_v=(voltage_v, voltage_v, voltage_v), frequency_hz=self.options.ac_nominal_frequency
        )
        self.energy = EnergyCounter()
        self._noise = Noise(self.module_id)
        self._counted_until_s = self.clock.now_s()
        self._ticks = 0
        self._error_causes: dict[tuple[str, str], set[str]] = {}
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self._init_board_support()
        self.car_side.init()
        self.powermeter.handle(Powermeter.start_transaction, self.start_transaction)
        self.powermeter.handle(Powermeter.stop_transaction, self.stop_transaction)
        self.rcd.handle(AcRcd.self_test, lambda: None)
        self.rcd.handle(AcRcd.reset, self.reset_rcd)
        self.connector_lock.handle(ConnectorLock.lock, lambda: self.set_lock(True))
        self.connector_lock.handle(ConnectorLock.unlock, lambda: self.set_lock(False))
        self.mqtt.subscribe(
            topics.carsim_error(self.options.connector_id), self.context.inbox, self.inject_error
        )

    def _init_board_support(self) -> None:
        support = self.board_support
        support.handle(EvseBoardSupport.enable, lambda value: self._apply(board.enable(self.board, value)))
        support.handle(EvseBoardSupport.pwm_on, lambda value: self._set_pilot(control_pilot.pwm(value)))
        support.handle(EvseBoardSupport.cp_state_X1, lambda: self._set_pilot(control_pilot.X1))
        support.handle(EvseBoardSupport.cp_state_F, lambda: self._set_pilot(control_pilot.F))
        support.handle(EvseBoardSupport.cp_state_E, self.refuse_state_e)
        support.handle(EvseBoardSupport.allow_power_on, self.allow_power_on)
        support.handle(
            EvseBoardSupport.ac_switch_three_phases_while_charging,
            lambda value: self._apply(board.switch_phases(self.board, value)),
        )
        # There is no over-current protection of the board's own to set.
        support.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)  # noqa: ARG005 - named by the interface

    def ready(self) -> None:
        self.powermeter.publish(Powermeter.public_key_ocmf, f"TESTPUBLICKEY{self.options.connector_id}")
        self.board_support.publish(EvseBoardSupport.capabilities, self.capabilities())
        self._counted_until_s = self.clock.now_s()
        self.publish_readings()
        self.every(TICK_S, self.tick)

    def make_safe(self) -> None:
        self._apply(board.make_safe(self.board))

    def capabilities(self) -> HardwareCapabilities:
        return HardwareCapabilities(
            max_current_A_import=self.options.max_current_A_import,
            min_current_A_import=self.options.min_current_A_import,
            max_phase_count_import=3,
            min_phase_count_import=1,
            max_current_A_export=16.0,
            min_current_A_export=0.0,
            max_phase_count_export=3,
            min_phase_count_export=1,
            supports_changing_phases_during_charging=True,
            supports_cp_state_E=False,
            connector_type="IEC62196Type2Cable",
        )

    def tick(self) -> None:
        residual_ma = self._noise(self.board.car.residual_ma)
        self._set_error(self.rcd, "ac_rcd/DC", "measured", self.board.car.trips_rcd)
        self.rcd.publish(AcRcd.rcd_current_mA, residual_ma)
        wire = self.board.wire
        measured = Levels(self._noise(wire.high_v), self._noise(wire.low_v))
        self._apply(board.tick(self.board, measured))
        self._set_error(
            self.board_support,
            "evse_board_support/DiodeFault",
            "measured",
            self.board.reading.diode_shorted,
        )
        self.car_side.publish_measurement(residual_ma, self.board.pilot.duty_percent)
        self._ticks += 1
        if self._ticks % 2 == 0:
            self.publish_readings()

    def publish_readings(self) -> None:
        timestamp = self.context.bus.timestamp()
        temperatures = readings.temperatures(self.measurement)
        self.powermeter.publish(
            Powermeter.powermeter, readings.powermeter(self.measurement, self.energy, timestamp)
        )
        self.temperature_sensor.publish(TemperatureSensor.temperatures, temperatures)
        for topic, payload in external_topics.messages(
            self.module_id, self.measurement, self.energy, self.clock.utc()
        ):
            self.mqtt.publish(topic, payload, latest=True, volatile=True)
        self.board_support.publish(
            EvseBoardSupport.telemetry,
            Telemetry(
                evse_temperature_C=self.measurement.temperature_c,
                fan_rpm=1500.0,
                supply_voltage_12V=12.01,
                supply_voltage_minus_12V=-11.8,
                relais_on=self.board.relay_on,
            ),
        )

    def refuse_state_e(self) -> None:
        raise RejectedError(
            "this board cannot put the control pilot to 0 V (capabilities: supports_cp_state_E)"
        )

    def allow_power_on(self, value: PowerOnOff) -> None:
        self._apply(board.allow_power(self.board, value.allow_power_on))

    def set_lock(self, locked: bool) -> None:
        self.locked = locked

    def reset_rcd(self) -> bool:
        """The residual current is gone; the error clears with the next reading."""
        self._change_car(replace(self.board.car, residual_ma=RCD_IDLE_MA))
        return True

    def start_transaction(self, value: TransactionReq) -> TransactionStartResponse:  # noqa: ARG002 - named by the interface
        if not self.options.dummy_meter_value_send_on_transaction_start:
            return TransactionStartResponse(status="OK")
        return TransactionStartResponse(
            status="OK", signed_meter_value=_dummy(self.options.dummy_meter_value_blob_start)
        )

    def stop_transaction(self, transaction_id: str) -> TransactionStopResponse:  # noqa: ARG002 - named by the interface
        return TransactionStopResponse(
            status="OK",
            start_signed_meter_value=_dummy(self.options.dummy_meter_value_blob_start),
            signed_meter_value=_dummy(self.options.dummy_meter_value_blob_stop),
        )

    def inject_error(self, message: Message) -> None:
        """Raises or clears an error by hand."""
        try:
            injection = error_injection.parse(message.payload)
        except ArgumentError as error:
            self._limited_log.warning(
                "injection", "simulated error refused", topic=message.topic, reason=str(error)
            )
            return
        target = self.implementations[injection.implementation_id]
        self._set_error(target, injection.type, "injected", injection.active)

    def _set_pilot(self, pilot: control_pilot.Pilot) -> None:
        self._apply(board.set_pilot(self.board, pilot))

    def _change_car(self, car: Car) -> None:
        self._apply(board.change_car(self.board, car))

    def _apply(self, step: board.Step) -> None:
        """Counts the energy up to now, then takes over what follows and publishes it."""
        now_s = self.clock.now_s()
        self.energy.add(self.measurement.power_w, now_s - self._counted_until_s)
        self._counted_until_s = now_s
        self.board, effects = step
        self.measurement = measure(
            self.board.current_a,
            self.board.phases,
            self.options.ac_nominal_voltage,
            self.options.ac_nominal_frequency,
            self._noise,
        )
        for effect in effects:
            match effect:
                case board.Publish(event):
                    self.board_support.publish(EvseBoardSupport.event, BspEvent(event=event))
                case board.PublishToCar(event):
                    self.ev_board_support.publish(EvBoardSupport.bsp_event, BspEvent(event=event))
                case board.CarArrived():
                    if self.options.reset_powermeter_on_session_start:
                        self.energy.reset()

    def _set_error(
        self,
        target: Implementation[EvseBoardSupport] | Implementation[AcRcd],
        type_: str,
        cause: Literal["measured", "injected"],
        active: bool,
    ) -> None:
        """An error that is both measured and injected is there until both are gone."""
        causes = self._error_causes.setdefault((target.implementation_id, type_), set())
        if active:
            causes.add(cause)
            target.raise_error(type_, MESSAGE)
            return
        causes.discard(cause)
        if not causes:
            target.clear_error(type_)


def _dummy(blob: str) -> SignedMeterValue:
    return SignedMeterValue(signed_meter_data=blob, signing_method="dummy", encoding_method="plain")
