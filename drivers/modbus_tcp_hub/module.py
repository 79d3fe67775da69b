"""ModbusTcpHub: a meter with Modbus TCP, or a gateway to a bus of meters; EVerest has no such module.

It stands where a SerialCommHub stands, so that every module that needs one works over TCP as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from drivers.modbus.client import TcpPlace
from drivers.modbus.hub import Hub
from drivers.modbus.line import Line, Patience
from evse_daemon.framework.devices import Device, TcpServer
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub


class TcpOptions(ModuleOptions):
    host: str = Field(min_length=1)
    """Name or address of the meter or gateway."""
    port: int = Field(502, ge=1, le=65535)
    unit_id: int = Field(-1, ge=-1, le=255)
    """Sent as unit id whoever is meant, as some meters want 0 or 255; -1: the device id of the request."""
    timeout_ms: int = Field(1000, ge=1, le=10_000)
    """Until an answer is there."""
    retries: int = Field(0, ge=0, le=10)
    """Further attempts where a device does not answer."""

    def devices(self) -> Iterable[Device]:
        return (TcpServer("host", self.host, self.port, ("pymodbus",)),)


class ModbusTcpHub(Module):
    """One connection for all meters behind it: one request at a time, each device in its turn."""

    main = Provides(SerialCommunicationHub, TcpOptions)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, TcpOptions)
        patience = Patience(options.timeout_ms / 1000, options.retries)
        self.line = Line(TcpPlace(options.host, options.port), patience, self.log)
        self._unit_id = None if options.unit_id < 0 else options.unit_id

    def init(self) -> None:
        Hub(self.main, self.line, self._unit_id)

    def measures(self) -> Iterator[Measure]:
        return self.line.measures(self.module_id)

    def ready(self) -> None:
        self.spawn("line", self.line.run())
