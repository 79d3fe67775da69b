"""EVerest's interface ``auth``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.authorization import (
    TokenValidationStatusMessage,
    WithdrawAuthorizationRequest,
    WithdrawAuthorizationResult,
)
from evse_daemon.types.base import Integer


class Auth(Interface, name="auth", errors=("generic",)):
    """Authorization of tokens and their assignment to EVSEs."""

    token_validation_status: Var[TokenValidationStatusMessage] = var(Kind.EVENT)

    @command(timeout_s=10)
    def set_connection_timeout(self, connection_timeout: Annotated[Integer, Field(ge=10, le=300)]) -> None:
        """Seconds from authorization until a car must be plugged in, or the other way round."""

    @command(timeout_s=10)
    def set_master_pass_group_id(self, master_pass_group_id: Annotated[str, Field(max_length=36)]) -> None:
        """Tokens of this group stop any transaction and start none; empty for no such group."""

    @command(timeout_s=10)
    def withdraw_authorization(self, request: WithdrawAuthorizationRequest) -> WithdrawAuthorizationResult:
        """Takes back authorizations by EVSE, token, both, or all of them."""
