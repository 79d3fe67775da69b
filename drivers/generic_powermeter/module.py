"""EVerest's GenericPowermeter: a Modbus meter that a file of registers describes, on a shared bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from drivers.generic_powermeter import cycle, model_file
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, Requires
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub
from evse_daemon.types import powermeter as powermeter_types
from evse_daemon.types.powermeter import TransactionReq, TransactionStartResponse, TransactionStopResponse
from evse_daemon.types.serial_comm_hub_requests import Result

FAULT = "powermeter/CommunicationFault"

UNSIGNED = "this meter signs no transactions: it has no such registers that its model file could name"


def _known(model: str) -> str:
    model_file.find(model)
    return model


def _usable(base_address: int, info: ValidationInfo) -> int:
    """With the base address the whole file can be read."""
    if "model" in info.data:
        model_file.require_energy(model_file.load(model_file.find(info.data["model"]), base_address))
    return base_address


class MeterOptions(ModuleOptions):
    model: Annotated[str, Field(validate_default=True), AfterValidator(_known)] = "test_dummy"
    """A model by its name, or the whole path of a model file."""
    powermeter_device_id: int = Field(1, ge=1, le=247)
    modbus_base_address: Annotated[int, Field(validate_default=True), AfterValidator(_usable)] = Field(
        30001, ge=0, le=65535
    )
    """What the input registers (function 4) of the model file are counted from."""


class GenericPowermeter(Module):
    """Reads a meter once a second and publishes what was read completely."""

    main = Provides(Powermeter, MeterOptions)
    serial_comm_hub = Requires(SerialCommunicationHub)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, MeterOptions)
        self._device_id = options.powermeter_device_id
        model = model_file.load(model_file.find(options.model), options.modbus_base_address)
        self._settings = cycle.settings(model)
        self._state = cycle.begin(self.clock.now_s())
        self._timer: Timer | None = None
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self.main.handle(Powermeter.start_transaction, self.start_transaction)
        self.main.handle(Powermeter.stop_transaction, self.stop_transaction)

    def ready(self) -> None:
        self._state = cycle.begin(self.clock.now_s())
        self._feed(cycle.Tick())

    def start_transaction(self, value: TransactionReq) -> TransactionStartResponse:  # noqa: ARG002 - named by the interface
        return TransactionStartResponse(status="NOT_SUPPORTED", error=UNSIGNED)

    def stop_transaction(self, transaction_id: str) -> TransactionStopResponse:  # noqa: ARG002 - named by the interface
        return TransactionStopResponse(status="NOT_SUPPORTED", error=UNSIGNED)

    def _feed(self, event: cycle.Event) -> None:
        self._state, effects = cycle.step(self._settings, self._state, event, self.clock.now_s())
        for effect in effects:
            self._run(effect)
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.0, self._state.next_s - self.clock.now_s())
        self._timer = self.after(wait_s, lambda: self._feed(cycle.Tick()))

    def _run(self, effect: cycle.Effect) -> None:
        match effect:
            case cycle.Ask():
                self._ask(effect)
            case cycle.Publish(values):
                reading = powermeter_types.Powermeter(
                    timestamp=self.context.bus.timestamp(),
                    meter_id=self.module_id,
                    energy_Wh_import=values.energy_Wh_import,
                    energy_Wh_export=values.energy_Wh_export,
                    power_W=values.power_W,
                    voltage_V=values.voltage_V,
                    VAR=values.VAR,
                    current_A=values.current_A,
                    frequency_Hz=values.frequency_Hz,
                )
                self.main.publish(Powermeter.powermeter, reading)
            case cycle.RaiseFault(message):
                self._limited_log.error("fault", "the meter cannot be read", reason=message)
                self.main.raise_error(FAULT, message)
            case cycle.ClearFault():
                self._limited_log.info("again", "the meter is read again")
                self.main.clear_error(FAULT)
            case cycle.Note(message):
                self._limited_log.warning(
                    message.split(":")[0], "about the meter", device=self._device_id, note=message
                )

    def _ask(self, ask: cycle.Ask) -> None:
        block = ask.block
        command = (
            SerialCommunicationHub.modbus_read_holding_registers
            if block.function == 3
            else SerialCommunicationHub.modbus_read_input_registers
        )
        self.serial_comm_hub.call(
            command,
            target_device_id=self._device_id,
            first_register_address=block.address,
            num_registers_to_read=block.count,
        ).then(
            lambda result: self._feed(_event(ask.request_id, result)),
            lambda error: self._feed(_failure(ask.request_id, error)),
        )


def _event(request_id: int, result: Result) -> cycle.Event:
    match result.status_code:
        case "Success":
            return cycle.Answered(request_id, tuple(result.value or ()))
        case "Timeout":
            return cycle.Failed(request_id, "the meter does not answer")
        case _:
            return cycle.Failed(
                request_id, "the meter refuses, the log of the bus says with which exception", refused=True
            )


def _failure(request_id: int, error: CallError) -> cycle.Event:
    return cycle.Failed(request_id, f"the bus cannot be used: {error.message}")
