"""EVerest's interface ``system``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.base import Timestamp
from evse_daemon.types.network import (
    ConfigureNetworkRequest,
    ConfigureNetworkResponse,
    ConfigureNetworkStatus,
)
from evse_daemon.types.system import (
    BootReason,
    FirmwareUpdateRequest,
    FirmwareUpdateStatus,
    LogStatus,
    ResetType,
    UpdateFirmwareResponse,
    UploadLogsRequest,
    UploadLogsResponse,
)


class System(Interface, name="system", errors=("system",)):
    """Firmware, logs, reset, time and network of the charger."""

    firmware_update_status: Var[FirmwareUpdateStatus] = var(Kind.EVENT)
    log_status: Var[LogStatus] = var(Kind.EVENT)
    configure_network_status: Var[ConfigureNetworkStatus] = var(Kind.EVENT)

    @command(timeout_s=10)
    def update_firmware(self, firmware_update_request: FirmwareUpdateRequest) -> UpdateFirmwareResponse:
        """Starts a firmware update."""

    @command(timeout_s=10)
    def allow_firmware_installation(self) -> None:
        """Lets a downloaded firmware be installed."""

    @command(timeout_s=10)
    def upload_logs(self, upload_logs_request: UploadLogsRequest) -> UploadLogsResponse:
        """Starts an upload of logs."""

    @command(timeout_s=10)
    def is_reset_allowed(self, type: ResetType) -> bool:  # noqa: A002 -- EVerest's name
        """Whether a reset may be done now."""

    @command(timeout_s=10)
    def reset(self, type: ResetType, scheduled: bool) -> None:  # noqa: A002 -- EVerest's name
        """Resets at once; ``scheduled`` says that the caller waited for transactions to end."""

    @command(timeout_s=10)
    def set_system_time(self, timestamp: Timestamp) -> bool:
        """Sets the clock; true if it worked."""

    @command(timeout_s=10)
    def get_boot_reason(self) -> BootReason:
        """Why the charger started last."""

    @command(timeout_s=10)
    def configure_network(self, request: ConfigureNetworkRequest) -> ConfigureNetworkResponse:
        """Prepares a network interface; after Processing, configure_network_status follows."""
