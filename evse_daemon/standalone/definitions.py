"""What a manager tells modules that start: interfaces, manifests, settings, a module's own configuration. Pure.

Source: F/lib/config.cpp:782-914, lib/everest/framework schemas, and captures of the real manager. Types are named by
reference; their own definitions are published only where schemas are validated, which this daemon leaves to itself.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from evse_daemon.config.model import ModuleConfig, RunConfig
from evse_daemon.framework.errors import Mapping as Place
from evse_daemon.framework.interface import Interface
from evse_daemon.framework.module import Module, ModuleOptions
from evse_daemon.standalone.config_messages import MODULE
from evse_daemon.types.error_lists import ERRORS

Json = dict[str, Any]

_QOS = 2

_SCALARS: Mapping[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One option of a module, as the configuration messages know it."""

    name: str
    datatype: Literal["string", "integer", "number", "bool"]
    mutability: str
    value: str | int | float | bool

    def as_json(self, mutability: str | None = None) -> Json:
        characteristics = {"datatype": self.datatype, "mutability": mutability or self.mutability}
        return {"characteristics": characteristics, "name": self.name, "value": self.value}


Parameters = dict[str, dict[str, Parameter]]
"""By implementation id, or ``!module``, and name."""


@dataclass(slots=True)
class Described:
    """A module as its manager describes it."""

    config: ModuleConfig
    parameters: Parameters = field(default_factory=dict)


def described(config: RunConfig) -> dict[str, Described]:
    """Every module of a station, of this process and of others."""
    return {module_id: Described(entry, parameters_of(entry)) for module_id, entry in config.modules.items()}


def interface_definition(interface: type[Interface]) -> Json:
    """An interface as modules get it: without descriptions, with QoS, errors spelt out."""
    return {
        "cmds": {
            name: {
                "arguments": {
                    argument: json_type(hint)
                    for argument, hint in _hints(command).items()
                    if argument != "return"
                },
                "result": json_type(_hints(command).get("return", type(None))),
            }
            for name, command in interface.commands.items()
        },
        "errors": {
            namespace: {
                name: {"description": text, "name": name, "namespace": namespace}
                for name, text in ERRORS[namespace].items()
            }
            for namespace in interface.error_namespaces
        },
        "vars": {name: {**json_type(var.annotation), "qos": _QOS} for name, var in interface.vars.items()},
    }


def json_type(annotation: Any) -> Json:
    """A Python type as EVerest's interface files name it."""
    if typing.get_origin(annotation) is Annotated:
        return json_type(typing.get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        namespace = annotation.__module__.rpartition(".")[2]
        return {"$ref": f"/{namespace}#/{annotation.__name__}", "type": "object"}
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments), "type": "string"}
    if origin is list:
        return {"items": json_type(arguments[0]), "type": "array"}
    if origin in (typing.Union, types.UnionType):
        return {"type": [json_type(each)["type"] for each in arguments]}
    name = _SCALARS.get(annotation)
    return {"type": name} if name is not None else {"type": [*_SCALARS.values(), "array", "object"]}


def manifest(cls: type[Module]) -> Json:
    """The manifest of a module class, with EVerest's defaults, without its options."""
    given: Json = getattr(cls, "manifest", None) or {}
    provides = given.get("provides", {})
    return {
        "description": given.get("description") or _first_line(cls),
        "enable_external_mqtt": bool(given.get("enable_external_mqtt", True)),
        "enable_global_errors": bool(given.get("enable_global_errors", False)),
        "enable_telemetry": bool(given.get("enable_telemetry", False)),
        "metadata": {"authors": ["unknown"], "license": "unknown", **(given.get("metadata") or {})},
        "provides": {
            name: {
                "config": provides.get(name, {}).get("config", {}),
                "description": provides.get(name, {}).get("description", name),
                "interface": provided.interface.interface_name,
            }
            for name, provided in cls.provides.items()
        },
        "requires": {
            name: {
                "interface": required.interface.interface_name,
                "max_connections": required.maximum,
                "min_connections": required.minimum,
            }
            for name, required in cls.requires.items()
        },
    }


