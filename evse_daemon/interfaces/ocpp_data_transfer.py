"""EVerest's interface ``ocpp_data_transfer``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types.ocpp import DataTransferRequest, DataTransferResponse


class OcppDataTransfer(Interface, name="ocpp_data_transfer"):
    """Vendor messages of OCPP."""

    @command(timeout_s=10)
    def data_transfer(self, request: DataTransferRequest) -> DataTransferResponse:
        """Sends or takes a vendor message and returns the answer."""
