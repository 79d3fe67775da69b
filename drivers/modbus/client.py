"""pymodbus behind one function: a request goes out, an outcome comes back, nothing is raised (stack.md §5).

Its own retries and reconnects are switched off: the line decides about both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from drivers.modbus.requests import Answer, NoLine, Outcome, Refusal, Request, Silence

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

    Pymodbus = AsyncModbusSerialClient | AsyncModbusTcpClient

CONNECT_TIMEOUT_S = 2.0

LONGER_THAN_ANY_S = 3600.0
"""For pymodbus' own time-out: ours comes first."""

BITS_PER_CHARACTER = 11
"""Start, eight data, parity or a second stop bit, stop (Modbus over Serial Line V1.02 §2.5.1)."""


class MissingLibraryError(RuntimeError):
    """pymodbus is not installed."""

    def __init__(self) -> None:
        super().__init__("Modbus needs pymodbus: pip install 'evse-daemon[modbus]'")


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial line; 8 data bits, 1 stop bit."""

    device: str
    baudrate: int = 9600
    parity: Literal["N", "O", "E"] = "N"
    echo: bool = False
    """What is sent is read back and has to be skipped."""

    def __str__(self) -> str:
        return self.device

    @property
    def gap_s(self) -> float:
        """Silence between two frames: 3.5 characters, 1.75 ms above 19200 Bd (Modbus over Serial Line §2.5.1.1)."""
        return 0.00175 if self.baudrate > 19200 else 3.5 * BITS_PER_CHARACTER / self.baudrate

    def on_the_wire_s(self, characters: int) -> float:
        return characters * BITS_PER_CHARACTER / self.baudrate

    def client(self) -> Pymodbus:
        """Raises MissingLibraryError."""
        try:
            import serial  # noqa: F401, PLC0415 - optional; pymodbus does without it until a port is opened
            from pymodbus.client import AsyncModbusSerialClient  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingLibraryError from error
        return AsyncModbusSerialClient(
            self.device,
            baudrate=self.baudrate,
            parity=self.parity,
            handle_local_echo=self.echo,
            retries=0,
            reconnect_delay=0,
            timeout=LONGER_THAN_ANY_S,
        )


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """A Modbus TCP server: a meter, or a gateway to a bus."""

    host: str
    port: int = 502

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def gap_s(self) -> float:
        return 0.0

    def on_the_wire_s(self, characters: int) -> float:  # noqa: ARG002 - as a serial port
        return 0.0

    def client(self) -> Pymodbus:
        """Raises MissingLibraryError."""
        try:
            from pymodbus.client import AsyncModbusTcpClient  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingLibraryError from error
        return AsyncModbusTcpClient(
            self.host, port=self.port, retries=0, reconnect_delay=0, timeout=LONGER_THAN_ANY_S
        )


Place = SerialPort | TcpPlace


class ModbusClient:
    """One port or connection.

    Args:
        place: where it leads.

    Raises:
        MissingLibraryError: pymodbus is not installed.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client = place.client()
        self._contain()
        # It logs each silence as an error, past our log; the line tells of them in its own words.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        logging.getLogger("pymodbus_internal").setLevel(logging.CRITICAL)

    @property
    def connected(self) -> bool:
        return self._client.connected

    async def connect(self) -> str | None:
        """Opens the port or connection; None, or what went wrong."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if await self._client.connect():
                    return None
        except TimeoutError:
            return f"{self.place} does not answer"
        except Exception as error:  # noqa: BLE001 - pyserial raises what the driver of the port raises
            return f"{self.place} cannot be opened: {error}"
        return f"{self.place} cannot be opened"

    def close(self) -> None:
        self._client.close()

    async def transact(self, request: Request, timeout_s: float) -> Outcome:
        """Sends a request and waits for its answer."""
        from pymodbus.exceptions import ConnectionException, ModbusException  # noqa: PLC0415 - optional

        try:
            async with asyncio.timeout(timeout_s):
                return _outcome(request, await self._call(request))
        except TimeoutError:
            return Silence(f"no answer within {timeout_s:.1f} s")
        except ConnectionException:
            return NoLine(f"{self.place} is gone")
        except (ModbusException, ValueError) as error:
            return Silence(f"no answer that can be understood: {error}")

    def _contain(self) -> None:
        """A frame that pymodbus cannot decode is no answer; it would raise where only asyncio could say so."""
        transaction = self._client.ctx
        decode = transaction.callback_data

        def contained(data: bytes, addr: tuple[Any, ...] | None = None) -> int:
            try:
                return decode(data, addr)
            except Exception:  # noqa: BLE001 - of whatever a stranger may send
                return len(data)

        transaction.callback_data = contained  # type: ignore[method-assign]  # it has no hook for this

    async def _call(self, request: Request) -> ModbusPDU:
        client, where, unit = self._client, request.address, request.device_id
        match request.function:
            case 1:
                return await client.read_coils(where, count=request.count, device_id=unit)
            case 3:
                return await client.read_holding_registers(where, count=request.count, device_id=unit)
            case 4:
                return await client.read_input_registers(where, count=request.count, device_id=unit)
            case 5:
                return await client.write_coil(where, bool(request.values[0]), device_id=unit)
            case 6:
                return await client.write_register(where, request.values[0], device_id=unit)
            case 16:
                return await client.write_registers(where, list(request.values), device_id=unit)


def _outcome(request: Request, answer: ModbusPDU) -> Outcome:
    if answer.isError():
        return Refusal(answer.exception_code)
    if answer.function_code != request.function:
        return Silence(f"an answer to function {answer.function_code} instead of {request.function}")
    if request.function == 1:
        bits = tuple(int(bit) for bit in answer.bits[: request.count])
        return _counted(request, bits)
    if request.function in (3, 4):
        return _counted(request, tuple(answer.registers))
    if answer.address != request.address:
        return Silence(f"an answer for address {answer.address} instead of {request.address}")
    return Answer()


def _counted(request: Request, values: tuple[int, ...]) -> Outcome:
    """A late answer to another question is known by its length."""
    if len(values) != request.count:
        return Silence(f"an answer of {len(values)} values instead of {request.count}")
    return Answer(values)


ClientMaker = Callable[[Place], ModbusClient]
