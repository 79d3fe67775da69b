"""What OCPP and the rest of the charger tell each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer, LongString, OpenType, Timestamp
from evse_daemon.types.text_message import MessageContent


class CustomData(OpenType):
    vendor_id: str
    data: LongString


class V2XFreqWattPointType(OpenType):
    frequency: float
    power: float


class V2XSignalWattPointCurve(OpenType):
    signal: Integer
    power: float


OperationMode = Literal[
    "Idle",
    "ChargingOnly",
    "CentralSetpoint",
    "ExternalSetpoint",
    "ExternalLimits",
    "CentralFrequency",
    "LocalFrequency",
    "LocalLoadBalancing",
]


class ChargingSchedulePeriod(OpenType):
    start_period: Integer
    limit: float
    limit_L2: float | None = None
    limit_L3: float | None = None
    number_phases: Integer | None = None
    stack_level: Integer | None = None
    phase_to_use: Integer | None = None
    discharge_limit: float | None = None
    discharge_limit_L2: float | None = None
    discharge_limit_L3: float | None = None
    setpoint: float | None = None
    setpoint_L2: float | None = None
    setpoint_L3: float | None = None
    setpoint_reactive: float | None = None
    setpoint_reactive_L2: float | None = None
    setpoint_reactive_L3: float | None = None
    preconditioning_request: float | None = None
    evse_sleep: bool | None = None
    v2x_baseline: float | None = None
    operation_mode: OperationMode | None = None
    v2x_freq_watt_curve: list[V2XFreqWattPointType] | None = None
    v2x_signal_watt_curve: list[V2XSignalWattPointCurve] | None = None


class ChargingSchedule(OpenType):
    """The composite schedule of an EVSE; 0 is the whole station."""

    evse: Annotated[Integer, Field(ge=0)]
    charging_rate_unit: str
    charging_schedule_period: list[ChargingSchedulePeriod]
    duration: Integer | None = None
    start_schedule: str | None = None
    min_charging_rate: float | None = None


class ChargingSchedules(OpenType):
    schedules: list[ChargingSchedule]


class EVSE(OpenType):
    """An EVSE, or one of its connectors."""

    id: Annotated[Integer, Field(ge=1)]
    connector_id: Annotated[Integer, Field(ge=1)] | None = None


TransactionEvent = Literal["Started", "Updated", "Ended"]


class OcppTransactionEvent(OpenType):
    transaction_event: TransactionEvent
    session_id: str
    evse: EVSE | None = None
    transaction_id: str | None = None


class OcppTransactionEventResponse(OpenType):
    original_transaction_event: OcppTransactionEvent
    total_cost: float | None = None
    charging_priority: Integer | None = None
    personal_message: MessageContent | None = None


DataTransferStatus = Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId", "Offline"]


class DataTransferRequest(EverestType):
    vendor_id: str
    message_id: str | None = None
    data: LongString | None = None
    custom_data: CustomData | None = None


class DataTransferResponse(EverestType):
    status: DataTransferStatus
    data: LongString | None = None
    custom_data: CustomData | None = None


class KeyValue(EverestType):
    key: str
    read_only: bool
    value: str | None = None


class GetConfigurationResponse(OpenType):
    configuration_keys: list[KeyValue]
    unknown_keys: list[str]


ConfigurationStatus = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]

SecurityEventEnum = Literal[
    "FirmwareUpdated",
    "FailedToAuthenticateAtCsms",
    "CsmsFailedToAuthenticate",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "ReconfigurationOfSecurityParameters",
    "MemoryExhaustion",
    "InvalidMessages",
    "AttemptedReplayAttacks",
    "TamperDetectionActivated",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCsmsCertificate",
    "InvalidChargingStationCertificate",
    "InvalidTLSVersion",
    "InvalidTLSCipherSuite",
    "MaintenanceLoginAccepted",
    "MaintenanceLoginFailed",
]


class SecurityEvent(OpenType):
    type: str
    info: str | None = None
    critical: bool | None = None
    timestamp: Timestamp | None = None


class Variable(OpenType):
    name: Annotated[str, Field(max_length=50)]
    instance: Annotated[str, Field(max_length=50)] | None = None


class Component(OpenType):
    name: Annotated[str, Field(max_length=50)]
    instance: Annotated[str, Field(max_length=50)] | None = None
    evse: EVSE | None = None


class ComponentVariable(OpenType):
    """A variable of the device model; a component without name is a key of OCPP 1.6."""

    component: Component
    variable: Variable


AttributeEnum = Literal["Actual", "Target", "MinSet", "MaxSet"]

GetVariableStatusEnumType = Literal[
    "Accepted", "Rejected", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"
]

SetVariableStatusEnumType = Literal[
    "Accepted",
    "Rejected",
    "UnknownComponent",
    "UnknownVariable",
    "NotSupportedAttributeType",
    "RebootRequired",
]

EventTriggerEnum = Literal["Alerting", "Delta", "Periodic"]

EventNotificationType = Literal[
    "HardWiredNotification", "HardWiredMonitor", "PreconfiguredMonitor", "CustomMonitor"
]


class GetVariableRequest(OpenType):
    component_variable: ComponentVariable
    attribute_type: AttributeEnum | None = None


class GetVariableResult(OpenType):
    status: GetVariableStatusEnumType
    component_variable: ComponentVariable
    attribute_type: AttributeEnum | None = None
    value: Annotated[str, Field(max_length=2500)] | None = None


class SetVariableRequest(OpenType):
    component_variable: ComponentVariable
    value: Annotated[str, Field(max_length=1000)]
    attribute_type: AttributeEnum | None = None


class SetVariableResult(OpenType):
    status: SetVariableStatusEnumType
    component_variable: ComponentVariable
    attribute_type: AttributeEnum | None = None


class EventData(OpenType):
    component_variable: ComponentVariable
    event_id: Integer
    timestamp: Timestamp
    trigger: EventTriggerEnum
    actual_value: Annotated[str, Field(max_length=2500)]
    event_notification_type: EventNotificationType
    cause: Integer | None = None
    tech_code: Annotated[str, Field(max_length=50)] | None = None
    tech_info: Annotated[str, Field(max_length=500)] | None = None
    cleared: bool | None = None
    transaction_id: Annotated[str, Field(max_length=36)] | None = None
    variable_monitoring_id: Integer | None = None


OperationalStatusEnumType = Literal["Inoperative", "Operative"]


class ChangeAvailabilityRequest(OpenType):
    operational_status: OperationalStatusEnumType
    evse: EVSE | None = None


ChangeAvailabilityStatusEnumType = Literal["Accepted", "Rejected", "Scheduled"]


class StatusInfoType(OpenType):
    reason_code: str
    additional_info: str | None = None


class ChangeAvailabilityResponse(OpenType):
    status: ChangeAvailabilityStatusEnumType
    status_info: StatusInfoType | None = None


RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]


class BootNotificationResponse(OpenType):
    status: RegistrationStatus
    current_time: Timestamp
    interval: Integer
    status_info: StatusInfoType | None = None


MessageDirection = Literal["CSMSToChargingStation", "ChargingStationToCSMS"]


class Message(OpenType):
    """A message of OCPP as it went over the wire."""

    message: LongString
    direction: MessageDirection
    version: str | None = None


class ConnectionStatus(EverestType):
    """The connection to the CSMS; the details are absent where they are unknown."""

    connected: bool
    csms_url: str | None = None
    identity: str | None = None
    security_profile: Integer | None = None
    configuration_slot: Integer | None = None
    ocpp_interface: str | None = None
    ocpp_transport: str | None = None
    ocpp_version: str | None = None
