"""Comparing tokens, and naming them in logs without giving them away."""

from __future__ import annotations

from evse_daemon.types.authorization import IdToken, ProvidedIdToken

_SHOWN = 3
"""Characters of a token that a log may show."""


def same_value(one: IdToken, other: IdToken) -> bool:
    """Whether two tokens have the same value; case does not count (types/authorization.yaml, IdToken)."""
    return one.value.casefold() == other.value.casefold()


def same_token(one: IdToken, other: IdToken) -> bool:
    """Whether two tokens are the same, type included."""
    return one.type == other.type and same_value(one, other)


def redacted(token: ProvidedIdToken | IdToken) -> str:
    """A token for a log: its last characters, enough to tell two cards apart and too few to copy one."""
    value = token.id_token.value if isinstance(token, ProvidedIdToken) else token.value
    return f"…{value[-_SHOWN:]}" if len(value) > 2 * _SHOWN else "…"


def with_place(token: ProvidedIdToken, evse_id: int, parent: IdToken | None) -> ProvidedIdToken:
    """The token as it is announced once its EVSE is known; a parent that the validator gave replaces its own."""
    return token.model_copy(
        update={"connectors": [evse_id], "parent_id_token": parent or token.parent_id_token}
    )
