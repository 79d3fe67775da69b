"""EVerest's interface ``auth_token_validator``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult, ValidationResultUpdate


class AuthTokenValidator(Interface, name="auth_token_validator", errors=("generic",)):
    """Decides whether a token may charge."""

    validate_result_update: Var[ValidationResultUpdate] = var(Kind.EVENT)
    """A later answer, such as in OCPP's StartTransaction."""

    @command(timeout_s=90)
    def validate_token(self, provided_token: ProvidedIdToken) -> ValidationResult:
        """Whether the token may charge; may take as long as a CSMS needs to answer."""
