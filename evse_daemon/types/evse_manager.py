"""Sessions, transactions and the state of an EVSE."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.base import EverestType, Integer, OpenType, Timestamp
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units_signed import SignedMeterValue

StopTransactionReason = Literal[
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
    "DeAuthorized",
    "EnergyLimitReached",
    "GroundFault",
    "LocalOutOfCredit",
    "MasterPass",
    "OvercurrentFault",
    "PowerQuality",
    "SOCLimitReached",
    "StoppedByEV",
    "TimeLimitReached",
    "Timeout",
    "ReqEnergyTransferRejected",
    "EVSEDisabled",
]


class StopTransactionRequest(OpenType):
    """``id_tag`` is present when a token stopped it here."""

    reason: StopTransactionReason
    id_tag: ProvidedIdToken | None = None


StartSessionReason = Literal["EVConnected", "Authorized"]

PauseChargingEVSEReasonEnum = Literal["UserPause", "Error", "NoEnergy"]


class ChargingPausedEVSEReasons(EverestType):
    reasons: Annotated[list[PauseChargingEVSEReasonEnum], Field(min_length=1, max_length=3)]


HlcSessionFailedReasonEnum = Literal[
    "ProtocolNegotiationFailed",
    "AuthorizationFailed",
    "ChargingParametersNotAccepted",
    "EnergyTransferSetupFailed",
    "ChargingInterrupted",
    "FailedTLSHandshake",
    "UnexpectedSessionEnd",
]

SwitchThreePhasesWhileChargingResult = Literal[
    "Success", "Error_NotSupported", "Error_NotCharging", "Error_Hardware"
]

SessionEventEnum = Literal[
    "Authorized",
    "Deauthorized",
    "Enabled",
    "Disabled",
    "SessionStarted",
    "AuthRequired",
    "TransactionStarted",
    "PrepareCharging",
    "ChargingStarted",
    "ChargingPausedEV",
    "ChargingPausedEVSE",
    "StoppingCharging",
    "ChargingFinished",
    "TransactionFinished",
    "SessionFinished",
    "ReservationStart",
    "ReservationEnd",
    "PluginTimeout",
    "SwitchingPhases",
    "SessionResumed",
]


class SessionStarted(EverestType):
    reason: StartSessionReason
    meter_value: Powermeter
    id_tag: ProvidedIdToken | None = None
    signed_meter_value: SignedMeterValue | None = None
    reservation_id: Integer | None = None
    logging_path: str | None = None


class SessionFinished(EverestType):
    meter_value: Powermeter


class TransactionStarted(EverestType):
    id_tag: ProvidedIdToken
    meter_value: Powermeter
    signed_meter_value: SignedMeterValue | None = None
    reservation_id: Integer | None = None


class TransactionFinished(EverestType):
    meter_value: Powermeter
    start_signed_meter_value: SignedMeterValue | None = None
    signed_meter_value: SignedMeterValue | None = None
    reason: StopTransactionReason | None = None
    id_tag: ProvidedIdToken | None = None


class ChargingStateChangedEvent(EverestType):
    meter_value: Powermeter


class AuthorizationEvent(EverestType):
    meter_value: Powermeter


EnableSource = Literal[
    "Unspecified",
    "LocalAPI",
    "LocalKeyLock",
    "ServiceTechnician",
    "RemoteKeyLock",
    "MobileApp",
    "FirmwareUpdate",
    "CSMS",
]

EnableState = Literal["Unassigned", "Disable", "Enable"]


class EnableDisableSource(OpenType):
    """An entry of the table that decides whether the EVSE is enabled."""

    enable_source: EnableSource
    enable_state: EnableState
    enable_priority: Annotated[Integer, Field(ge=0, le=10000)]
    """0 is the highest."""


class SessionEvent(EverestType):
    """An event of a session; which of the objects is present follows from ``event``."""

    uuid: str
    timestamp: Timestamp
    event: SessionEventEnum
    connector_id: Integer | None = None
    """Absent means 1."""
    session_started: SessionStarted | None = None
    session_finished: SessionFinished | None = None
    transaction_started: TransactionStarted | None = None
    transaction_finished: TransactionFinished | None = None
    charging_paused_evse: ChargingPausedEVSEReasons | None = None
    charging_state_changed_event: ChargingStateChangedEvent | None = None
    authorization_event: AuthorizationEvent | None = None
    source: EnableDisableSource | None = None


class HlcSessionFailedEvent(EverestType):
    uuid: str
    reason: HlcSessionFailedReasonEnum


class Limits(EverestType):
    """What the car may draw now."""

    max_current: float
    nr_of_phases_available: Annotated[Integer, Field(ge=1, le=3)]
    uuid: str | None = None


class EVInfo(EverestType):
    """What is known of the car, mostly from ISO 15118."""

    soc: Annotated[float, Field(ge=0, le=100)] | None = None
    present_voltage: float | None = None
    present_current: float | None = None
    target_voltage: float | None = None
    target_current: float | None = None
    maximum_current_limit: float | None = None
    minimum_current_limit: float | None = None
    maximum_voltage_limit: float | None = None
    maximum_power_limit: float | None = None
    estimated_time_full: Timestamp | None = None
    departure_time: Timestamp | None = None
    estimated_time_bulk: Timestamp | None = None
    evcc_id: Annotated[str, Field(pattern=r"^[A-Fa-f0-9]{2}(:[A-Fa-f0-9]{2}){5}$")] | None = None
    remaining_energy_needed: float | None = None
    battery_capacity: float | None = None
    battery_full_soc: Annotated[float, Field(ge=0, le=100)] | None = None
    battery_bulk_soc: Annotated[float, Field(ge=0, le=100)] | None = None
    target_energy_request: float | None = None
    max_energy_request: float | None = None
    min_energy_request: float | None = None
    ac_max_charge_power: float | None = None
    ac_min_charge_power: float | None = None
    ac_max_discharge_power: float | None = None
    ac_min_discharge_power: float | None = None
    ac_present_active_power: float | None = None
    ac_present_reactive_power: float | None = None


CarManufacturer = Literal["VolkswagenGroup", "Tesla", "Unknown"]
"""Guessed from the car's MAC address."""

ConnectorTypeEnum = Literal[
    "cCCS1",
    "cCCS2",
    "cG105",
    "cMCS",
    "cTesla",
    "cType1",
    "cType2",
    "s309_1P_16A",
    "s309_1P_32A",
    "s309_3P_16A",
    "s309_3P_32A",
    "sBS1361",
    "sCEE_7_7",
    "sType2",
    "sType3",
    "Other1PhMax16A",
    "Other1PhOver16A",
    "Other3Ph",
    "Pan",
    "wInductive",
    "wResonant",
    "Undetermined",
    "Unknown",
]
"""c… is a cable, s… a socket, w… wireless; by OCPP 2.0.1."""


class Connector(EverestType):
    id: Annotated[Integer, Field(ge=1)]
    type: ConnectorTypeEnum | None = None


class Evse(OpenType):
    id: Annotated[Integer, Field(ge=1, le=128)]
    connectors: Annotated[list[Connector], Field(min_length=1, max_length=128)]


class PlugAndChargeConfiguration(OpenType):
    pnc_enabled: bool | None = None
    central_contract_validation_allowed: bool | None = None
    contract_certificate_installation_enabled: bool | None = None


UpdateAllowedEnergyTransferModesResult = Literal[
    "Accepted", "IncompatibleEnergyTransfer", "ServiceRenegotiationFailed", "NoHlc"
]

SetDerAvailableResult = Literal["Accepted", "NoHlc"]
