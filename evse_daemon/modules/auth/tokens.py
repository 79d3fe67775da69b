"""Comparing tokens, and saying where one was used."""

from __future__ import annotations

from evse_daemon.types.authorization import IdToken, ProvidedIdToken


def same_value(one: IdToken, other: IdToken) -> bool:
    """Whether two tokens have the same value; case does not count (types/authorization.yaml, IdToken)."""
    return one.value.casefold() == other.value.casefold()


def same_token(one: IdToken, other: IdToken) -> bool:
    """Whether two tokens are the same, type included."""
    return one.type == other.type and same_value(one, other)


def with_place(token: ProvidedIdToken, evse_id: int, parent: IdToken | None) -> ProvidedIdToken:
    """The token as it is announced once its EVSE is known; a parent that the validator gave replaces its own."""
    return token.model_copy(
        update={"connectors": [evse_id], "parent_id_token": parent or token.parent_id_token}
    )