def settings(config: RunConfig) -> Json:
    """EVerest's eight settings for modules."""
    prefix = config.settings.prefix
    return {
        "data_dir": f"{prefix}/share/everest",
        "etc_dir": f"{prefix}/etc/everest",
        "forward_exceptions": True,
        "modules_dir": config.settings.modules_dir or f"{prefix}/libexec/everest/modules",
        "prefix": prefix or "/",
        "telemetry_enabled": False,
        "telemetry_prefix": config.settings.telemetry_prefix.rstrip("/") + "/",
        "validate_schema": False,
    }


def interfaces_of(classes: Iterable[type[Module]]) -> dict[str, type[Interface]]:
    """Every interface that a module provides, sorted by name."""
    found = {
        each.interface.interface_name: each.interface for cls in classes for each in cls.provides.values()
    }
    return dict(sorted(found.items()))


def parameters_of(entry: ModuleConfig) -> Parameters:
    """The options of a module, sorted by name; one without a value is left out."""
    blocks = {MODULE: entry.options, **entry.implementation_options}
    return {name: _parameters(options) for name, options in blocks.items()}


def module_response(module_id: str, modules: Mapping[str, Described]) -> Json:
    """What the manager answers to Get/Module."""
    entry = modules[module_id].config
    connected = {found.module_id for targets in entry.connections.values() for found in targets}
    return {
        "mappings": {each: mapping_of(modules[each].config) for each in sorted({module_id, *connected})},
        "module_config": {
            "access": {"config": entry.access["config"]} if "config" in entry.access else None,
            "configuration_parameters": parameters_as_json(modules[module_id].parameters),
            "connections": {
                name: [
                    {
                        "implementation_id": found.implementation_id,
                        "module_id": found.module_id,
                        "requirement": {"id": name, **({"index": index} if index else {})},
                    }
                    for index, found in enumerate(targets)
                ]
                for name, targets in entry.connections.items()
                if targets
            },
            "mapping": mapping_of(entry),
            "module_id": module_id,
            "module_name": entry.cls.__name__,
            "standalone": entry.standalone,
            "telemetry_enabled": False,
        },
    }


def parameters_as_json(parameters: Parameters, *, writable: bool = False) -> Json:
    """Parameters as messages list them; ``writable``: read-only ones are shown as if they could be written."""
    return {
        block: [
            each.as_json("ReadWrite" if writable and each.mutability == "ReadOnly" else None)
            for each in found.values()
        ]
        for block, found in parameters.items()
    }


def mapping_of(entry: ModuleConfig) -> Json | None:
    """Where a module stands; None where it belongs to the station."""
    if entry.mapping is None and not entry.implementation_mappings:
        return None
    found: Json = {}
    if entry.implementation_mappings:
        found["implementations"] = {
            name: _place(place) for name, place in entry.implementation_mappings.items()
        }
    if entry.mapping is not None:
        found["module"] = _place(entry.mapping)
    return found


def _place(place: Place) -> Json:
    return {"evse": place.evse} | ({} if place.connector is None else {"connector": place.connector})


def _parameters(options: ModuleOptions) -> dict[str, Parameter]:
    found = {}
    for name in sorted(type(options).model_fields):
        value = getattr(options, name)
        if value is None:
            continue
        extra = type(options).model_fields[name].json_schema_extra
        mutability = extra.get("mutability", "ReadOnly") if isinstance(extra, dict) else "ReadOnly"
        annotation = type(options).model_fields[name].annotation
        found[name] = _parameter(name, annotation, str(mutability), value)
    return found


def _parameter(name: str, annotation: Any, mutability: str, value: Any) -> Parameter:
    match value:
        case bool():
            return Parameter(name, "bool", mutability, value)
        case int() | float() if annotation is float or isinstance(value, float):
            return Parameter(name, "number", mutability, float(value))
        case int():
            return Parameter(name, "integer", mutability, value)
        case _:
            return Parameter(name, "string", mutability, str(value))


def _hints(command: Any) -> dict[str, Any]:
    return typing.get_type_hints(command.declaration, include_extras=True)


def _first_line(cls: type[Module]) -> str:
    return (cls.__doc__ or cls.__name__).strip().splitlines()[0]
