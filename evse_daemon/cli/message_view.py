"""A message of the tree as a line: for a person, or as one JSON object for a program."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.decoded import Decoded


def as_text(at: dt.datetime, message: Decoded, inbound: Inbound) -> str:
    """``12:00:00.123  evse_manager/evse  var session_event {…}``."""
    time = at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    where = f"{message.module_id}/{message.implementation_id}" if message.module_id else ""
    retained = " (retained)" if inbound.retain else ""
    return _printable(f"{time}  {where:28} {_said(message)}{retained}")


def as_json(at: dt.datetime, message: Decoded, inbound: Inbound) -> str:
    """One object; the keys are those of Decoded, and what the broker told of the message."""
    found: dict[str, Any] = {
        "time": at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "topic": inbound.topic,
        "qos": inbound.qos,
        "retain": inbound.retain,
        "kind": message.kind,
        "name": message.name,
    }
    if message.module_id:
        found |= {"module": message.module_id, "implementation": message.implementation_id}
    if message.caller:
        found["caller"] = message.caller
    if message.call_id is not None:
        found["call_id"] = message.call_id
    if message.failure is not None:
        found["error"] = {"type": message.failure.type, "message": message.failure.message}
    else:
        found["value"] = message.value
    if message.problem:
        found["problem"] = message.problem
    try:
        return json.dumps(found, separators=(",", ":"), allow_nan=False)
    except ValueError:  # arguments of a call may be written so
        found |= {"value": str(message.value), "problem": "a number is too large"}
        return json.dumps(found, separators=(",", ":"))


def _said(message: Decoded) -> str:
    if message.problem:
        return f"{message.kind} {message.name} cannot be read, {message.problem}: {message.value}"
    match message.kind:
        case "cmd":
            return f"cmd {message.name} {_json(message.value)} from {message.caller}"
        case "result" if message.failure is not None:
            failure = message.failure
            return f"result {message.name} for {message.caller}: {failure.type}: {failure.message}"
        case "result":
            return f"result {message.name} for {message.caller}: {_json(message.value)}"
        case "error":
            return _error(message)
        case "var":
            return f"var {message.name} {_json(message.value)}"
        case _:
            value = message.value if isinstance(message.value, str) else _json(message.value)
            return f"{message.name} {value}"


def _error(message: Decoded) -> str:
    error = message.value
    name = "/".join(part for part in (message.name, str(error.get("sub_type", ""))) if part)
    return f"error {name} {error.get('state', '')} ({error.get('severity', '')}): {error.get('message', '')}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _printable(text: str) -> str:
    """Without what would command a terminal, or pretend to be another line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
