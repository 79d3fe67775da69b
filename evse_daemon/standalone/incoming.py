"""What a module of another process says, in EVerest's own dialect, read into our types. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from evse_daemon.framework.calls import CallError, CallErrorType
from evse_daemon.framework.errors import Error, ErrorState, Severity
from evse_daemon.framework.errors import Mapping as Place
from evse_daemon.framework.interface import ArgumentError, Var, explain
from evse_daemon.standalone.config_messages import MessageError, read

_ERROR_TYPES: Mapping[str, CallErrorType] = {
    "MessageParsingError": "MessageParsingFailed",
    "SchemaValidationError": "SchemaValidationFailed",
    "HandlerException": "HandlerException",
    "CmdTimeout": "Timeout",
    "Shutdown": "Shutdown",
    "NotReady": "NotReady",
}

MAX_TEXT_LENGTH = 2000


class Answer(NamedTuple):
    """The answer to a call: its result as JSON text, or why there is none."""

    id: str
    outcome: str | CallError


class _Origin(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    class _Mapping(BaseModel):
        model_config = ConfigDict(strict=True, extra="ignore")

        evse: int
        connector: int | None = None

    mapping: _Mapping | None = None


class _Error(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", str_max_length=MAX_TEXT_LENGTH)

    type: str
    sub_type: str = ""
    message: str = ""
    description: str = ""
    severity: Severity
    state: ErrorState
    timestamp: str
    uuid: str
    vendor_id: str = ""
    origin: _Origin = _Origin()


def read_var(var: Var[Any], payload: bytes) -> Any:
    """The value of a variable; raises MessageError."""
    data = _data(payload, "Var")
    if not isinstance(data, dict) or "data" not in data:
        raise MessageError("there is no data in its data")
    try:
        return var.validate_json(_text(data["data"]))
    except ArgumentError as error:
        raise MessageError(str(error)) from None


def read_answer(payload: bytes) -> Answer:
    """The answer to a call; raises MessageError."""
    data = _data(payload, "CmdResult")
    inner = data.get("data") if isinstance(data, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("id"), str):
        raise MessageError("there is no id in the data of its data")
    call_id = inner["id"]
    error = inner.get("error")
    if error is not None:
        given = error if isinstance(error, dict) else {}
        type_ = _ERROR_TYPES.get(str(given.get("__everest__error_type")), "HandlerException")
        message = str(given.get("__everest__error_msg", "no reason given"))[:MAX_TEXT_LENGTH]
        return Answer(call_id, CallError(type_, message))
    if "retval" not in inner:
        return Answer(call_id, CallError("HandlerException", "the answer has neither retval nor error"))
    return Answer(call_id, _text(inner["retval"]))


def read_error(payload: bytes, type_: str, module_id: str, implementation_id: str) -> Error:
    """An error that was raised or cleared, of the type that its topic names; raises MessageError."""
    msg_type, data = read(payload)
    if msg_type not in ("RaiseError", "ClearError"):
        raise MessageError(f"msg_type is {msg_type[:60]!r}, neither RaiseError nor ClearError")
    try:
        given = _Error.model_validate(data)
    except ValidationError as error:
        raise MessageError(explain(error, "data")) from None
    if given.type != type_:
        raise MessageError(f"its type {given.type[:60]!r} is not that of its topic")
    place = given.origin.mapping
    return Error(
        type=type_,
        sub_type=given.sub_type,
        message=given.message,
        description=given.description,
        severity=given.severity,
        state=given.state,
        module_id=module_id,
        implementation_id=implementation_id,
        timestamp=given.timestamp,
        uuid=given.uuid,
        vendor_id=given.vendor_id,
        mapping=None if place is None else Place(place.evse, place.connector),
    )


def _data(payload: bytes, wanted: str) -> Any:
    msg_type, data = read(payload)
    if msg_type != wanted:
        raise MessageError(f"msg_type is {msg_type[:60]!r}, not {wanted!r}")
    return data


def _text(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        raise MessageError("a number is too large, or it is nested too deeply") from None
