"""A station of one or several EVSEs around the Auth module, played by fakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.auth.module import Auth
from evse_daemon.types.authorization import (
    AuthorizationStatus,
    IdToken,
    ProvidedIdToken,
    ValidationResult,
    WithdrawAuthorizationRequest,
)
from evse_daemon.types.evse_manager import (
    Connector,
    Evse,
    SessionEvent,
    SessionEventEnum,
    SessionStarted,
    StartSessionReason,
)
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy
from tests.support.harness import World

NOW = "2026-03-04T10:15:00.000Z"
METER = Powermeter(timestamp=NOW, energy_Wh_import=Energy(total=0))
CARD = "CAFEBABE00"


def id_token(value: str = CARD) -> IdToken:
    return IdToken(value=value, type="ISO14443")


def card(value: str = CARD, **fields: Any) -> ProvidedIdToken:
    return ProvidedIdToken(id_token=id_token(value), **{"authorization_type": "RFID", **fields})


def answer(status: AuthorizationStatus = "Accepted", **fields: Any) -> ValidationResult:
    return ValidationResult(authorization_status=status, **{"tariff_messages": [], **fields})


class Station:
    """Validators answer at once what ``answers`` says; None leaves the question open in ``questions``."""

    def __init__(
        self,
        evses: int = 1,
        answers: Sequence[ValidationResult | None] = (answer(),),
        *,
        numbers_known: bool = True,
        **options: Any,
    ) -> None:
        self.world = World()
        self.numbers_known = numbers_known
        self.questions: list[Deferred[ValidationResult]] = []
        self.stops = True
        """What EVSEs answer to stop_transaction."""
        self.reader = self.world.fake("reader", main=AuthTokenProvider)["main"]
        self.evses = {number: self._evse(number) for number in range(1, evses + 1)}
        self.validators = [
            self._validator(f"validator_{index}", given) for index, given in enumerate(answers)
        ]
        self.world.add(
            Auth,
            "auth",
            {"connection_timeout": 10, **options},
            connections={
                "token_provider": [("reader", "main")],
                "token_validator": [(f"validator_{index}", "main") for index in range(len(answers))],
                "evse_manager": [(f"evse_{number}", "evse") for number in self.evses],
            },
        )
        self.world.start()

    def _evse(self, number: int) -> Any:
        evse = self.world.fake(f"evse_{number}", evse=EvseManager)["evse"]
        if self.numbers_known:
            evse.handle(EvseManager.get_evse, lambda: Evse(id=number, connectors=[Connector(id=1)]))
        evse.handle(EvseManager.stop_transaction, lambda request: self.stops)
        return evse

    def _validator(self, module_id: str, given: ValidationResult | None) -> Any:
        def validate(provided_token: ProvidedIdToken) -> ValidationResult | Deferred[ValidationResult]:
            if given is not None:
                return given
            self.questions.append(Deferred())
            return self.questions[-1]

        validator = self.world.fake(module_id, main=AuthTokenValidator)["main"]
        validator.handle(AuthTokenValidator.validate_token, validate)
        return validator

    def present(self, token: ProvidedIdToken | None = None) -> None:
        self.reader.publish(AuthTokenProvider.provided_token, token or card())
        self.world.settle()

    def event(
        self, *events: SessionEventEnum, evse: int = 1, reason: StartSessionReason = "EVConnected"
    ) -> None:
        for name in events:
            started = SessionStarted(reason=reason, meter_value=METER) if name == "SessionStarted" else None
            self.evses[evse].publish(
                EvseManager.session_event,
                SessionEvent(uuid="1", timestamp=NOW, event=name, session_started=started),
            )
        self.world.settle()

    def charge(self, token: ProvidedIdToken | None = None, evse: int = 1) -> None:
        """A car is plugged in, a token presented, a transaction begins."""
        self.event("SessionStarted", evse=evse)
        self.present(token)
        self.event("TransactionStarted", evse=evse)

    def withdraw(self, evse_id: int | None = None, token: IdToken | None = None) -> str:
        request = WithdrawAuthorizationRequest(evse_id=evse_id, id_token=token)
        return self.world.call(("auth", "main"), AuthInterface.withdraw_authorization, request)

    @property
    def statuses(self) -> list[str]:
        return [
            message.status
            for message in self.world.published(("auth", "main"), AuthInterface.token_validation_status)
        ]

    @property
    def last_token(self) -> ProvidedIdToken:
        return self.world.published(("auth", "main"), AuthInterface.token_validation_status)[-1].token

    def authorized(self, evse: int = 1) -> list[str]:
        """What each authorize_response to an EVSE said."""
        return [
            call["validation_result"].authorization_status
            for call in self.world.calls((f"evse_{evse}", "evse"), EvseManager.authorize_response)
        ]

    def stopped(self, evse: int = 1) -> list[str]:
        """The reasons of the stop_transaction calls to an EVSE."""
        return [
            call["request"].reason
            for call in self.world.calls((f"evse_{evse}", "evse"), EvseManager.stop_transaction)
        ]

    def withdrawn(self, evse: int = 1) -> int:
        return len(self.world.calls((f"evse_{evse}", "evse"), EvseManager.withdraw_authorization))
