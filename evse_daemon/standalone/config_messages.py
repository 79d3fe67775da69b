"""The messages by which a module and its manager agree on a configuration, in both generations.

Facts: EVerest's F/lib/types.cpp:38-93 (message types), F/lib/mqtt_config_service.cpp:515-853 (requests and answers).
A real process ends itself on a message type that it does not know, so that the generation has to be the other's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.mqtt.dialects import to_json

GenerationName = Literal["GetConfig", "ConfigurationRequest"]

MODULE = "!module"
"""In the place of an implementation's id: the options of the module itself."""

MAX_VALUE_LENGTH = 10_000

Status = Literal["Ok", "Error", "AccessDenied"]
SetStatus = Literal["Accepted", "Rejected", "RebootRequired"]


class MessageError(ValueError):
    """A message cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How a release of EVerest calls these messages, and what it knows besides."""

    name: GenerationName
    response: str
    shutdown: bool
    """It knows the topic on which a manager tells its modules to end."""
    runtime_set: bool
    """A module can be told of a changed value while it runs."""

    @property
    def request(self) -> str:
        return self.name


GENERATIONS: dict[GenerationName, Generation] = {
    # EVerest 2025.12 to 2026.02
    "GetConfig": Generation("GetConfig", "GetConfigResponse", shutdown=False, runtime_set=False),
    # EVerest 2026.10
    "ConfigurationRequest": Generation(
        "ConfigurationRequest", "ConfigurationResponse", shutdown=True, runtime_set=True
    ),
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """Names one configuration parameter."""

    module_id: str
    parameter: str
    implementation_id: str = MODULE

    def as_json(self) -> dict[str, str]:
        return {
            "configuration_parameter_name": self.parameter,
            "module_id": self.module_id,
            "module_implementation_id": self.implementation_id,
        }


@dataclass(frozen=True, slots=True)
class GetModule:
    """What the asking module is, and what it is connected to."""


@dataclass(frozen=True, slots=True)
class GetAll:
    """The parameters of every module that the asking one may read."""


@dataclass(frozen=True, slots=True)
class GetValue:
    """One parameter; None where the request names none, which is answered."""

    identifier: Identifier | None


@dataclass(frozen=True, slots=True)
class GetAllMappings:
    """Where every module stands."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """Changes a parameter; the value is a text, whatever its type."""

    identifier: Identifier
    value: str


Request = GetModule | GetAll | GetValue | GetAllMappings | SetValue


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and who makes it."""

    origin: str
    request: Request


def read(payload: bytes) -> tuple[str, Any]:
    """The type and the data of an enveloped message; raises MessageError."""
    try:
        message = json.loads(payload.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the payload is not JSON: {str(error)[:100]}") from None
    if not isinstance(message, dict) or not isinstance(message.get("msg_type"), str) or "data" not in message:
        raise MessageError("the payload is not an object with data and msg_type")
    return message["msg_type"], message["data"]


def read_request(generation: Generation, payload: bytes) -> Asked:
    """A request of a module to its manager; raises MessageError."""
    msg_type, data = read(payload)
    if msg_type != generation.request:
        other = next((name for name in GENERATIONS if name == msg_type and name != generation.name), None)
        hint = f": set daemon.config_messages to {other}" if other else ""
        raise MessageError(f"msg_type is {msg_type[:60]!r}, not {generation.request!r}{hint}")
    origin = _text(data, "origin")
    request = data.get("request")
    match data.get("type"):
        case "Set" if isinstance(request, dict):
            identifier = _identifier(request)
            if identifier is None:
                raise MessageError("a Set names no parameter")
            return Asked(origin, SetValue(identifier, _text(request, "value", empty=True)))
        case "Get" if isinstance(request, dict):
            match request.get("type"):
                case "Module":
                    return Asked(origin, GetModule())
                case "All":
                    return Asked(origin, GetAll())
                case "AllMappings":
                    return Asked(origin, GetAllMappings())
                case "Value":
                    return Asked(origin, GetValue(_identifier(request)))
    raise MessageError("it is neither a Set nor a Get of Module, All, AllMappings or Value")


def get_module(generation: Generation, module_id: str) -> bytes:
    """A module asks for its configuration."""
    data = {"origin": module_id, "request": {"type": "Module"}, "type": "Get"}
    return _enveloped(generation.request, data)


def got(generation: Generation, kind: str, data: Any, status: Status = "Ok", info: str = "") -> bytes:
    """The answer to a Get; ``kind`` is its type."""
    response = {"data": data, "type": kind}
    return _enveloped(
        generation.response, {"response": response, "status": status, "status_info": info, "type": "Get"}
    )


def was_set(
    generation: Generation, set_status: SetStatus, set_info: str = "", status: Status = "Ok", info: str = ""
) -> bytes:
    """The answer to a Set, of the manager to who asked, and of a module to its manager."""
    response = {"status": set_status, "status_info": set_info}
    return _enveloped(
        generation.response, {"response": response, "status": status, "status_info": info, "type": "Set"}
    )


def unknown_origin(generation: Generation, origin: str) -> bytes:
    """The answer to who is no module of the station."""
    return _enveloped(
        generation.response,
        {"response": None, "status": "Error", "status_info": f"Unknown origin module: {origin}"},
    )


def set_request(generation: Generation, identifier: Identifier, value: str) -> bytes:
    """The manager tells a running module of a changed value."""
    return _enveloped(generation.request, {"identifier": identifier.as_json(), "value": value})


def read_set_request(generation: Generation, payload: bytes) -> SetValue:
    """The same on the side of the module; raises MessageError."""
    msg_type, data = read(payload)
    if msg_type != generation.request or not isinstance(data, dict):
        raise MessageError(f"it is no {generation.request}")
    identifier = _identifier(data)
    if identifier is None:
        raise MessageError("it names no parameter")
    return SetValue(identifier, _text(data, "value", empty=True))


def read_set_response(generation: Generation, payload: bytes) -> tuple[SetStatus, str]:
    """What a module made of a changed value, and why; raises MessageError."""
    response = _response(generation, payload, "Set")
    match response:
        case {"status": "Accepted" | "Rejected" | "RebootRequired" as status}:
            return status, str(response.get("status_info", ""))[:200]
    raise MessageError("its status is none of Accepted, Rejected and RebootRequired")


def read_module_response(generation: Generation, payload: bytes) -> dict[str, Any]:
    """What the manager says of the module that asked; raises MessageError."""
    response = _response(generation, payload, "Get")
    match response:
        case {"type": "Module", "data": {"module_config": dict() as config} as data}:
            return {"mappings": data.get("mappings", {}), **config}
    raise MessageError("it holds no module_config")


def definition(generation: Generation, data: Any) -> bytes:
    """What the manager publishes for modules that start: interfaces, manifests and the like."""
    return _enveloped(generation.response, data)


def _response(generation: Generation, payload: bytes, kind: str) -> dict[str, Any]:
    msg_type, data = read(payload)
    if msg_type != generation.response:
        raise MessageError(f"msg_type is {msg_type[:60]!r}, not {generation.response!r}")
    match data:
        case {"status": "Ok", "type": found, "response": dict() as response} if found == kind:
            return response
        case {"status": str() as status}:
            raise MessageError(f"the answer is {status}: {str(data.get('status_info', ''))[:200]}")
    raise MessageError(f"it is no answer to a {kind}")


def _enveloped(msg_type: str, data: Any) -> bytes:
    return to_json({"data": data, "msg_type": msg_type})


def _identifier(request: dict[str, Any]) -> Identifier | None:
    given = request.get("identifier")
    if not isinstance(given, dict):
        return None
    implementation = given.get("module_implementation_id", MODULE)
    if not isinstance(implementation, str):
        raise MessageError("module_implementation_id is no text")
    return Identifier(
        _text(given, "module_id"),
        _text(given, "configuration_parameter_name"),
        implementation[:MAX_VALUE_LENGTH],
    )


def _text(data: Any, name: str, *, empty: bool = False) -> str:
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, str) or not (found or empty) or len(found) > MAX_VALUE_LENGTH:
        raise MessageError(f"{name} is missing, or no text of up to {MAX_VALUE_LENGTH} characters")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")
