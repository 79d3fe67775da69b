"""Errors raised by hand over MQTT, by the names that EVerest's Node-RED flow uses (evse-manager.md §9.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evse_daemon.framework.interface import ArgumentError, explain

ImplementationId = Literal["board_support", "rcd", "connector_lock", "powermeter"]

_BOARD = (
    "DiodeFault",
    "BrownOut",
    "EnergyManagement",
    "PermanentFault",
    "MREC2GroundFailure",
    "MREC3HighTemperature",
    "MREC4OverCurrentFailure",
    "MREC5OverVoltage",
    "MREC6UnderVoltage",
    "MREC8EmergencyStop",
    "MREC10InvalidVehicleMode",
    "MREC14PilotFault",
    "MREC15PowerLoss",
    "MREC17EVSEContactorFault",
    "MREC18CableOverTempDerate",
    "MREC19CableOverTempStop",
    "MREC20PartialInsertion",
    "MREC23ProximityFault",
    "MREC24ConnectorVoltageHigh",
    "MREC25BrokenLatch",
    "MREC26CutCable",
    "TiltDetected",
    "WaterIngressDetected",
    "EnclosureOpen",
)
_RCD = ("MREC2GroundFailure", "VendorError", "Selftest", "AC", "DC")
_LOCK = (
    "ConnectorLockCapNotCharged",
    "ConnectorLockUnexpectedOpen",
    "ConnectorLockUnexpectedClose",
    "ConnectorLockFailedLock",
    "ConnectorLockFailedUnlock",
    "MREC1ConnectorLockFailure",
    "VendorError",
)

INJECTABLE: dict[str, tuple[ImplementationId, str]] = {
    **{name: ("board_support", f"evse_board_support/{name}") for name in _BOARD},
    **{f"ac_rcd_{name}": ("rcd", f"ac_rcd/{name}") for name in _RCD},
    **{f"lock_{name}": ("connector_lock", f"connector_lock/{name}") for name in _LOCK},
    "powermeter/CommunicationFault": ("powermeter", "powermeter/CommunicationFault"),
}
"""Which error of which implementation a name stands for."""


class _Payload(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    error_type: str = Field(max_length=100)
    wanted: Literal["true", "false"] = Field(alias="raise")


@dataclass(frozen=True, slots=True)
class Injection:
    """One error to raise or clear."""

    implementation_id: ImplementationId
    type: str
    active: bool


def parse(payload: str) -> Injection:
    """Reads ``{"error_type": NAME, "raise": "true" | "false"}``.

    Raises:
        ArgumentError: what is wrong with the payload.
    """
    try:
        wanted = _Payload.model_validate_json(payload)
    except ValidationError as error:
        raise ArgumentError(explain(error, "")) from None
    if wanted.error_type not in INJECTABLE:
        raise ArgumentError(f"error_type {wanted.error_type!r} is none of {', '.join(INJECTABLE)}")
    return Injection(*INJECTABLE[wanted.error_type], active=wanted.wanted == "true")
