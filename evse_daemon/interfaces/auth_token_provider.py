"""EVerest's interface ``auth_token_provider``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, var
from evse_daemon.types.authorization import ProvidedIdToken


class AuthTokenProvider(Interface, name="auth_token_provider", errors=("generic",)):
    """A source of tokens, such as a card reader."""

    provided_token: Var[ProvidedIdToken] = var(Kind.EVENT)
