"""EVerest's interface ``serial_communication_hub``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types.base import Integer
from evse_daemon.types.serial_comm_hub_requests import Result, ResultBool, StatusCodeEnum, VectorUint16, Word

DeviceId = Annotated[Integer, Field(ge=0, le=255)]
Address = Annotated[Integer, Field(ge=0, le=65535)]
Count = Annotated[Integer, Field(ge=1)]
CoilCount = Annotated[Integer, Field(ge=1, le=65535)]

TIMEOUT_S = 15
"""A request may wait behind those of other devices on the bus, silent ones among them."""


class SerialCommunicationHub(Interface, name="serial_communication_hub", hardware=True):
    """A bus that several modules share: Modbus over RS-485, or through a gateway."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_read_holding_registers(
        self, target_device_id: DeviceId, first_register_address: Address, num_registers_to_read: Count
    ) -> Result:
        """Function 3."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_read_input_registers(
        self, target_device_id: DeviceId, first_register_address: Address, num_registers_to_read: Count
    ) -> Result:
        """Function 4."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_write_multiple_registers(
        self, target_device_id: DeviceId, first_register_address: Address, data_raw: VectorUint16
    ) -> StatusCodeEnum:
        """Function 16."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_write_single_register(
        self, target_device_id: DeviceId, register_address: Address, data: Word
    ) -> StatusCodeEnum:
        """Function 6."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_read_coils(
        self, target_device_id: DeviceId, first_coil_address: Address, num_coils_to_read: CoilCount
    ) -> ResultBool:
        """Function 1."""

    @command(timeout_s=TIMEOUT_S)
    def modbus_write_single_coil(
        self, target_device_id: DeviceId, coil_address: Address, data: bool
    ) -> StatusCodeEnum:
        """Function 5."""

    @command(timeout_s=TIMEOUT_S)
    def nonstd_write(
        self, target_device_id: DeviceId, first_register_address: Address, num_registers_to_read: Count
    ) -> None:
        """A write in a form of its own, as one isolation monitor wants it."""

    @command(timeout_s=TIMEOUT_S)
    def nonstd_read(
        self, target_device_id: DeviceId, first_register_address: Address, num_registers_to_read: Address
    ) -> Result:
        """A read with an answer in a form of its own, as one isolation monitor gives it."""
