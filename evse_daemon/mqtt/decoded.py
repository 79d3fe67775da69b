"""What a message of the tree says, whoever sent it: EVerest's own modules, this daemon, or a client of either seed.

For those who look on or wait for an answer. A call that is to be carried out is read by calls_in.py, which refuses
what is not sound; here whatever can be read is shown. The forms are those of dialects.py; none has to be known before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from evse_daemon.mqtt.calls_in import UnanswerableError, read_call
from evse_daemon.mqtt.topics import Topics

Kind = Literal["var", "cmd", "result", "error", "other"]

_EVEREST_ERROR_TYPE, _EVEREST_ERROR_TEXT = "__everest__error_type", "__everest__error_msg"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no result; the type in the words of whoever answered."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message, taken apart."""

    kind: Kind
    """``other`` is what is no var, command, result or error: ready, status, metadata, definitions, foreign topics."""
    name: str
    """Of the variable or command, ``namespace/Name`` of the error; of other messages the whole topic."""
    value: Any
    """The variable's value, the arguments, the result, the error object; of other messages the payload."""
    module_id: str = ""
    implementation_id: str = ""
    caller: str = ""
    """Of commands and results: the module id of who called."""
    call_id: Any = None
    failure: Failure | None = None
    """Of a result that is an error."""
    problem: str = ""
    """Why the message cannot be read; ``value`` is then its text."""


class _UnreadableError(ValueError):
    """The text says why."""


def decode(topics: Topics, topic: str, payload: bytes) -> Decoded:
    """A message on a topic; never raises."""
    parts = topics.parse(topic)
    if parts is None:
        return _other(topic, payload)
    kind: Kind = "result" if parts.kind == "response" else parts.kind
    made = partial(
        Decoded, kind, parts.name, module_id=parts.module_id, implementation_id=parts.implementation_id
    )
    try:
        match kind:
            case "var":
                return made(value=_value(_json(payload)))
            case "cmd":
                call = read_call(payload)
                problem = "" if call.problem is None else call.problem.message
                return made(value=call.arguments, caller=call.origin, call_id=call.id, problem=problem)
            case "result":
                call_id, value, failure = read_result(payload)
                return made(value=value, caller=parts.caller, call_id=call_id, failure=failure)
            case _:
                return made(value=_error(_json(payload)))
    except (_UnreadableError, UnanswerableError) as problem:
        text = payload.decode("utf-8", "replace")
        return made(value=text, caller=parts.caller, problem=str(problem))


def read_result(payload: bytes) -> tuple[Any, Any, Failure | None]:
    """The id of the call, its result, and why there is none.

    Raises:
        ValueError: it is no result; the text says why.
    """
    body = _object(_json(payload)).get("data")
    if isinstance(body, dict) and body.get("type") == "result" and isinstance(body.get("data"), dict):
        body = body["data"]  # EVerest's own has an envelope in the envelope
    if not isinstance(body, dict) or "id" not in body:
        raise _UnreadableError("there is no id of a call in it")
    if "error" in body:
        return body["id"], None, _failure(body["error"])
    if "retval" not in body:
        raise _UnreadableError("there is neither retval nor error in it")
    return body["id"], body["retval"], None


def _other(topic: str, payload: bytes) -> Decoded:
    try:
        value = _json(payload)
    except _UnreadableError:
        return Decoded("other", topic, payload.decode("utf-8", "replace"))
    if isinstance(value, dict) and isinstance(value.get("msg_type"), str) and "data" in value:
        value = value["data"]
    return Decoded("other", topic, value)


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError:
        raise _UnreadableError("it is not UTF-8") from None
    except RecursionError:
        raise _UnreadableError("it is nested too deeply") from None
    except ValueError as error:
        raise _UnreadableError(f"it is not JSON: {str(error)[:100]}") from None


def _refuse(word: str) -> None:
    raise ValueError(f"it has no {word}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _object(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise _UnreadableError("it is not a JSON object")
    return message


def _value(message: Any) -> Any:
    body = _object(message)
    if "data" not in body:
        raise _UnreadableError("there is no data in it")
    data = body["data"]
    # EVerest's own has the value in a second object; no type of its has a lone key `data`.
    if body.get("msg_type") == "Var" and isinstance(data, dict) and data.keys() == {"data"}:
        return data["data"]
    return data


def _error(message: Any) -> Any:
    body = _object(message)
    found = body["data"] if "msg_type" in body and isinstance(body.get("data"), dict) else body
    if "type" not in found:
        raise _UnreadableError("there is no type of an error in it")
    return found


def _failure(error: Any) -> Failure:
    if isinstance(error, Mapping):
        type_ = error.get(_EVEREST_ERROR_TYPE, error.get("event", "error"))
        return Failure(str(type_), str(error.get(_EVEREST_ERROR_TEXT, error.get("msg", ""))))
    return Failure("error", str(error))
