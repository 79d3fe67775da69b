"""Tokens in logs, errors and displays: enough to tell two cards apart, too little to copy one.

Every text for people that tells of a token has it from here. Whole tokens are in messages between modules, in the
journal and in a kvs only, whose files nobody else may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SHOWN = 4
"""Characters of a token that may be shown."""

TOKEN_NAMES = frozenset(
    {
        "id_token",
        "parent_id_token",
        "group_id_token",
        "provided_token",
        "id_tag",
        "token",
        "identification_data",
        "master_pass_group_id",
    }
)
"""Fields and arguments that hold a token, or an object with one (EVerest's types and interfaces)."""


def redacted(token: str) -> str:
    """The end of a token, at most half of it."""
    shown = min(SHOWN, len(token) // 2)
    return "…" + token[len(token) - shown :]


def may_be_token(path: Sequence[str | int], value: Any) -> bool:
    """Whether a value that somebody sent may be a token, or have one in it, and must not be repeated to anybody.

    Args:
        path: the names that lead to the value.
        value: what was sent; it may be of any type, it is not what was expected.
    """
    text = repr(value)
    return any(part in TOKEN_NAMES for part in path) or any(name in text for name in TOKEN_NAMES)
