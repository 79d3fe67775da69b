"""EVerest's interface ``evse_manager``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult
from evse_daemon.types.base import Integer
from evse_daemon.types.energy import EnforcedLimits
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import (
    CarManufacturer,
    EnableDisableSource,
    EVInfo,
    Evse,
    HlcSessionFailedEvent,
    Limits,
    PlugAndChargeConfiguration,
    SessionEvent,
    SetDerAvailableResult,
    StopTransactionRequest,
    UpdateAllowedEnergyTransferModesResult,
)
from evse_daemon.types.iso15118 import EnergyTransferMode
from evse_daemon.types.powermeter import Powermeter


class EvseManager(Interface, name="evse_manager", errors=("evse_manager",)):
    """The charging kernel of one EVSE."""

    session_event: Var[SessionEvent] = var(Kind.EVENT, qos=2)
    hlc_session_failed: Var[HlcSessionFailedEvent] = var(Kind.EVENT)
    """A session over ISO 15118 or DIN 70121 ended early; the uuid is that of session_event."""
    limits: Var[Limits] = var(Kind.STATE)
    ev_info: Var[EVInfo] = var(Kind.TELEMETRY)
    car_manufacturer: Var[CarManufacturer] = var(Kind.STATE)
    telemetry: Var[Telemetry] = var(Kind.TELEMETRY)
    powermeter: Var[Powermeter] = var(Kind.TELEMETRY)
    powermeter_public_key_ocmf: Var[str] = var(Kind.STATE)
    evse_id: Var[str] = var(Kind.STATE)
    """With the connector's number, as in DE*PNX*E123456*1."""
    hw_capabilities: Var[HardwareCapabilities] = var(Kind.STATE)
    enforced_limits: Var[EnforcedLimits] = var(Kind.TELEMETRY)
    waiting_for_external_ready: Var[bool] = var(Kind.STATE)
    """Ready but for external_ready_to_start_charging."""
    ready: Var[bool] = var(Kind.STATE, retain=True)
    selected_protocol: Var[str] = var(Kind.STATE)
    supported_energy_transfer_modes: Var[Annotated[list[EnergyTransferMode], Field(min_length=1)]] = var(
        Kind.STATE
    )

    @command(timeout_s=10)
    def get_evse(self) -> Evse:
        """The EVSE's number and its connectors."""

    @command(timeout_s=10)
    def enable_disable(self, connector_id: Integer, cmd_source: EnableDisableSource) -> bool:
        """Enters or withdraws a wish to enable or disable; connector 0 is the whole EVSE.

        Returns whether the EVSE is enabled afterwards, which an entry of higher priority may decide.
        """

    @command(timeout_s=10)
    def authorize_response(
        self, provided_token: ProvidedIdToken, validation_result: ValidationResult
    ) -> None:
        """Hands over a token and what its validation said."""

    @command(timeout_s=10)
    def withdraw_authorization(self) -> None:
        """Takes back an authorization that no transaction uses yet."""

    @command(timeout_s=10)
    def reserve(self, reservation_id: Integer) -> bool:
        """Marks the EVSE as reserved; true if it was accepted.

        A negative id stands for reservations of the whole station.
        """

    @command(timeout_s=10)
    def cancel_reservation(self) -> None:
        """Ends the reserved state."""

    @command(timeout_s=10)
    def pause_charging(self) -> bool:
        """Pauses charging; true also if it was paused already."""

    @command(timeout_s=10)
    def resume_charging(self) -> bool:
        """Ends a pause of the EVSE; false where it cannot, as with a pause by the car."""

    @command(timeout_s=10)
    def stop_transaction(self, request: StopTransactionRequest) -> bool:
        """Ends the transaction; charging needs a replug after it."""

    @command(timeout_s=10)
    def force_unlock(self, connector_id: Integer) -> bool:
        """Unlocks the connector at once. True if the command was accepted, whatever the lock then does."""

    @command(timeout_s=10)
    def external_ready_to_start_charging(self) -> bool:
        """Lets an EVSE go on that waits for another module at start. True if it was waiting for that."""

    @command(timeout_s=10)
    def set_plug_and_charge_configuration(
        self, plug_and_charge_configuration: PlugAndChargeConfiguration
    ) -> None:
        """Settings of contract authorization for ISO 15118."""

    @command(timeout_s=10)
    def update_allowed_energy_transfer_modes(
        self, allowed_energy_transfer_modes: Annotated[list[EnergyTransferMode], Field(min_length=1)]
    ) -> UpdateAllowedEnergyTransferModesResult:
        """Restricts what ISO 15118 offers the car, also within a session."""

    @command(timeout_s=10)
    def set_der_available(self, available: bool) -> SetDerAvailableResult:
        """Whether directives of a grid operator (ISO 15118-20 AC DER) can be followed."""
