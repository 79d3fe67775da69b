"""What the journal holds, and the rules that every journal follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRANSACTION_STARTED = "transaction_started"
TRANSACTION_FINISHED = "transaction_finished"
METER_VALUE = "meter_value"


class StoreError(Exception):
    """The journal cannot be read; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the journal."""

    evse: str
    sequence: int
    """Rises by one with each record of an EVSE; never used again."""
    kind: str
    payload: dict[str, Any]


def encode(payload: Mapping[str, Any]) -> str:
    """A payload as JSON.

    Raises:
        ValueError: it holds what JSON has no words for: NaN, infinity, an object.
    """
    try:
        return json.dumps(payload, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be written as JSON: {error}") from None


def session_of(kind: str, payload: Mapping[str, Any]) -> str | None:
    """The session whose transaction a record opens, closes or measures; None for other kinds.

    Raises:
        ValueError: a transaction without a session id.
    """
    if kind not in (TRANSACTION_STARTED, TRANSACTION_FINISHED, METER_VALUE):
        return None
    session_id = payload.get("session_id")
    if not isinstance(session_id, str) or not session_id:
        raise ValueError(f"{kind} has no session_id")
    return session_id


def with_last_meter_value(started: dict[str, Any], measured: Mapping[str, Any] | None) -> dict[str, Any]:
    """The start of an open transaction as ``open_transactions`` gives it.

    Args:
        started: the record of the start.
        measured: the newest record of a meter value in it, if there is one.
    """
    return started if measured is None else {**started, "last_meter_value": measured["meter_value"]}
