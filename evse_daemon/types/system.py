"""Firmware, logs, resets and boot reasons of the charger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer, LongString, OpenType, Timestamp


class FirmwareUpdateRequest(OpenType):
    request_id: Integer
    location: str
    retries: Annotated[Integer, Field(ge=1)] | None = None
    retry_interval_s: Integer | None = None
    retrieve_timestamp: Timestamp | None = None
    install_timestamp: Timestamp | None = None
    signing_certificate: LongString | None = None
    signature: LongString | None = None


UpdateFirmwareResponse = Literal[
    "Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"
]


class UploadLogsRequest(OpenType):
    location: str
    retries: Annotated[Integer, Field(ge=1)] | None = None
    retry_interval_s: Integer | None = None
    oldest_timestamp: Timestamp | None = None
    latest_timestamp: Timestamp | None = None
    type: str | None = None
    request_id: Integer | None = None


UploadLogsStatus = Literal["Accepted", "Rejected", "AcceptedCanceled"]


class UploadLogsResponse(EverestType):
    upload_logs_status: UploadLogsStatus
    file_name: str | None = None


LogStatusEnum = Literal[
    "BadMessage",
    "Idle",
    "NotSupportedOperation",
    "PermissionDenied",
    "Uploaded",
    "UploadFailure",
    "Uploading",
    "AcceptedCanceled",
]


class LogStatus(OpenType):
    log_status: LogStatusEnum
    request_id: Integer


FirmwareUpdateStatusEnum = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]


class FirmwareUpdateMetadata(OpenType):
    """Absent means that the connectors are disabled."""

    disable_connectors_during_install: bool | None = None


class FirmwareUpdateStatus(OpenType):
    firmware_update_status: FirmwareUpdateStatusEnum
    request_id: Integer
    firmware_update_metadata: FirmwareUpdateMetadata | None = None


ResetType = Literal["Soft", "Hard", "NotSpecified"]

BootReason = Literal[
    "ApplicationReset",
    "FirmwareUpdate",
    "LocalReset",
    "PowerUp",
    "RemoteReset",
    "ScheduledReset",
    "Triggered",
    "Unknown",
    "Watchdog",
]
