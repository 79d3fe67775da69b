"""The three generations of EVerest's wire format: what each kind of message looks like, and how it is delivered.

Facts: seed 001 (documented), the captures of the real EVerest (everest; F/lib/types.cpp, F/lib/conversions.cpp),
seed 000 (classic). A Dialect only says what is sent; what comes in is understood in every form (see calls_in.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from evse_daemon.framework.calls import CallError, CallErrorType
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var

DialectName = Literal["documented", "everest", "classic"]

JsonScalar = str | int | float | bool
"""What a caller may take as the id of a call; it is echoed as it came."""

MAX_ERROR_TEXT_LENGTH = 2000
"""Longest text of an error result; what was wrong may be 200 KB long."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)


def to_json(message: Any) -> bytes:
    """Compact JSON with sorted keys, UTF-8 not escaped, as EVerest writes it.

    Raises:
        ValueError: there is a NaN or an infinity in it.
        TypeError: there is something in it that JSON does not have.
    """
    return _ENCODER.encode(message).encode("utf-8", "replace")


class Delivery(NamedTuple):
    """How a message is handed to the broker."""

    qos: int
    retain: bool = False


def _envelope(msg_type: str, data: Any) -> dict[str, Any]:
    return {"data": data, "msg_type": msg_type}


class Documented:
    """EVerest's published description (seed 001); QoS and retain per topic (seed 000)."""

    name: DialectName = "documented"
    command_delivery = Delivery(1)
    """Of commands and of their results."""
    error_delivery = Delivery(1)
    ready_delivery = Delivery(1, retain=True)

    def var_delivery(self, var: Var[Any]) -> Delivery:
        return Delivery(var.qos, var.retain)

    def var(self, value: Any) -> Any:
        """A variable; ``value`` as JSON has it, as in all methods here."""
        return _envelope("Var", value)

    def command(self, call_id: str, origin: str, arguments: Mapping[str, Any]) -> Any:
        """A call as its caller sends it; ``origin`` is the caller's module id."""
        return _envelope("Cmd", {"args": arguments, "id": call_id, "origin": origin})

    def result(self, command: str, call_id: JsonScalar, origin: str, retval: Any) -> Any:
        """The result of a call; ``origin`` is the module that answers."""
        return self._answer(command, {"id": call_id, "origin": origin, "retval": retval})

    def error_result(self, command: str, call_id: JsonScalar, origin: str, error: CallError) -> Any:
        """The answer to a call that has no result."""
        return self._answer(command, {"error": self._failure(error), "id": call_id, "origin": origin})

    def error(self, error: Error) -> Any:
        """An error as it is raised or cleared."""
        origin: dict[str, Any] = {
            "implementation_id": error.implementation_id,
            "module_id": error.module_id,
        }
        if error.mapping is not None:
            origin["mapping"] = _place(error)
        msg_type = "RaiseError" if error.active else "ClearError"
        return _envelope(msg_type, _error_fields(error) | {"origin": origin})

    def module_ready(self) -> Any:
        return _envelope("ModuleReady", data=True)

    def all_ready(self) -> Any:
        return _envelope("GlobalReady", data=True)

    def metadata(self, module_class: str, interfaces: Mapping[str, str]) -> Any:
        """What a module is and provides: the interface's name by implementation id. None: not published."""
        del module_class, interfaces  # neither seed has this topic

    def _failure(self, error: CallError) -> Any:
        return {"event": error.type, "msg": error.message[:MAX_ERROR_TEXT_LENGTH]}

    def _answer(self, _command: str, data: Any) -> Any:
        return _envelope("CmdResult", data)


class Everest(Documented):
    """The real EVerest's, byte for byte: everything at QoS 2, nothing retained."""

    name: DialectName = "everest"
    command_delivery = Delivery(2)
    error_delivery = Delivery(2)
    ready_delivery = Delivery(2)

    _ERROR_NAMES: Mapping[CallErrorType, str] = {
        "MessageParsingFailed": "MessageParsingError",
        "SchemaValidationFailed": "SchemaValidationError",
        "HandlerException": "HandlerException",
        "Timeout": "CmdTimeout",
        "Shutdown": "Shutdown",
        "NotReady": "NotReady",
    }

    def var_delivery(self, var: Var[Any]) -> Delivery:
        del var
        return Delivery(2)

    def var(self, value: Any) -> Any:
        return _envelope("Var", {"data": value})

    def metadata(self, module_class: str, interfaces: Mapping[str, str]) -> Any:
        provides = {implementation: {"interface": name} for implementation, name in interfaces.items()}
        return _envelope("ConfigurationResponse", {"module": module_class, "provides": provides})

    def _failure(self, error: CallError) -> Any:
        return {
            "__everest__error_msg": error.message[:MAX_ERROR_TEXT_LENGTH],
            "__everest__error_type": self._ERROR_NAMES[error.type],
        }

    def _answer(self, _command: str, data: Any) -> Any:
        return _envelope("CmdResult", {"data": data, "type": "result"})


class Classic(Documented):
    """The older description (seed 000): no envelope. ``ready`` is bare, as in framework 0.24 and before."""

    name: DialectName = "classic"

    def var(self, value: Any) -> Any:
        return {"data": value}

    def command(self, call_id: str, origin: str, arguments: Mapping[str, Any]) -> Any:
        return {"args": arguments, "id": call_id, "origin": origin}

    def error(self, error: Error) -> Any:
        origin: dict[str, Any] = {
            "implementation_id": error.implementation_id,
            "module_id": error.module_id,
        }
        if error.mapping is not None:
            origin |= _place(error)
        return _error_fields(error) | {"origin": origin}

    def module_ready(self) -> Any:
        return True

    def all_ready(self) -> Any:
        return True

    def _answer(self, command: str, data: Any) -> Any:
        return {"data": data, "name": command, "type": "result"}


DIALECTS: Mapping[DialectName, Documented] = {
    "documented": Documented(),
    "everest": Everest(),
    "classic": Classic(),
}


def answering(configured: Documented, *, enveloped: bool) -> Documented:
    """The dialect in which a call is answered: the form it came in, where that is not the configured one."""
    if not enveloped:
        return DIALECTS["classic"]
    return DIALECTS["documented"] if configured.name == "classic" else configured


def _place(error: Error) -> dict[str, int]:
    assert error.mapping is not None
    place = {"evse": error.mapping.evse}
    if error.mapping.connector is not None:
        place["connector"] = error.mapping.connector
    return place


def _error_fields(error: Error) -> dict[str, Any]:
    return {
        "description": error.description,
        "message": error.message,
        "severity": error.severity,
        "state": error.state,
        "sub_type": error.sub_type,
        "timestamp": error.timestamp,
        "type": error.type,
        "uuid": error.uuid,
        "vendor_id": error.vendor_id,
    }
