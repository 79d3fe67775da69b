"""The run configuration as JSON Schema, for editors: what may stand where, of which type, and what it means.

What check-config knows beyond that (which modules there are, what is connected to what) no schema can say. It is draft 7,
which the language servers for YAML read.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from evse_daemon.config.entries import MODULE_ID, Entry
from evse_daemon.config.model import DaemonSettings, Settings
from evse_daemon.framework.module import Module, ModuleOptions
from evse_daemon.reference.declared import attribute_texts, class_text, classes, first_sentence
from evse_daemon.reference.manifests import WITHOUT_EFFECT
from evse_daemon.reference.schemas import Schema, WithBounds
from evse_daemon.types.base import MAX_STRING_LENGTH

REFERENCE = "#/definitions/{model}"


def schema() -> Schema:
    """The schema of a run configuration with the module classes that there are."""
    definitions: dict[str, Schema] = {}
    settings, daemon = _model(Settings, definitions), _model(DaemonSettings, definitions)
    definitions["entry"] = _entry(definitions)
    for name, cls in classes().items():
        definitions[f"class.{name}"] = _class(cls, definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Run configuration of evse-daemon, in EVerest's format",
        "description": "evse-daemon check-config also knows which modules there are and what fits together.",
        "type": "object",
        "required": ["active_modules"],
        "additionalProperties": False,
        "properties": {
            "settings": _or_nothing(settings),
            "daemon": _or_nothing(daemon),
            "active_modules": {
                "description": "The modules of the station, by their ids.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{MODULE_ID.pattern}$"},
                "additionalProperties": {"$ref": "#/definitions/entry"},
            },
            "x-module-layout": {"description": "Of EVerest's editor."},
        },
        "definitions": definitions,
    }


def render() -> str:
    """The file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _entry(definitions: dict[str, Schema]) -> Schema:
    found = _model(Entry, definitions)
    properties = found["properties"]
    properties["config_implementation"]["additionalProperties"] = {"type": ["object", "null"]}
    names = sorted(classes())
    of_class = [
        {
            "if": {"required": ["module"], "properties": {"module": {"const": name}}},
            "then": {"$ref": REFERENCE.format(model=f"class.{name}")},
        }
        for name in names
    ]
    return found | {
        "description": "A module: an instance of a module class.",
        "properties": {
            # A key with nothing after it says what an absent one says.
            name: part if name == "module" else _or_nothing(part)
            for name, part in properties.items()
        },
        "not": {
            "required": ["config", "config_module"],
            "properties": {"config": {"type": "object"}, "config_module": {"type": "object"}},
        },
        "if": {"required": ["standalone"], "properties": {"standalone": {"const": True}}},
        # Its class may be of anybody.
        "else": {"properties": {"module": {"enum": names}}, "allOf": of_class},
    }


def _class(cls: type[Module], definitions: dict[str, Schema]) -> Schema:
    options = definitions[f"options.{cls.__name__}"] = _or_nothing(_model(cls.Options, definitions))
    provided = {name: _model(each.options, definitions) for name, each in cls.provides.items()}
    connections = {name: _connections(each.minimum, each.maximum) for name, each in cls.requires.items()}
    wanted = [name for name, each in cls.requires.items() if each.minimum]
    properties: dict[str, Schema] = {
        "module": {"description": class_text(cls)},
        "config_implementation": _block(
            {name: _optional(part) for name, part in provided.items()},
            [name for name, part in provided.items() if "required" in part],
        ),
        "connections": _block(connections, wanted),
    }
    for name in ("config_module", "config"):
        properties[name] = {"$ref": REFERENCE.format(model=f"options.{cls.__name__}")}
    found: Schema = {"description": class_text(cls), "properties": properties}
    required = [name for name in ("config_implementation", "connections") if "required" in properties[name]]
    if required:
        found["required"] = required
    if "required" in options:
        found["anyOf"] = [
            {"required": [name], "properties": {name: {"type": "object"}}}
            for name in ("config_module", "config")
        ]
    return found


def _block(properties: dict[str, Schema], required: list[str]) -> Schema:
    found: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | {"required": required} if required else _or_nothing(found)


def _optional(options: Schema) -> Schema:
    """Options, which may be left out where none is required."""
    return options if "required" in options else _or_nothing(options)


def _connections(minimum: int, maximum: int) -> Schema:
    one = {
        "anyOf": [
            {"type": "string", "description": "The id of a module with one fitting implementation."},
            {
                "type": "object",
                "required": ["module_id", "implementation_id"],
                "additionalProperties": False,
                "properties": {"module_id": {"type": "string"}, "implementation_id": {"type": "string"}},
            },
        ]
    }
    several = {"type": "array", "minItems": minimum, "maxItems": maximum, "items": one}
    return {"anyOf": [several, {"type": "string"}, *([] if minimum else [{"type": "null"}])]}


def _or_nothing(part: Schema) -> Schema:
    if isinstance(part.get("type"), str):
        return part | {"type": [part["type"], "null"]}
    return part if "anyOf" not in part and "$ref" not in part else {"anyOf": [part, {"type": "null"}]}


def _model(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """The schema of a block; those of the blocks inside it are added to the definitions."""
    model.model_rebuild()
    made = model.model_json_schema(ref_template=REFERENCE, schema_generator=WithBounds)
    inside = {each.__name__: each for each in _inside(model)}
    for name, part in made.pop("$defs", {}).items():
        definitions[name] = _clean(part)
        _describe(definitions[name], inside[name])
    found: Schema = _clean(made)
    _describe(found, model)
    return found


def _inside(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        waiting = [field.annotation]
        while waiting:
            each = waiting.pop()
            waiting += typing.get_args(each)
            if isinstance(each, type) and issubclass(each, BaseModel):
                yield each
                yield from _inside(each)


def _describe(part: Schema, model: type[BaseModel]) -> None:
    if issubclass(model, ModuleOptions):
        part.pop("description", None)  # it speaks to who reads the source; the class has its own
    texts = attribute_texts(model)
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        said = [first_sentence(texts.get(name, ""))]
        if isinstance(extra, dict) and extra.get("unsupported"):
            said.append(WITHOUT_EFFECT)
        text = " ".join(filter(None, said))
        if text:
            place = part["properties"][name]
            # Beside a reference draft 7 reads nothing.
            part["properties"][name] = {
                "description": text,
                **({"allOf": [place]} if "$ref" in place else place),
            }


def _clean(part: Any) -> Any:
    if isinstance(part, list):
        return [_clean(each) for each in part]
    if not isinstance(part, dict):
        return part
    found: Schema = {}
    for key, value in part.items():
        if key == "properties":
            found[key] = {name: _clean(each) for name, each in value.items()}
        elif key == "description":
            found[key] = first_sentence(str(value))
        elif not (
            key in {"title", "unsupported"}
            or (key == "format" and value == "path")
            or (key == "maxLength" and value == MAX_STRING_LENGTH)
            or (key == "default" and value in (None, {}, []))
        ):
            found[key] = _clean(value) if key != "default" else value
    return found
