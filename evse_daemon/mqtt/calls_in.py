"""Reading a call that comes from the broker, in whichever of the forms (seeds 000 and 001; dialects.py)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evse_daemon.framework.calls import CallError
from evse_daemon.mqtt.dialects import JsonScalar

MAX_ID_LENGTH = 256
"""Longest id, written as JSON without quotes."""

_ORIGIN = re.compile(r"[^/+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]{1,128}")
"""A caller's name: it becomes one segment of the response topic."""

_ENCODER = json.JSONEncoder(allow_nan=False)


class UnanswerableError(Exception):
    """The message names nobody whom an answer could reach; the text says why."""


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call as it was read; ``problem`` says what is wrong with it where it can be answered nevertheless."""

    id: JsonScalar
    origin: str
    enveloped: bool
    arguments: Mapping[str, Any]
    problem: CallError | None = None


def read_call(payload: bytes) -> IncomingCall:
    """A call from its payload.

    Raises:
        UnanswerableError: it is no JSON, or has no usable id and origin.
    """
    not_json: list[str] = []
    try:
        text = payload.decode("utf-8")
        if "NaN" in text or "Infinity" in text:  # Python reads these words as numbers
            message = json.loads(text, parse_constant=not_json.append)
        else:
            message = json.loads(text)
    except UnicodeDecodeError:
        raise UnanswerableError("the payload is not UTF-8") from None
    except RecursionError:
        raise UnanswerableError("the payload is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        raise UnanswerableError(f"the payload is not JSON: {str(error)[:100]}") from None
    if not isinstance(message, dict):
        raise UnanswerableError("the payload is not a JSON object")
    inner = message.get("data")
    enveloped = isinstance(inner, dict) and "id" not in message
    body: dict[str, Any] = inner if enveloped and inner is not None else message
    call_id, origin = _id(body), _origin(body)
    problem = _problem(message, body, not_json, enveloped=enveloped)
    if problem is not None:
        return IncomingCall(call_id, origin, enveloped, {}, CallError("MessageParsingFailed", problem))
    return IncomingCall(call_id, origin, enveloped, body.get("args") or {})


def arguments_as_json(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Each argument as JSON text.

    Raises:
        CallError: SchemaValidationFailed, where a number is beyond what JSON can hold, or nesting has no end.
    """
    texts: dict[str, str] = {}
    for name, value in arguments.items():
        try:
            texts[name] = _ENCODER.encode(value)
        except ValueError:
            raise CallError("SchemaValidationFailed", f"{name[:60]}: a number is too large") from None
        except RecursionError:
            raise CallError("SchemaValidationFailed", f"{name[:60]}: nested too deeply") from None
    return texts


def _id(body: Mapping[str, Any]) -> JsonScalar:
    if "id" not in body:
        raise UnanswerableError("there is no id in the call")
    found = body["id"]
    if not isinstance(found, str | int | float | bool):
        raise UnanswerableError("the id of the call is not a string, number or boolean")
    if isinstance(found, float) and not math.isfinite(found):
        raise UnanswerableError("the id of the call is too large a number")
    text = found if isinstance(found, str) else json.dumps(found)
    if len(text) > MAX_ID_LENGTH:
        raise UnanswerableError(f"the id of the call is longer than {MAX_ID_LENGTH} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UnanswerableError("the id of the call is not valid Unicode")
    return found


def _origin(body: Mapping[str, Any]) -> str:
    found = body.get("origin")
    if not isinstance(found, str) or not _ORIGIN.fullmatch(found):
        raise UnanswerableError(
            "the origin of the call is missing or not 1 to 128 characters without / + # and control characters"
        )
    return found


def _problem(
    message: Mapping[str, Any], body: Mapping[str, Any], not_json: list[str], *, enveloped: bool
) -> str | None:
    if not_json:
        return f"JSON has no {not_json[0]}"
    if enveloped and message.get("msg_type") != "Cmd":
        given = f"not {message['msg_type']!r}"[:60] if "msg_type" in message else "it is missing"
        return f"msg_type: must be 'Cmd' on a topic of a command; {given}"
    if not isinstance(body.get("args"), dict | None):
        return "args: must be an object with the arguments by name"
    return None
