"""Auth: receives tokens, has them validated, and authorizes or stops sessions with them (EVerest's module Auth)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from evse_daemon.framework.bus import Client
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import (
    Context,
    Module,
    ModuleOptions,
    Provides,
    RequiresMany,
    RequiresOptional,
)
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.reservation import Reservation as ReservationInterface
from evse_daemon.modules.auth import state as auth_state
from evse_daemon.modules.auth.handler import next_deadline_s, step
from evse_daemon.modules.auth.tokens import redacted
from evse_daemon.types.authorization import (
    ProvidedIdToken,
    TokenValidationStatusMessage,
    ValidationResult,
    ValidationResultUpdate,
    WithdrawAuthorizationRequest,
    WithdrawAuthorizationResult,
)
from evse_daemon.types.evse_manager import Evse, SessionEvent, StopTransactionRequest
from evse_daemon.types.reservation import (
    Reservation,
    ReservationCheck,
    ReservationCheckStatus,
    ReservationResult,
)

INOPERATIVE = "evse_manager/Inoperative"


class Auth(Module):
    """Runs the decisions of handler.py on the bus."""

    class Options(ModuleOptions):
        selection_algorithm: Literal["FindFirst", "PlugEvents", "PlugEventsLIFO"] = "FindFirst"
        connection_timeout: int
        """Seconds from a token to the plug, and from the plug to a token."""
        master_pass_group_id: str = ""
        prioritize_authorization_over_stopping_transaction: bool = True
        ignore_connector_faults: bool = False
        plug_in_timeout_enabled: bool = False
        stop_transaction_on_reswipe: bool = True

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
        self._seldom = RateLimitedLog(self.log)

    def init(self) -> None:
        options = self.options
        settings = auth_state.Settings(
            connection_timeout_s=options.connection_timeout,
            selection=options.selection_algorithm,
            master_pass_group_id=options.master_pass_group_id,
            prioritize_authorization=options.prioritize_authorization_over_stopping_transaction,
            stop_on_reswipe=options.stop_transaction_on_reswipe,
            plug_in_timeout_enabled=options.plug_in_timeout_enabled,
            validators=len(self.token_validator),
            validation_timeout_s=AuthTokenValidator.validate_token.timeout_s,
        )
        self._state = auth_state.State(settings, tuple(auth_state.Evse() for _ in self.evse_manager))
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

    def _follow(self, index: int, client: Client[EvseManager]) -> None:
        def session_event(event: SessionEvent) -> None:
            started = event.session_started
            car_connected = started is not None and started.reason == "EVConnected"
            self._on(auth_state.EvseEvent(index, event.event, car_connected))

        def error_changed(error: Error) -> None:
            if error.type == INOPERATIVE:
                self._on(auth_state.FaultChanged(index, error.active))

        client.subscribe(EvseManager.session_event, session_event)
        client.subscribe_lost(lambda: self._lost(index))
        if not self.options.ignore_connector_faults:
            client.subscribe_errors(error_changed)

    def _lost(self, index: int) -> None:
        self._on(auth_state.EvseLost(index))

    def ready(self) -> None:
        for index, client in enumerate(self.evse_manager):
            self._ask_number(index, client)
        self._ready = True

    def _ask_number(self, index: int, client: Client[EvseManager]) -> None:
        def known(evse: Evse) -> None:
            self._on(auth_state.EvseKnown(index, evse.id))

        def unknown(error: CallError) -> None:
            number = client.mapping.evse if client.mapping is not None else index + 1
            self.log.warning(
                "an EVSE does not tell its number",
                evse_manager=client.module_id,
                assumed=number,
                reason=str(error),
            )
            self._on(auth_state.EvseKnown(index, number))

        client.call(EvseManager.get_evse).then(known, unknown)

    # What comes in.

    def _on_token(self, token: ProvidedIdToken) -> None:
        if not self._ready:
            self._seldom.warning(
                "early", "a token came before the station was ready: ignored", token=redacted(token)
            )
            return
        self._on(auth_state.TokenProvided(token))

    def _on_result_update(self, update: ValidationResultUpdate) -> None:
        self._on(auth_state.ResultUpdated(update.connector_id, update.validation_result))

    def _set_connection_timeout(self, connection_timeout: int) -> None:
        settings = replace(self._state.settings, connection_timeout_s=connection_timeout)
        self._on(auth_state.SettingsChanged(settings))

    def _set_master_pass_group_id(self, master_pass_group_id: str) -> None:
        settings = replace(self._state.settings, master_pass_group_id=master_pass_group_id)
        self._on(auth_state.SettingsChanged(settings))

    def _withdraw_authorization(self, request: WithdrawAuthorizationRequest) -> WithdrawAuthorizationResult:
        effects = self._on(auth_state.WithdrawRequested(request.evse_id, request.id_token))
        return next(effect.result for effect in effects if isinstance(effect, auth_state.Reply))

    def _reserve_now(self, request: Reservation) -> ReservationResult:
        self._seldom.warning(
            "reservation", "reservations are not supported", reservation_id=request.reservation_id
        )
        return "Rejected"

    def _cancel_reservation(self, reservation_id: int) -> bool:  # noqa: ARG002 - there is none
        return False

    def _exists_reservation(self, request: ReservationCheck) -> ReservationCheckStatus:  # noqa: ARG002
        return "NotReserved"

    # What goes out.

    def _on(self, event: auth_state.Event) -> list[auth_state.Effect]:
        self._state, effects = step(self._state, event, self.clock.now_s())
        for effect in effects:
            self._run(effect)
        self._arm()
        return effects

    def _run(self, effect: auth_state.Effect) -> None:
        match effect:
            case auth_state.Announce(token, status, messages):
                self.log.info("token", status=status, token=redacted(token), evses=token.connectors)
                message = TokenValidationStatusMessage(token=token, status=status, messages=list(messages))
                self.main.publish(AuthInterface.token_validation_status, message)
            case auth_state.Validate():
                self._validate(effect)
            case auth_state.Authorize():
                self._authorize(effect)
            case auth_state.Stop():
                self._stop(effect)
            case auth_state.Withdraw(index):
                self.evse_manager[index].call(EvseManager.withdraw_authorization)
            case auth_state.Note(text, token, evse_id):
                self._seldom.warning(text, text, token=redacted(token) if token else None, evse=evse_id)
            case auth_state.Reply():
                pass  # answered by the command's handler

    def _validate(self, effect: auth_state.Validate) -> None:
        def validated(result: ValidationResult) -> None:
            self._on(auth_state.Validated(effect.process, effect.validator, result))

        def failed(error: CallError) -> None:
            self.log.warning("validation failed", token=redacted(effect.token), reason=str(error))
            self._on(auth_state.Validated(effect.process, effect.validator, None))

        self.token_validator[effect.validator].call(AuthTokenValidator.validate_token, effect.token).then(
            validated, failed
        )

    def _authorize(self, effect: auth_state.Authorize) -> None:
        self.evse_manager[effect.evse].call(EvseManager.authorize_response, effect.token, effect.result).then(
            lambda _: self._answered(effect.process, effect.evse, accepted=True),
            lambda error: self._refused(effect.process, effect.evse, error),
        )

    def _stop(self, effect: auth_state.Stop) -> None:
        request = StopTransactionRequest(reason=effect.reason, id_tag=effect.token)
        self.evse_manager[effect.evse].call(EvseManager.stop_transaction, request).then(
            lambda stopped: self._answered(effect.process, effect.evse, accepted=stopped),
            lambda error: self._refused(effect.process, effect.evse, error),
        )

    def _refused(self, process: int | None, index: int, error: CallError) -> None:
        self.log.warning(
            "an EVSE refused", evse_manager=self.evse_manager[index].module_id, reason=str(error)
        )
        self._answered(process, index, accepted=False)

    def _answered(self, process: int | None, index: int, *, accepted: bool) -> None:
        if process is not None:
            self._on(auth_state.Answered(process, index, accepted))

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
        self._on(auth_state.TimePassed())
