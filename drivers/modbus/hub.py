"""The commands of ``serial_communication_hub`` on a Modbus line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers.modbus.line import Line
from drivers.modbus.requests import (
    MOST_COILS,
    MOST_REGISTERS,
    MOST_WRITTEN,
    Answer,
    Function,
    NoLine,
    Outcome,
    Request,
    Silence,
)
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import CallError, Deferred, RejectedError
from evse_daemon.interfaces.serial_communication_hub import TIMEOUT_S, SerialCommunicationHub
from evse_daemon.types.serial_comm_hub_requests import Result, ResultBool, StatusCodeEnum, VectorUint16

T = TypeVar("T")

MOST_READ = 16 * MOST_REGISTERS
"""Registers that one command may read; more are no measurement but a search of the whole device."""

PATIENCE_S = 0.9 * TIMEOUT_S
"""A request whose turn comes later is not sent: its caller has gone."""

NONSTANDARD = "requests that are no Modbus (nonstd_read, nonstd_write) are not supported on this line"


class Hub:
    """Answers the commands; a line that is not there fails the call, whose error says why.

    Args:
        implementation: whose commands.
        line: where the devices are.
        unit_id: used instead of the caller's device id; None: the caller's.
        chunk: registers that are read in one request.
    """

    def __init__(
        self,
        implementation: Implementation[SerialCommunicationHub],
        line: Line,
        unit_id: int | None = None,
        chunk: int = MOST_REGISTERS,
    ) -> None:
        self._line = line
        self._unit_id = unit_id
        self._chunk = max(1, min(chunk, MOST_REGISTERS))
        interface = SerialCommunicationHub
        implementation.handle(
            interface.modbus_read_holding_registers,
            lambda target_device_id, first_register_address, num_registers_to_read: self._read(
                target_device_id, 3, first_register_address, num_registers_to_read
            ),
        )
        implementation.handle(
            interface.modbus_read_input_registers,
            lambda target_device_id, first_register_address, num_registers_to_read: self._read(
                target_device_id, 4, first_register_address, num_registers_to_read
            ),
        )
        implementation.handle(interface.modbus_read_coils, self._read_coils)
        implementation.handle(interface.modbus_write_multiple_registers, self._write_registers)
        implementation.handle(
            interface.modbus_write_single_register,
            lambda target_device_id, register_address, data: self._write(
                Request(self._unit(target_device_id), 6, register_address, 1, (data,))
            ),
        )
        implementation.handle(
            interface.modbus_write_single_coil,
            lambda target_device_id, coil_address, data: self._write(
                Request(self._unit(target_device_id), 5, coil_address, 1, (int(data),))
            ),
        )
        implementation.handle(interface.nonstd_write, _refuse_write)
        implementation.handle(interface.nonstd_read, _refuse_read)

    def _unit(self, target_device_id: int) -> int:
        return target_device_id if self._unit_id is None else self._unit_id

    def _read(self, device_id: int, function: Function, address: int, count: int) -> Deferred[Result]:
        _within(address, count, MOST_READ)
        deferred: Deferred[Result] = Deferred()
        values: list[int] = []

        def take(outcome: Outcome) -> None:
            match outcome:
                case Answer(part):
                    values.extend(part)
                    ask()
                case NoLine(reason):
                    deferred.fail(CallError("HandlerException", reason))
                case _:
                    deferred.resolve(Result(status_code=_status(outcome)))

        def ask() -> None:
            left = count - len(values)
            if not left:
                deferred.resolve(Result(status_code="Success", value=values))
                return
            part = Request(self._unit(device_id), function, address + len(values), min(left, self._chunk))
            self._line.submit(part, PATIENCE_S, take)

        ask()
        return deferred

    def _read_coils(
        self, target_device_id: int, first_coil_address: int, num_coils_to_read: int
    ) -> Deferred[ResultBool]:
        _within(first_coil_address, num_coils_to_read, MOST_COILS)

        def result(outcome: Outcome) -> ResultBool:
            if not isinstance(outcome, Answer):
                return ResultBool(status_code=_status(outcome))
            return ResultBool(status_code="Success", value=[bool(value) for value in outcome.values])

        request = Request(self._unit(target_device_id), 1, first_coil_address, num_coils_to_read)
        return self._asked(request, result)

    def _write_registers(
        self, target_device_id: int, first_register_address: int, data_raw: VectorUint16
    ) -> Deferred[StatusCodeEnum]:
        if not data_raw.data:
            raise RejectedError("data_raw: there is nothing to write")
        _within(first_register_address, len(data_raw.data), MOST_WRITTEN)
        values = tuple(data_raw.data)
        return self._write(
            Request(self._unit(target_device_id), 16, first_register_address, len(values), values)
        )

    def _write(self, request: Request) -> Deferred[StatusCodeEnum]:
        return self._asked(request, _status)

    def _asked(self, request: Request, result: Callable[[Outcome], T]) -> Deferred[T]:
        deferred: Deferred[T] = Deferred()

        def take(outcome: Outcome) -> None:
            if isinstance(outcome, NoLine):
                deferred.fail(CallError("HandlerException", outcome.reason))
            else:
                deferred.resolve(result(outcome))

        self._line.submit(request, PATIENCE_S, take)
        return deferred


def _within(address: int, count: int, most: int) -> None:
    if count > most:
        raise RejectedError(f"{count} at once are too many, {most} are possible")
    if address + count > 0x10000:
        raise RejectedError(f"{count} from address {address} are more than there are: the last one is 65535")


def _status(outcome: Outcome) -> StatusCodeEnum:
    match outcome:
        case Answer():
            return "Success"
        case Silence():
            return "Timeout"
        case _:
            return "Error"


def _refuse_write(target_device_id: int, first_register_address: int, num_registers_to_read: int) -> None:  # noqa: ARG001 - named by who calls it
    raise RejectedError(NONSTANDARD)


def _refuse_read(target_device_id: int, first_register_address: int, num_registers_to_read: int) -> Result:  # noqa: ARG001 - named by who calls it
    raise RejectedError(NONSTANDARD)
