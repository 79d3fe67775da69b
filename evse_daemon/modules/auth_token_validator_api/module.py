"""auth_token_validator_API: a program decides who may charge (EVerest's module of this name)."""

from __future__ import annotations

from evse_daemon.everest_api.channels import asks, hears
from evse_daemon.everest_api.module import EverestApiModule, RequestingOptions
from evse_daemon.framework.calls import Deferred
from evse_daemon.framework.module import Provides
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult, ValidationResultUpdate

INVALID = ValidationResult(authorization_status="Invalid", tariff_messages=[])
"""Where there is no reply."""


class auth_token_validator_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """Asks a program about each token; without a reply the token is invalid."""

    class Options(RequestingOptions):
        """See RequestingOptions."""

    api_type = "auth_token_validator"
    channels = (
        asks("validate_token", ProvidedIdToken, ValidationResult, "whether a token may charge", secret=True),
        hears("validate_result_update", ValidationResultUpdate, "a later answer", secret=True),
    )

    main = Provides(AuthTokenValidator)

    def init(self) -> None:
        super().init()
        self.main.handle(AuthTokenValidator.validate_token, self._validate)
        update = AuthTokenValidator.validate_result_update
        self.hear("validate_result_update", lambda value: self.main.publish(update, value))

    def _validate(self, provided_token: ProvidedIdToken) -> Deferred[ValidationResult]:
        answer: Deferred[ValidationResult] = Deferred()
        timeout_s = self.timeout_s(AuthTokenValidator.validate_token)
        self.ask("validate_token", provided_token, timeout_s, lambda reply: answer.resolve(reply or INVALID))
        return answer
