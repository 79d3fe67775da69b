"""A station of one or several EVSEs around the Auth module, played by fakes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from evse_daemon.framework.calls import Call, Deferred
from evse_daemon.framework.clock import timestamp
from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.reservation import Reservation as ReservationInterface
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
    ConnectorTypeEnum,
    Evse,
    SessionEvent,
    SessionEventEnum,
    SessionStarted,
    StartSessionReason,
)
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.reservation import Reservation, ReservationCheck, ReservationResult
from evse_daemon.types.units import Energy
from tests.support.harness import World

NOW = "2026-03-04T10:15:00.000Z"
METER = Powermeter(timestamp=NOW, energy_Wh_import=Energy(total=0))
CARD = "CAFEBABE00"
OTHER = "0123456789"
RESERVATION = ("auth", "reservation")


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
        types: Sequence[Sequence[ConnectorTypeEnum | None]] = (),
        store: dict[str, Any] | None = None,
        loads: Callable[[str], Any] | None = None,
        marks: bool = True,
        utc: dt.datetime | None = None,
        **options: Any,
    ) -> None:
        self.world = World(utc)
        self.types = types
        """The connectors of each EVSE; one of no known type where this has none."""
        self.store = store
        """What the kvs has; without it none is connected."""
        self.store_answers: Callable[[], Any] = lambda: None
        """What the kvs does when it is told to store."""
        self.marks = marks
        """What EVSEs answer to reserve."""
        self.numbers_known = numbers_known
        self.questions: list[Deferred[ValidationResult]] = []
        self.stops = True
        """What EVSEs answer to stop_transaction."""
        self.readers = [
            self.world.fake(f"reader_{index}", main=AuthTokenProvider)["main"] for index in range(2)
        ]
        self.evses = {number: self._evse(number) for number in range(1, evses + 1)}
        self.validators = [
            self._validator(f"validator_{index}", given) for index, given in enumerate(answers)
        ]
        if store is not None:
            self._kvs(store, loads or store.get)
        self.world.add(
            Auth,
            "auth",
            {"connection_timeout": 10, **options},
            connections={
                "token_provider": [(f"reader_{index}", "main") for index in range(2)],
                "token_validator": [(f"validator_{index}", "main") for index in range(len(answers))],
                "evse_manager": [(f"evse_{number}", "evse") for number in self.evses],
                **({} if store is None else {"kvs": [("store", "main")]}),
            },
        )
        self.world.start()

    def _evse(self, number: int) -> Any:
        evse = self.world.fake(f"evse_{number}", evse=EvseManager)["evse"]
        if self.numbers_known:
            types = self.types[number - 1] if len(self.types) >= number else (None,)
            connectors = [Connector(id=index + 1, type=kind) for index, kind in enumerate(types)]
            evse.handle(EvseManager.get_evse, lambda: Evse(id=number, connectors=connectors))
        evse.handle(EvseManager.stop_transaction, lambda request: self.stops)
        evse.handle(EvseManager.reserve, lambda reservation_id: self.marks)
        return evse

    def _kvs(self, store: dict[str, Any], loads: Callable[[str], Any]) -> None:
        def keep(key: str, value: Any) -> Any:
            answer = self.store_answers()
            if answer is None:
                store[key] = value
            return answer

        def load(key: str) -> Any:
            return loads(key)

        kvs = self.world.fake("store", main=Kvs)["main"]
        kvs.handle(Kvs.load, load)
        kvs.handle(Kvs.store, keep)

    def _validator(self, module_id: str, given: ValidationResult | None) -> Any:
        def validate(provided_token: ProvidedIdToken) -> ValidationResult | Deferred[ValidationResult]:
            if given is not None:
                return given
            self.questions.append(Deferred())
            return self.questions[-1]

        validator = self.world.fake(module_id, main=AuthTokenValidator)["main"]
        validator.handle(AuthTokenValidator.validate_token, validate)
        return validator

    def present(self, token: ProvidedIdToken | None = None, reader: int = 0) -> None:
        self.readers[reader].publish(AuthTokenProvider.provided_token, token or card())
        self.world.settle()

    def event(
        self,
        *events: SessionEventEnum,
        evse: int = 1,
        reason: StartSessionReason = "EVConnected",
        connector: int | None = None,
    ) -> None:
        for name in events:
            started = SessionStarted(reason=reason, meter_value=METER) if name == "SessionStarted" else None
            self.evses[evse].publish(
                EvseManager.session_event,
                SessionEvent(
                    uuid="1",
                    timestamp=NOW,
                    event=name,
                    session_started=started,
                    connector_id=connector,
                ),
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

    def asked(self) -> list[int]:
        """How often each validator was asked."""
        return [
            len(self.world.calls((f"validator_{index}", "main"), AuthTokenValidator.validate_token))
            for index in range(len(self.validators))
        ]

    def asks(self, reservation_id: int = 1, token: str = CARD, **fields: Any) -> Call[ReservationResult]:
        """A reservation is asked for; it lasts ten minutes unless something else is said."""
        if "minutes" in fields or "expiry_time" not in fields:
            until = self.world.clock.utc() + dt.timedelta(minutes=fields.pop("minutes", 10))
            fields["expiry_time"] = timestamp(until)
        request = Reservation(reservation_id=reservation_id, id_token=token, **fields)
        return self.world.begin(RESERVATION, ReservationInterface.reserve_now, request)

    def reserve(self, reservation_id: int = 1, token: str = CARD, **fields: Any) -> str:
        call = self.asks(reservation_id, token, **fields)
        self.world.settle()
        assert isinstance(call.outcome, tuple), call.outcome
        return call.outcome[0]

    def cancel(self, reservation_id: int = 1) -> bool:
        return self.world.call(RESERVATION, ReservationInterface.cancel_reservation, reservation_id)

    def exists(self, token: str = CARD, **fields: Any) -> str:
        check = ReservationCheck(id_token=token, **fields)
        return self.world.call(RESERVATION, ReservationInterface.exists_reservation, check)

    @property
    def updates(self) -> list[tuple[int, str]]:
        """What was published of reservations."""
        return [
            (update.reservation_id, update.reservation_status)
            for update in self.world.published(RESERVATION, ReservationInterface.reservation_update)
        ]

    def marked(self, evse: int = 1) -> list[int | None]:
        """The reservations that an EVSE was told, in order; None: that there is none."""
        return [
            entry.value.get("reservation_id")
            for entry in self.world.recorder.select("call", f"evse_{evse}", "evse")
            if entry.name in ("reserve", "cancel_reservation")
        ]

    def given(self, evse: int = 1) -> list[tuple[str, int | None]]:
        """The tokens that an EVSE was authorized with, and their reservations."""
        return [
            (call["provided_token"].id_token.value, call["validation_result"].reservation_id)
            for call in self.world.calls((f"evse_{evse}", "evse"), EvseManager.authorize_response)
            if call["validation_result"].authorization_status == "Accepted"
        ]

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
