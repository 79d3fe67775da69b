"""Starts and stops the billing meter's transaction, in which it may sign what it measures."""

from __future__ import annotations

from collections.abc import Callable

from evse_daemon.framework.bus import Client
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.evse_manager import effects, events
from evse_daemon.types.authorization import ValidationResult
from evse_daemon.types.powermeter import OCMFIdentificationType, TransactionReq

IDENTIFICATION_TYPES: dict[str, OCMFIdentificationType] = {
    "Central": "CENTRAL",
    "eMAID": "EMAID",
    "ISO14443": "ISO14443",
    "ISO15693": "ISO15693",
    "KeyCode": "KEY_CODE",
    "Local": "LOCAL",
    "NoAuthorization": "NONE",
    "MacAddress": "UNDEFINED",
}
"""Token type → type in the signed record (EvseManager/Charger.cpp:1409)."""

LONGEST_TARIFF_TEXT = 250


class BillingMeter:
    """The meter that bills.

    Args:
        meter: None where there is none.
        evse_id: named in the signed record.
        feed: takes what the meter answers.
    """

    def __init__(
        self,
        meter: Client[PowermeterInterface] | None,
        evse_id: str,
        feed: Callable[[events.Event], object],
    ) -> None:
        self._meter = meter
        self._evse_id = evse_id
        self._feed = feed

    def start(self, effect: effects.StartMeter, validation: ValidationResult | None) -> None:
        """Asks the meter to begin; the answer is a MeterStarted."""
        assert self._meter is not None
        token = effect.token.id_token
        tariffs = validation.tariff_messages if validation is not None else []
        request = TransactionReq(
            evse_id=self._evse_id,
            transaction_id=effect.session_id,
            identification_status="ASSIGNED",
            identification_flags=[],
            identification_type=IDENTIFICATION_TYPES[token.type],
            identification_data=token.value,
            tariff_text=tariffs[0].content[:LONGEST_TARIFF_TEXT] if tariffs else None,
        )
        self._meter.call(PowermeterInterface.start_transaction, value=request).then(
            lambda response: self._answered(events.MeterStarted(effect.request_id, response)),
            lambda _: self._answered(events.MeterStarted(effect.request_id, None)),
        )

    def stop(self, effect: effects.StopMeter) -> None:
        """Asks the meter to end; the answer is a MeterStopped."""
        if self._meter is None:
            return
        self._meter.call(PowermeterInterface.stop_transaction, transaction_id=effect.session_id).then(
            lambda response: self._answered(events.MeterStopped(effect.request_id, response)),
            lambda _: self._answered(events.MeterStopped(effect.request_id, None)),
        )

    def _answered(self, event: events.Event) -> None:
        self._feed(event)
