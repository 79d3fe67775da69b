"""EVerest's InfyPower: charger modules of one or several InfyPower rectifiers as one DC power supply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator

from drivers.infy_power.codec import MAX_MODULES, decode_id
from drivers.infy_power.modules import WARNING
from drivers.infy_power.state import (
    Clear,
    Due,
    Effect,
    Event,
    LinkLost,
    LinkUp,
    Note,
    OffDone,
    Raise,
    Received,
    Refuse,
    Send,
    SetMode,
    Settings,
    SetVoltageCurrent,
    State,
    TellCapabilities,
    TellMode,
    TellOutput,
)
from drivers.infy_power.step import all_off, deadline_s, step
from drivers.link.can_bus import SILENCE_S, CanBus, CanFilter, CanSettings, devices_of
from drivers.link.can_wire import CanFrame, CanWire
from drivers.link.link import MeasuredLink
from evse_daemon.framework.calls import Deferred, RejectedError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.devices import Device
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.power_supply_DC import PowerSupplyDC
from evse_daemon.types.power_supply_DC import ChargingPhase, Mode

MODULE_TIMEOUT_S = 10
"""A module that hears nothing for so long switches itself off (V1.13)."""


class InfyPower(Module):
    """Starts with the modules switched off, and leaves them so; see docs/can.md."""

    class Options(ModuleOptions):
        can_device: str = "can0"
        """The bus: of socketcan its network interface, of slcan its serial port."""
        can_interface: str = "socketcan"
        """How the bus is reached, in python-can's words: socketcan, slcan, virtual …; not in EVerest's manifest."""
        can_bitrate: Annotated[int, Field(gt=0)] = 125_000
        """bit/s; without effect on socketcan, where ``ip link`` sets it. Not in EVerest's manifest."""
        module_addresses: str = ""
        """The modules' own addresses, separated by commas; empty for those of a group."""
        group_address: Annotated[int, Field(ge=0, le=MAX_MODULES)] = 0
        """The group that the modules' dials are set to, where module_addresses is empty."""
        device_connection_timeout_s: int = 15
        """A module that was silent for so long counts as off; it must be more than the 10 s after which it is."""
        conversion_efficiency_export: Annotated[float, Field(gt=0, le=1)] = 0.95
        controller_address: Annotated[int, Field(ge=MAX_MODULES, le=255)] = 240
        """Ours; those below are the modules'."""

        @field_validator("module_addresses")
        @classmethod
        def _are_addresses(cls, value: str) -> str:
            addresses = _addresses(value)
            if len(set(addresses)) < len(addresses):
                raise ValueError("an address stands there twice")
            return value

        @field_validator("device_connection_timeout_s")
        @classmethod
        def _is_longer_than_the_modules(cls, value: int) -> int:
            if value <= MODULE_TIMEOUT_S:
                raise ValueError(
                    f"must be more than {MODULE_TIMEOUT_S} s: a silent module gives current for so long, and"
                    " meanwhile its share must not go to the others"
                )
            return value

        def devices(self) -> Iterable[Device]:
            return devices_of(self.can_interface, self.can_device, self.can_bitrate)

    main = Provides(PowerSupplyDC)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        assert isinstance(options, InfyPower.Options)
        self.options = options
        now_s = self.clock.now_s()
        self.state = State(
            Settings(
                addresses=_addresses(options.module_addresses),
                group=options.group_address,
                controller=options.controller_address,
                removal_s=float(options.device_connection_timeout_s),
                efficiency=options.conversion_efficiency_export,
            ),
            quiet_since_s=now_s,
            off_since_s=now_s,
        )
        mine = CanFilter(options.controller_address << 8, 0xFF00, extended=True)
        self.wire: CanWire = CanBus(
            CanSettings(options.can_interface, options.can_device, options.can_bitrate, SILENCE_S, (mine,)),
            self.log,
        )
        self._off: list[Deferred[None]] = []
        self._refused: str | None = None
        self._timer: Timer | None = None
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self.main.handle(PowerSupplyDC.setMode, self.set_mode)
        self.main.handle(PowerSupplyDC.setExportVoltageCurrent, self.set_export)
        self.main.handle(PowerSupplyDC.setImportVoltageCurrent, self.refuse_import)

    def ready(self) -> None:
        self.spawn("CAN", self.wire.run(self))
        self.handle_event(Due())

    def make_safe(self) -> None:
        self.state = replace(self.state, wanted_on=False)
        for effect in all_off(self.state):
            self.wire.send(effect.frame)

    def recover(self, error: Exception, failures: int) -> bool:
        self.make_safe()
        return super().recover(error, failures)

    def set_mode(self, mode: Mode, phase: ChargingPhase) -> Deferred[None]:  # noqa: ARG002 - it is CC/CV in all
        if mode == "Import":
            raise RejectedError("these power modules cannot take power from a car")
        done: Deferred[None] = Deferred()
        if mode == "Export":
            done.resolve(None)
        else:
            self._off.append(done)
        self.handle_event(SetMode(on=mode == "Export"))
        return done

    def set_export(self, voltage: float, current: float) -> None:
        self.handle_event(SetVoltageCurrent(voltage, current))
        if self._refused is not None:
            raise RejectedError(self._refused)

    def refuse_import(self, voltage: float, current: float) -> None:  # noqa: ARG002 - the interface's names
        raise RejectedError("these power modules cannot take power from a car")

    def measures(self) -> Iterable[Measure]:
        return self.wire.measures(self.module_id) if isinstance(self.wire, MeasuredLink) else ()

    # What the bus says comes through the inbox, as everything does.

    def bus_up(self) -> None:
        self.context.inbox.put(self.handle_event, LinkUp())

    def bus_lost(self, reason: str) -> None:
        self.context.inbox.put(self.handle_event, LinkLost(reason))

    def received(self, frame: CanFrame) -> None:
        if frame.extended and decode_id(frame.id).destination == self.options.controller_address:
            self.context.inbox.put(self.handle_event, Received(frame))

    def handle_event(self, event: Event) -> None:
        """Has the event's effects carried out, and the time watched that the state names."""
        self._refused = None
        try:
            self.state, effects = step(self.state, event, self.clock.now_s())
            for effect in effects:
                self._carry_out(effect)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            delay_s = max(deadline_s(self.state) - self.clock.now_s(), 0.0)
            self._timer = self.after(delay_s, lambda: self.handle_event(Due()))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(frame):
                self.wire.send(frame)
            case TellOutput(value):
                self.main.publish(PowerSupplyDC.voltage_current, value)
            case TellMode(mode):
                self.main.publish(PowerSupplyDC.mode, mode)
            case TellCapabilities(value):
                self.main.publish(PowerSupplyDC.capabilities, value)
            case Raise(error, message):
                self._limited_log.error(
                    (error, message), "the power supply has an error", error=error, reason=message
                )
                self.main.raise_error(error, message, severity="Medium" if error == WARNING else "High")
            case Clear(error):
                self.main.clear_error(error)
            case OffDone():
                waiting, self._off = self._off, []
                for done in waiting:
                    done.resolve(None)
            case Refuse(reason):
                self._refused = reason
            case Note(kind, text):
                self._limited_log.warning(kind, text)


def _addresses(text: str) -> tuple[int, ...]:
    """The addresses in an option.

    Raises:
        ValueError: something in it is no address of a module.
    """
    found = []
    for part in text.split(",") if text.strip() else ():
        if not part.strip().isdecimal() or int(part) >= MAX_MODULES:
            raise ValueError(f"{part.strip()!r} is no address of a module (0 to {MAX_MODULES - 1})")
        found.append(int(part))
    return tuple(found)
