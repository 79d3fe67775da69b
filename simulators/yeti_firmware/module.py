"""A Yeti at the far end of a serial line, for which YetiDriver is the driver; and the plug of the simulated car."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import ArgumentError
from evse_daemon.framework.module import Context, Message, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.ev_board_support import EvBoardSupport
from evse_daemon.mqtt import topics
from evse_daemon.types.board_support_common import BspEvent
from simulators.yeti_firmware import dialects, faults, firmware, meter, wire
from simulators.yeti_firmware.faults import FaultError
from simulators.yeti_firmware.firmware import Send, TellCar
from simulators.yeti_firmware.messages import ErrorFlags, MeterDue, Metered, ToHost, Version
from simulators.yeti_firmware.state import Faults, Firmware, Settings
from simulators.yeti_simulator import error_injection
from simulators.yeti_simulator.car import RCD_IDLE_MA, Car
from simulators.yeti_simulator.car_side import CarSide
from simulators.yeti_simulator.control_pilot import Levels
from simulators.yeti_simulator.electrics import EnergyCounter, Measurement, Noise, measure

CAR_MEASURES_S = 0.25
"""How often the car's end of the cable measures, as EVerest's simulator does."""

FLAGS_BY_ERROR = {
    "evse_board_support/DiodeFault": "diode_fault",
    "evse_board_support/MREC2GroundFailure": "rcd_triggered",
    "evse_board_support/MREC4OverCurrentFailure": "over_current",
    "evse_board_support/MREC14PilotFault": "cp_signal_fault",
    "ac_rcd/Selftest": "rcd_selftest_failed",
    "connector_lock/MREC1ConnectorLockFailure": "connector_lock_failed",
}
"""Errors that a Yeti can report."""


class Line(Protocol):
    """The board's end of a wire; see line.py."""

    def open(self) -> None:
        """Begins to listen."""

    def close(self) -> None:
        """The wire is gone, as a plug that is pulled."""

    def send(self, message: bytes) -> None:
        """Sends a whole message, or loses it; never raises and never waits."""

    def forget(self) -> None:
        """The processor was reset: what waits to be sent, or has half arrived, is gone."""

    def disturb(self, fault: faults.OnTheLine) -> None:
        """What is wrong with the wire from now on."""

    @property
    def place(self) -> str:
        """Where a host finds it."""


