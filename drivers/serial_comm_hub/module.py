"""EVerest's SerialCommHub: a serial bus (RS-485) with Modbus RTU that several modules share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from drivers.modbus.client import SerialPort
from drivers.modbus.hub import Hub
from drivers.modbus.line import Line, Patience
from evse_daemon.framework.devices import Device, SerialDevice
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, unsupported
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub

PARITIES: tuple[Literal["N", "O", "E"], ...] = ("N", "O", "E")
"""By the number in the options."""


class HubOptions(ModuleOptions):
    serial_port: str = "/dev/ttyUSB0"
    baudrate: int = Field(9600, ge=0, le=230400)
    parity: int = Field(0, ge=0, le=2)
    """0: none, 1: odd, 2: even."""
    rtscts: bool = unsupported(False)
    ignore_echo: bool = False
    """What is sent is read back and skipped, as some adapters need it."""
    rxtx_gpio_chip: str = unsupported("")
    rxtx_gpio_line: int = unsupported(0)
    rxtx_gpio_tx_high: bool = unsupported(False)
    max_packet_size: int = Field(256, ge=7, le=65536)
    """Longer reads are split."""
    initial_timeout_ms: int = Field(500, ge=1, le=5000)
    """Until an answer begins."""
    within_message_timeout_ms: int = Field(100, ge=1, le=5000)
    """From there to its end, beside its time on the wire."""
    retries: int = Field(2, ge=0, le=10)
    """Further attempts where a device does not answer."""

    def devices(self) -> Iterable[Device]:
        return (SerialDevice("serial_port", self.serial_port, ("serial", "pymodbus")),)


class SerialCommHub(Module):
    """A bus for several meters: one request at a time, each device in its turn."""

    main = Provides(SerialCommunicationHub, HubOptions)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, HubOptions)
        # A terminal takes a baud rate of 0, EVerest's lowest, as the order to hang up.
        self._port = SerialPort(
            options.serial_port, options.baudrate or 9600, PARITIES[options.parity], options.ignore_echo
        )
        timeout_s = (options.initial_timeout_ms + options.within_message_timeout_ms) / 1000
        self.line = Line(self._port, Patience(timeout_s, options.retries), self.log)
        self._chunk = (options.max_packet_size - 5) // 2

    def init(self) -> None:
        Hub(self.main, self.line, chunk=self._chunk)

    def measures(self) -> Iterator[Measure]:
        return self.line.measures(self.module_id)

    def ready(self) -> None:
        self.spawn("line", self.line.run())
