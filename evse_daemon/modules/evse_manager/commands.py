"""The commands of the interface evse_manager, handed to the core as events (evse_managerImpl.cpp:404-576)."""

from __future__ import annotations

import typing
from collections.abc import Callable

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager import events
from evse_daemon.modules.evse_manager.options import EvseManagerOptions
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_manager import (
    Connector,
    ConnectorTypeEnum,
    EnableDisableSource,
    Evse,
    PlugAndChargeConfiguration,
    SetDerAvailableResult,
    StopTransactionRequest,
    UpdateAllowedEnergyTransferModesResult,
)
from evse_daemon.types.iso15118 import EnergyTransferMode

CONNECTOR_TYPES: tuple[str, ...] = typing.get_args(ConnectorTypeEnum)


class CommandHandlers:
    """Answers every command of the interface.

    Args:
        options: the module's options.
        feed: has the core decide on an event; returns a command's result.
        afterwards: calls back when all that the core wanted before is stored and told.
    """

    def __init__(
        self,
        options: EvseManagerOptions,
        feed: Callable[[events.Event], bool | None],
        afterwards: Callable[[Callable[[], None]], None],
    ) -> None:
        self._options = options
        self._feed = feed
        self._afterwards = afterwards

    def register(self, evse: Implementation[Interface]) -> None:
        """Says which command is handled by which function here."""
        evse.handle(Interface.get_evse, self.get_evse)
        evse.handle(Interface.enable_disable, self.enable_disable)
        evse.handle(Interface.authorize_response, self.authorize_response)
        evse.handle(Interface.withdraw_authorization, self.withdraw_authorization)
        evse.handle(Interface.reserve, self.reserve)
        evse.handle(Interface.cancel_reservation, self.cancel_reservation)
        evse.handle(Interface.pause_charging, self.pause_charging)
        evse.handle(Interface.resume_charging, self.resume_charging)
        evse.handle(Interface.stop_transaction, self.stop_transaction)
        evse.handle(Interface.force_unlock, self.force_unlock)
        evse.handle(Interface.external_ready_to_start_charging, self.external_ready)
        evse.handle(Interface.set_plug_and_charge_configuration, self.set_plug_and_charge)
        evse.handle(Interface.update_allowed_energy_transfer_modes, self.update_transfer_modes)
        evse.handle(Interface.set_der_available, self.set_der_available)

    def _decide(self, event: events.Event) -> bool:
        return bool(self._feed(event))

    def get_evse(self) -> Evse:
        options = self._options
        kind = options.connector_type
        connector = Connector(
            id=1, type=typing.cast("ConnectorTypeEnum", kind) if kind in CONNECTOR_TYPES else None
        )
        return Evse(id=options.connector_id, connectors=[connector])

    def enable_disable(self, connector_id: int, cmd_source: EnableDisableSource) -> Deferred[bool]:
        """The answer comes when the entry is stored: what was answered survives a power cut."""
        enabled = self._decide(events.EnableDisable(connector_id, cmd_source))
        answer: Deferred[bool] = Deferred()
        self._afterwards(lambda: answer.resolve(enabled))
        return answer

    def authorize_response(
        self, provided_token: ProvidedIdToken, validation_result: ValidationResult
    ) -> None:
        if validation_result.authorization_status == "Accepted":
            self._feed(events.Authorize(provided_token, validation_result))

    def withdraw_authorization(self) -> None:
        self._feed(events.Withdraw())

    def reserve(self, reservation_id: int) -> bool:
        return self._decide(events.Reserve(reservation_id))

    def cancel_reservation(self) -> None:
        self._feed(events.CancelReservation())

    def pause_charging(self) -> bool:
        return self._decide(events.Pause())

    def resume_charging(self) -> bool:
        return self._decide(events.Resume())

    def stop_transaction(self, request: StopTransactionRequest) -> bool:
        return self._decide(events.Stop(request.reason, request.id_tag))

    def force_unlock(self, connector_id: int) -> bool:  # noqa: ARG002 - an EVSE has one connector
        return self._decide(events.ForceUnlock())

    def external_ready(self) -> bool:
        return self._options.external_ready_to_start_charging and self._decide(events.ExternalReady())

    def set_plug_and_charge(self, plug_and_charge_configuration: PlugAndChargeConfiguration) -> None:
        """Concerns ISO 15118, which this charger does not speak."""

    def update_transfer_modes(
        self,
        allowed_energy_transfer_modes: list[EnergyTransferMode],  # noqa: ARG002 - concerns ISO 15118
    ) -> UpdateAllowedEnergyTransferModesResult:
        return "NoHlc"

    def set_der_available(self, available: bool) -> SetDerAvailableResult:  # noqa: ARG002 - concerns ISO 15118
        return "NoHlc"