class YetiFirmware(Module):
    """The board as a program: it knows its host by the wire alone."""

    class Options(ModuleOptions):
        connector_id: int
        wire: Literal["serial", "can"] = "serial"
        """CAN through an adapter on a serial port (slcan), with the identifiers of docs/can.md."""
        dialect: dialects.Name = "yeti"
        """Whose messages it speaks. The firmware is that of a Yeti; of a PhyVerso it is connector 1, and 2 stays empty."""
        link: str = Field("", max_length=200)
        """A symbolic link to the pseudo-terminal; empty for none."""
        software_version: str = Field("2.2", max_length=50)
        host_watchdog: bool = False
        """Signals F and opens after 5 s without a keep-alive of the host; the published firmware does not."""
        tells_lock: bool = False
        """Sends lock_state; the published firmware does not."""
        max_current_A: float = Field(32.0, ge=0)
        min_current_A: float = Field(6.0, ge=0)
        ac_nominal_voltage: float = Field(230.0, ge=99)
        ac_nominal_frequency: float = Field(50.0, ge=50, le=60)

    ev_board_support = Provides(EvBoardSupport)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, YetiFirmware.Options)
        self.options = context.options
        self.board = Firmware(
            settings=Settings(
                version=Version(software=self.options.software_version),
                max_current_a=self.options.max_current_A,
                min_current_a=self.options.min_current_A,
                host_watchdog=self.options.host_watchdog,
                tells_lock=self.options.tells_lock,
            ),
            next_at_s=self.clock.now_s(),
        )
        self.car_side = CarSide(
            self.ev_board_support,
            lambda: self.board.car,
            lambda car: self.apply(firmware.CarChanged(car)),
            lambda state: self.apply(firmware.CarSets(state)),
        )
        self.line = self.make_line()
        self.dialect = dialects.make(self.options.dialect)
        self._noise = Noise(self.module_id)
        self._timer: Timer | None = None
        self._measured = self._measure()
        self._energy = EnergyCounter()
        self._counted_until_s = self.clock.now_s()
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)

    def make_line(self) -> Line:
        """The board's end of the wire."""
        link = Path(self.options.link) if self.options.link else None
        if self.options.wire == "can":
            return wire.can_line(link, self.arrived, self.module_id)
        return wire.serial_line(link, self.arrived, self.module_id)

    def init(self) -> None:
        self.car_side.init()
        number, inbox = self.options.connector_id, self.context.inbox
        self.mqtt.subscribe(topics.carsim_error(number), inbox, self.on_error_message)
        self.mqtt.subscribe(
            topics.service_command(self.context.station, self.module_id, "fault"),
            inbox,
            self.on_fault_message,
        )
        # It stays open to the end of the process: a board outlives the last command of its host.
        self.line.open()

    def ready(self) -> None:
        self._counted_until_s = self.clock.now_s()
        self.apply(firmware.Restart())
        self.every(CAR_MEASURES_S, self.measure_at_the_car)

    def arrived(self, message: bytes) -> None:
        """A whole message of the host."""
        self.context.inbox.put(self._received, message)

    def measure_at_the_car(self) -> None:
        self.car_side.publish_measurement(
            self._noise(self.board.car.residual_ma), self.board.pilot.duty_percent
        )

    def on_fault_message(self, message: Message) -> None:
        try:
            self.break_it(message.payload)
        except FaultError as error:
            self._limited_log.warning("fault", "fault refused", topic=message.topic, reason=str(error))

    def on_error_message(self, message: Message) -> None:
        """An error injected as EVerest's Node-RED flow does it; a Yeti can report some of them."""
        try:
            wanted = error_injection.parse(message.payload)
        except ArgumentError as error:
            self._limited_log.warning(
                "injection", "simulated error refused", topic=message.topic, reason=str(error)
            )
            return
        flag = FLAGS_BY_ERROR.get(wanted.type)
        if flag is None:
            self._limited_log.warning(
                "injection", "simulated error refused: a Yeti has no flag for it", error=wanted.type
            )
            return
        self._break(faults.SetFlag(flag, wanted.active))

    def break_it(self, text: str) -> None:
        """Breaks the board as a text says, or mends it.

        Raises:
            FaultError: the text is no fault, and nothing is done; or the port does not come back.
        """
        for fault in faults.parse(text):
            self.log.info("fault", what=str(fault))
            try:
                self._break(fault)
            except OSError as error:
                raise FaultError(f"the port does not come back: {error}") from error

    def _break(self, fault: faults.Fault) -> None:
        broken = self.board.faults
        match fault:
            case faults.Reset(reason):
                self.apply(firmware.Restart(reason))
            case faults.Hang(watchdog_s):
                self.apply(firmware.Hang(watchdog_s))
            case faults.SetVersion(version):
                self.apply(firmware.Broken(replace(broken, version=version)))
            case faults.Weld(on):
                self.apply(firmware.Broken(replace(broken, welded=on)))
            case faults.SlowRelay(seconds):
                self.apply(firmware.Broken(replace(broken, relay_s=seconds)))
            case faults.StickLock(on):
                self.apply(firmware.Broken(replace(broken, lock_stuck=on)))
            case faults.SetFlag(name, on):
                flags: ErrorFlags = replace(broken.flags, **{name: on})
                self.apply(firmware.Broken(replace(broken, flags=flags)))
            case faults.SetPp(pp):
                self.apply(firmware.Broken(replace(broken, pp=pp)))
            case faults.Diode(shorted):
                self._change_car(replace(self.board.car, diode_shorted=shorted))
            case faults.Residual(milliampere):
                self._change_car(replace(self.board.car, residual_ma=milliampere))
            case faults.AllOver():
                self.line.disturb(fault)
                self._change_car(replace(self.board.car, diode_shorted=False, residual_ma=RCD_IDLE_MA))
                self.apply(firmware.Broken(Faults()))
            case _:
                self.line.disturb(fault)

    def _change_car(self, car: Car) -> None:
        self.apply(firmware.CarChanged(car))

    def _received(self, message: bytes) -> None:
        if self.board.mode != "running":
            return
        heard = self.dialect.heard(message)
        if not heard.understood:
            self._limited_log.warning("message", "message without meaning ignored", message=message.hex())
        for answer in heard.answers:
            self.line.send(answer)
        if heard.command is not None:
            self.apply(firmware.Received(heard.command))

    def _due(self) -> None:
        wire = self.board.wire
        self.apply(firmware.Due(Levels(self._noise(wire.high_v), self._noise(wire.low_v))))

    def apply(self, event: firmware.Event) -> None:
        """Takes a step, and does what follows of it."""
        before, now_s = self.board, self.clock.now_s()
        self._energy.add(self._measured.power_w, now_s - self._counted_until_s)
        self._counted_until_s = now_s
        self.board, effects = firmware.step(before, event, now_s)
        if (before.current_a, before.phases) != (self.board.current_a, self.board.phases):
            self._measured = self._measure()
        if self.board.mode == "booting" and before.mode != "booting":
            self.line.forget()
        for effect in effects:
            match effect:
                case Send(MeterDue()):
                    self._measured = self._measure()
                    self._say(self._reading())
                case Send(message):
                    assert not isinstance(message, MeterDue)
                    self._say(message)
                case TellCar(state):
                    self.ev_board_support.publish(EvBoardSupport.bsp_event, BspEvent(event=state))
        self._tell(before)
        if self.board.next_at_s != before.next_at_s:
            self._arm()

    def _say(self, message: ToHost) -> None:
        for data in self.dialect.said(message):
            self.line.send(data)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.board.next_at_s is not None:
            self._timer = self.after(self.board.next_at_s - self.clock.now_s(), self._due)

    def _measure(self) -> Measurement:
        return measure(
            self.board.current_a,
            self.board.phases,
            self.options.ac_nominal_voltage,
            self.options.ac_nominal_frequency,
            self._noise,
        )

    def _reading(self) -> Metered:
        return meter.metered(self._measured, self._energy)

    def _tell(self, before: Firmware) -> None:
        """For who watches the board."""
        board = self.board
        if board.mode != before.mode:
            self.log.info("board", mode=board.mode)
        if board.told_state is not before.told_state and board.told_state is not None:
            self.log.info("control pilot", state=board.told_state.value)
        if board.pilot != before.pilot:
            duty = f" {board.pilot.duty_percent:g} %" if board.pilot.running else ""
            self.log.info("pilot wave", wave=board.pilot.mode + duty)
        if board.allowed != before.allowed:
            self.log.info("power allowed" if board.allowed else "power not allowed")
        if board.contacts != before.contacts:
            self.log.info("contactor", phases=board.contacts)
        if board.told_flags != before.told_flags:
            self.log.info(
                "error flags", flags=[name for name in faults.FLAGS if getattr(board.told_flags, name)]
            )
        if board.locked != before.locked:
            self.log.info("lock", locked=board.locked)
