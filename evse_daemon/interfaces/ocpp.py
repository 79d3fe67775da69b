"""EVerest's interface ``ocpp``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.ocpp import (
    BootNotificationResponse,
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    ChargingSchedules,
    ComponentVariable,
    ConnectionStatus,
    EventData,
    GetVariableRequest,
    GetVariableResult,
    Message,
    OcppTransactionEvent,
    OcppTransactionEventResponse,
    SecurityEvent,
    SetVariableRequest,
    SetVariableResult,
)


class Ocpp(Interface, name="ocpp"):
    """The OCPP client, for 1.6 and 2.0.1, in the words of 2.0.1."""

    ocpp_transaction_event: Var[OcppTransactionEvent] = var(Kind.EVENT, qos=2)
    ocpp_transaction_event_response: Var[OcppTransactionEventResponse] = var(Kind.EVENT, qos=2)
    charging_schedules: Var[ChargingSchedules] = var(Kind.STATE)
    """The composite schedules, connector 0 first."""
    connection_status: Var[ConnectionStatus] = var(Kind.STATE)
    published_security_event: Var[SecurityEvent] = var(Kind.EVENT, name="security_event")
    event_data: Var[EventData] = var(Kind.EVENT)
    boot_notification_response: Var[BootNotificationResponse] = var(Kind.EVENT)
    ocpp_message: Var[Message] = var(Kind.EVENT)
    """Only where logging by callback is switched on."""

    @command(timeout_s=10)
    def stop(self) -> bool:
        """Disconnects from the CSMS; messages of this time are not sent later. True if it worked."""

    @command(timeout_s=10)
    def restart(self) -> bool:
        """Connects again after a stop; true if it worked."""

    @command(timeout_s=10)
    def security_event(self, event: SecurityEvent) -> None:
        """Reports a security event to the CSMS if it is critical."""

    @command(timeout_s=10)
    def get_variables(self, requests: list[GetVariableRequest]) -> list[GetVariableResult]:
        """Reads variables; the results are in the order of the requests."""

    @command(timeout_s=10)
    def set_variables(self, requests: list[SetVariableRequest], source: str) -> list[SetVariableResult]:
        """Writes variables; the results are in the order of the requests."""

    @command(timeout_s=10)
    def change_availability(self, request: ChangeAvailabilityRequest) -> ChangeAvailabilityResponse:
        """Changes the availability as a CSMS would."""

    @command(timeout_s=10)
    def monitor_variables(self, component_variables: list[ComponentVariable]) -> None:
        """Adds variables whose changes are published as event_data."""
