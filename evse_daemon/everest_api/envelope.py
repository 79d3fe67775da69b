"""The JSON of EVerest's API: bare values, and requests that say where their reply goes (reference api.md §2.1)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evse_daemon.framework.interface import ArgumentError, explain

MAX_TOPIC_LENGTH = 512
"""Longest topic that a reply is sent to."""


_UNPUBLISHABLE = re.compile("[+#\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the program."""

    reply_to: str
    """The topic of the reply; empty where none is wanted."""
    payload: str = "null"
    """As JSON."""


def write(value: Any) -> str:
    """A value as EVerest writes it: JSON with an indent of four; empty for None."""
    return "" if value is None else json.dumps(value, indent=4, allow_nan=False)


def write_request(reply_to: str, payload: Any) -> str:
    """A request of the station."""
    headers = {"headers": {"replyTo": reply_to}}
    return write(headers if payload is None else headers | {"payload": payload})


def read(adapter: TypeAdapter[Any], text: str, name: str, *, secret: bool = False) -> Any:
    """A value from its text; fields that its type does not have are left out, as EVerest does.

    Args:
        adapter: of its type.
        text: JSON.
        name: what it is called in messages.
        secret: messages do not show what was given.

    Raises:
        ArgumentError: it does not fit; the message names what is wrong.
    """
    tell = _explain_secret if secret else explain
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        without = _without_unknown(text, error)
        if without is None:
            raise ArgumentError(tell(error, name)) from None
    try:
        return adapter.validate_json(without)
    except ValidationError as error:
        raise ArgumentError(tell(error, name)) from None


def read_request(text: str, station: str) -> Request:
    """A request from its text; an empty one wants no reply.

    Args:
        text: the payload of the message.
        station: the everest prefix; no reply is sent below it, where modules would take it for somebody's word.

    Raises:
        ArgumentError: it is no request, or its reply cannot be sent where it wants it.
    """
    if not text.strip():
        return Request("")
    refused: list[str] = []
    try:
        found = json.loads(text, parse_constant=refused.append)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"it is not JSON: {str(error)[:100]}") from None
    if refused:
        raise ArgumentError(f"JSON has no {refused[0]}")
    if not isinstance(found, dict):
        raise ArgumentError("it is not an object with headers and payload")
    headers = found.get("headers", {})
    if not isinstance(headers, dict):
        raise ArgumentError("headers: must be an object")
    try:
        payload = json.dumps(found.get("payload"), allow_nan=False)
    except (ValueError, RecursionError):
        raise ArgumentError("payload: a number is too large, or it is nested too deeply") from None
    return Request(_reply_to(headers.get("replyTo", ""), station), payload)


def _reply_to(topic: Any, station: str) -> str:
    if not isinstance(topic, str):
        raise ArgumentError("headers.replyTo: must be a topic")
    if len(topic) > MAX_TOPIC_LENGTH or _UNPUBLISHABLE.search(topic):
        raise ArgumentError("headers.replyTo: is no topic that can be published on")
    first = topic.partition("/")[0]
    if first.startswith("$") or first in (station, "evse_daemon"):
        raise ArgumentError(f"headers.replyTo: no reply is sent below {first}/")
    return topic


def _explain_secret(error: ValidationError, name: str) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join([name, *(str(part) for part in problem['loc'])])}: {problem['type']}"
        for problem in problems[:5]
    )


def _without_unknown(text: str, error: ValidationError) -> str | None:
    """The text without the fields that the type forbids; None where something else is wrong."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if any(problem["type"] != "extra_forbidden" for problem in problems):
        return None
    value: Any = json.loads(text)
    for problem in problems:
        *path, name = problem["loc"]
        found = value
        try:
            for step in path:
                found = found[step]
            del found[name]
        except (KeyError, IndexError, TypeError):
            return None  # the path leads through a union, which names its members
    return json.dumps(value)
