"""Auth: receives tokens, has them validated, and authorizes or stops sessions with them (EVerest's module Auth)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, assert_never

from evse_daemon.framework.bus import Client
from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import (
    Context,
    Module,
    ModuleOptions,
    Provides,
    RequiresMany,
    RequiresOptional,
    read_write,
)
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.framework.redact import redacted
from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.reservation import Reservation as ReservationInterface
from evse_daemon.modules.auth import effects, events
from evse_daemon.modules.auth.handler import next_deadline_s, step
from evse_daemon.modules.auth.state import Evse as EvseState
from evse_daemon.modules.auth.state import Settings, State
from evse_daemon.types.authorization import (
    ProvidedIdToken,
    TokenValidationStatusMessage,
    ValidationResult,
    ValidationResultUpdate,
    WithdrawAuthorizationRequest,
    WithdrawAuthorizationResult,
)
from evse_daemon.types.base import JsonValue
from evse_daemon.types.evse_manager import Connector, Evse, SessionEvent, StopTransactionRequest
from evse_daemon.types.reservation import (
    Reservation,
    ReservationCheck,
    ReservationCheckStatus,
    ReservationResult,
)

INOPERATIVE = "evse_manager/Inoperative"

TOKEN_PERIOD_S = 2.0
"""Of the log of tokens: a reader may repeat a card ten times a second, a car park has many cards."""


class Auth(Module):
    """Runs the decisions of handler.py on the bus."""

    class Options(ModuleOptions):
        selection_algorithm: Literal["FindFirst", "PlugEvents", "PlugEventsLIFO"] = read_write("FindFirst")
        connection_timeout: int = read_write(ge=0)
        """Seconds from a token to the plug, and from the plug to a token."""
        master_pass_group_id: str = read_write("")
        prioritize_authorization_over_stopping_transaction: bool = read_write(True)
        ignore_connector_faults: bool = False
        plug_in_timeout_enabled: bool = read_write(False)
        stop_transaction_on_reswipe: bool = read_write(True)

    main = Provides(AuthInterface)
    reservation = Provides(ReservationInterface)
    token_provider = RequiresMany(AuthTokenProvider, minimum=1)
    token_validator = RequiresMany(AuthTokenValidator, minimum=1)
    evse_manager = RequiresMany(EvseManager, minimum=1)
    kvs = RequiresOptional(Kvs)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, Auth.Options)
        self.options = context.options
        self._ready = False
        self._timer: Timer | None = None
        self._timer_at_s: float | None = None
        self._asked: dict[int, Deferred[Any]] = {}
        """Who waits for an answer on a reservation, by ticket."""
        self._tickets = 0
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._tokens_log = RateLimitedLog(self.log, period_s=TOKEN_PERIOD_S, now=self.clock.now_s)

    def init(self) -> None:
        settings = Settings(
            **_settings(self.options),
            validators=len(self.token_validator),
            validation_timeout_s=AuthTokenValidator.validate_token.timeout_s,
            keeps_reservations=self.kvs is not None,
        )
        self._state = State(settings, tuple(EvseState() for _ in self.evse_manager))
        self.main.handle(AuthInterface.set_connection_timeout, self._set_connection_timeout)
        self.main.handle(AuthInterface.set_master_pass_group_id, self._set_master_pass_group_id)
        self.main.handle(AuthInterface.withdraw_authorization, self._withdraw_authorization)
        self.reservation.handle(ReservationInterface.reserve_now, self._reserve_now)
        self.reservation.handle(ReservationInterface.cancel_reservation, self._cancel_reservation)
        self.reservation.handle(ReservationInterface.exists_reservation, self._exists_reservation)
        for provider in self.token_provider:
            provider.subscribe(AuthTokenProvider.provided_token, self._on_token)
        for validator in self.token_validator:
            validator.subscribe(AuthTokenValidator.validate_result_update, self._on_result_update)
        for index, client in enumerate(self.evse_manager):
            self._follow(index, client)

    def reconfigure(self, context: Context) -> None:
        """What has changed counts from the next card or plug on; what commands have set stays as it is."""
        super().reconfigure(context)
        before, options = self.options, context.options
        assert isinstance(options, Auth.Options)
        self.options = options
        old = _settings(before)
        changed = {name: value for name, value in _settings(options).items() if value != old[name]}
        self._on(events.SettingsChanged(replace(self._state.settings, **changed)))

    def _follow(self, index: int, client: Client[EvseManager]) -> None:
        def session_event(event: SessionEvent) -> None:
            started = event.session_started
            car_connected = started is not None and started.reason == "EVConnected"
            self._on(events.EvseEvent(index, event.event, car_connected, event.connector_id))

        def error_changed(error: Error) -> None:
            if error.type == INOPERATIVE:
                self._on(events.FaultChanged(index, error.active))

        client.subscribe(EvseManager.session_event, session_event)
        client.subscribe_lost(lambda: self._lost(index))
        if not self.options.ignore_connector_faults:
            client.subscribe_errors(error_changed)

    def _lost(self, index: int) -> None:
        self._on(events.EvseLost(index))

    def ready(self) -> None:
        """Reservations from before a restart come first: until they are known no EVSE is given to a token."""
        if self.kvs is None:
            self._begin()
            return

        def loaded(entries: JsonValue) -> None:
            self._on(events.Loaded(entries))
            self._begin()

        def failed(error: CallError) -> None:
            self.log.error("reservations from before the restart cannot be read", reason=str(error))
            self._begin()

        self.kvs.call(Kvs.load, self._key).then(loaded, failed)

    @property
    def _key(self) -> str:
        """EVerest's key of the reservations (ReservationHandler.cpp)."""
        return f"reservation_{self.module_id}"

    def _begin(self) -> None:
        for index, client in enumerate(self.evse_manager):
            self._ask_number(index, client)
        self._ready = True

    def _ask_number(self, index: int, client: Client[EvseManager]) -> None:
        def known(evse: Evse) -> None:
            self._on(events.EvseKnown(index, evse.id, tuple(evse.connectors)))

        def unknown(error: CallError) -> None:
            number = client.mapping.evse if client.mapping is not None else index + 1
            self.log.warning(
                "an EVSE does not tell its number",
                evse_manager=client.module_id,
                assumed=number,
                reason=str(error),
            )
            self._on(events.EvseKnown(index, number, (Connector(id=1),)))

        client.call(EvseManager.get_evse).then(known, unknown)

    # What comes in.

    def _on_token(self, token: ProvidedIdToken) -> None:
        if not self._ready:
            self._seldom.warning(
                "early", "a token came before the station was ready: ignored", token=_shown(token)
            )
            return
        self._on(events.TokenProvided(token))

    def _on_result_update(self, update: ValidationResultUpdate) -> None:
        self._on(events.ResultUpdated(update.connector_id, update.validation_result))

    def _set_connection_timeout(self, connection_timeout: int) -> None:
        settings = replace(self._state.settings, connection_timeout_s=max(0, connection_timeout))
        self._on(events.SettingsChanged(settings))

    def _set_master_pass_group_id(self, master_pass_group_id: str) -> None:
        settings = replace(self._state.settings, master_pass_group_id=master_pass_group_id)
        self._on(events.SettingsChanged(settings))

    def _withdraw_authorization(self, request: WithdrawAuthorizationRequest) -> WithdrawAuthorizationResult:
        result: WithdrawAuthorizationResult = self._reply(
            events.WithdrawRequested(request.evse_id, request.id_token)
        )
        return result

    def _reserve_now(self, request: Reservation) -> Deferred[ReservationResult]:
        self._seldom.info(
            "reserve",
            "reservation asked for",
            reservation_id=request.reservation_id,
            evse=request.evse_id,
            connector_type=request.connector_type,
            token=redacted(request.id_token),
            until=request.expiry_time,
        )
        ticket, answer = self._ticket()
        self._on(events.ReserveRequested(request, ticket))
        return answer

    def _cancel_reservation(self, reservation_id: int) -> Deferred[bool]:
        self._seldom.info("cancel", "reservation cancelled", reservation_id=reservation_id)
        ticket, answer = self._ticket()
        self._on(events.CancelRequested(reservation_id, ticket))
        return answer

    def _ticket(self) -> tuple[int, Deferred[Any]]:
        self._tickets += 1
        answer: Deferred[Any] = Deferred()
        self._asked[self._tickets] = answer
        return self._tickets, answer

    def _exists_reservation(self, request: ReservationCheck) -> ReservationCheckStatus:
        result: ReservationCheckStatus = self._reply(events.ExistsRequested(request))
        return result

    def _reply(self, event: events.Event) -> Any:
        """What a command answers at once."""
        done = self._on(event)
        return next(effect.result for effect in done if isinstance(effect, effects.Reply))

    # What goes out.

    def _on(self, event: events.Event) -> list[effects.Effect]:
        now_s, utc_s = self.clock.now_s(), self.clock.utc().timestamp()
        self._state, done = step(self._state, event, now_s, utc_s)
        for effect in done:
            self._run(effect)
        self._arm()
        return done

    def _run(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Announce(token, status, messages):
                shown = _shown(token)
                self._tokens_log.info(
                    (shown, status), "token", status=status, token=shown, evses=token.connectors
                )
                message = TokenValidationStatusMessage(token=token, status=status, messages=list(messages))
                self.main.publish(AuthInterface.token_validation_status, message)
            case effects.Validate():
                self._validate(effect)
            case effects.Authorize():
                self._authorize(effect)
            case effects.Stop():
                self._stop(effect)
            case effects.Withdraw(index):
                self.evse_manager[index].call(EvseManager.withdraw_authorization)
            case effects.Mark():
                self._mark(effect)
            case effects.Unmark(index):
                self.evse_manager[index].call(EvseManager.cancel_reservation)
            case effects.Update(update):
                self._seldom.info(
                    update.reservation_status,
                    "reservation",
                    reservation_id=update.reservation_id,
                    status=update.reservation_status,
                )
                self.reservation.publish(ReservationInterface.reservation_update, update)
            case effects.Store():
                self._store(effect)
            case effects.Answer(ticket, result):
                self._asked.pop(ticket).resolve(result)
            case effects.Note(text, token, evse_id):
                self._seldom.warning(text, text, token=_shown(token) if token else None, evse=evse_id)
            case effects.Reply():
                pass  # answered by the command's handler
            case _:
                assert_never(effect)

    def _validate(self, effect: effects.Validate) -> None:
        def validated(result: ValidationResult) -> None:
            self._on(events.Validated(effect.process, effect.validator, result))

        def failed(error: CallError) -> None:
            self._seldom.warning(
                "validation", "validation failed", token=_shown(effect.token), reason=str(error)
            )
            self._on(events.Validated(effect.process, effect.validator, None))

        self.token_validator[effect.validator].call(AuthTokenValidator.validate_token, effect.token).then(
            validated, failed
        )

    def _authorize(self, effect: effects.Authorize) -> None:
        self.evse_manager[effect.evse].call(EvseManager.authorize_response, effect.token, effect.result).then(
            lambda _: self._answered(effect.process, effect.evse, accepted=True),
            lambda error: self._refused(effect.process, effect.evse, error),
        )

    def _stop(self, effect: effects.Stop) -> None:
        request = StopTransactionRequest(reason=effect.reason, id_tag=effect.token)
        self.evse_manager[effect.evse].call(EvseManager.stop_transaction, request).then(
            lambda stopped: self._answered(effect.process, effect.evse, accepted=stopped),
            lambda error: self._refused(effect.process, effect.evse, error),
        )

    def _mark(self, effect: effects.Mark) -> None:
        def answered(accepted: bool) -> None:
            self._on(events.MarkAnswered(effect.evse, effect.reservation_id, accepted))

        def failed(error: CallError) -> None:
            self._seldom.warning(
                ("reserve", effect.evse),
                "an EVSE cannot be reserved",
                evse_manager=self.evse_manager[effect.evse].module_id,
                reason=str(error),
            )
            answered(accepted=False)

        self.evse_manager[effect.evse].call(EvseManager.reserve, effect.reservation_id).then(answered, failed)

    def _store(self, effect: effects.Store) -> None:
        def stored(_: None) -> None:
            self._on(events.Stored(effect.number, succeeded=True))

        def failed(error: CallError) -> None:
            self._seldom.error("store", "reservations are not stored", reason=str(error))
            self._on(events.Stored(effect.number, succeeded=False))

        assert self.kvs is not None
        self.kvs.call(Kvs.store, self._key, effect.entries).then(stored, failed)

    def _refused(self, process: int | None, index: int, error: CallError) -> None:
        self._seldom.warning(
            ("refused", index),
            "an EVSE refused",
            evse_manager=self.evse_manager[index].module_id,
            reason=str(error),
        )
        self._answered(process, index, accepted=False)

    def _answered(self, process: int | None, index: int, *, accepted: bool) -> None:
        if process is not None:
            self._on(events.Answered(process, index, accepted))

    def _arm(self) -> None:
        """One timer, for the next deadline of the state."""
        at_s = next_deadline_s(self._state)
        if at_s == self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = at_s
        self._timer = None
        if at_s is not None:
            self._timer = self.clock.call_at(at_s, lambda: self.context.inbox.put(self._time_passed))

    def _time_passed(self) -> None:
        self._timer_at_s = None
        self._on(events.TimePassed())


def _settings(options: Auth.Options) -> dict[str, Any]:
    """Those settings that are options."""
    return {
        "connection_timeout_s": options.connection_timeout,
        "selection": options.selection_algorithm,
        "master_pass_group_id": options.master_pass_group_id,
        "prioritize_authorization": options.prioritize_authorization_over_stopping_transaction,
        "stop_on_reswipe": options.stop_transaction_on_reswipe,
        "plug_in_timeout_enabled": options.plug_in_timeout_enabled,
    }


def _shown(token: ProvidedIdToken) -> str:
    return redacted(token.id_token.value)
