"""DummyTokenValidator: gives every token the same answer, after a while (EVerest's module of this name)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.framework.calls import Deferred
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult


class MainOptions(ModuleOptions):
    validation_result: Literal["Accepted", "Blocked", "Expired", "Invalid"] = "Accepted"
    validation_reason: Annotated[str, Field(min_length=5)] = "Token valid"
    """Only logged: EVerest's ValidationResult has no place for it."""
    sleep: Annotated[float, Field(ge=0, le=120)] = 0.5
    """Seconds until the answer."""


class DummyTokenValidator(Module):
    main = Provides(AuthTokenValidator, MainOptions)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, MainOptions)
        self.options = options

    def init(self) -> None:
        self.main.handle(AuthTokenValidator.validate_token, self._validate_token)

    def _validate_token(self, provided_token: ProvidedIdToken) -> Deferred[ValidationResult]:  # noqa: ARG002 - named by the interface
        answer: Deferred[ValidationResult] = Deferred()
        result = ValidationResult(authorization_status=self.options.validation_result, tariff_messages=[])

        def resolve() -> None:
            self.log.debug(
                "answered", result=result.authorization_status, reason=self.options.validation_reason
            )
            answer.resolve(result)

        self.after(self.options.sleep, resolve)
        return answer
