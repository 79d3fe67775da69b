"""Types as JSON Schema, as they are on the wire: an optional field is absent, never null."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from evse_daemon.framework.interface import Command, Interface
from evse_daemon.types.base import MAX_LONG_STRING_LENGTH, MAX_STRING_LENGTH

Schema = dict[str, Any]

_OURS = {MAX_STRING_LENGTH, MAX_LONG_STRING_LENGTH}
"""Bounds that hold for every text; to repeat them with each would hide those that matter."""

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_DATE_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]"
_MODULES = "evse_daemon__types__"


class WithBounds(GenerateJsonSchema):
    """Bounds of base.Integer too: pydantic holds them as functions, which it leaves out."""

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> Schema:
        found: Schema = super().function_after_schema(schema)
        function = schema["function"]["function"]
        if isinstance(function, partial):
            found |= {_BOUNDS[key]: value for key, value in function.keywords.items() if key in _BOUNDS}
        return found


class Schemas:
    """The schemas of some adapters, by key; types that have a name are in ``definitions``.

    Args:
        adapters: by whatever they are looked up by.
        reference: how a named type is referred to, with ``{name}``.
    """

    def __init__(self, adapters: Sequence[tuple[Hashable, TypeAdapter[Any]]], reference: str) -> None:
        self._reference = reference
        made, found = TypeAdapter.json_schemas(
            [(key, "validation", adapter) for key, adapter in adapters],
            ref_template="{model}",
            schema_generator=WithBounds,
        )
        self.definitions: dict[str, Schema] = {
            _name(name): self._clean(schema) for name, schema in found.get("$defs", {}).items()
        }
        self._schemas = {key: self._clean(schema) for (key, _), schema in made.items()}

    def of(self, key: Hashable) -> Schema:
        found: Schema = self._schemas[key]
        return found

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, where one refers to a named type."""
        while "$ref" in schema:
            schema = self.definitions[self.name_of(schema)]
        return schema

    def name_of(self, schema: Schema) -> str:
        """The name of the type that a schema refers to; empty where it has none."""
        before = self._reference.partition("{name}")[0]
        return str(schema.get("$ref", "")).removeprefix(before)

    def _clean(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self._clean(item) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        found: Schema = {}
        for key, value in schema.items():
            if key == "properties":
                found[key] = {name: self._clean(_without_null(part)) for name, part in value.items()}
            elif key == "$ref":
                found[key] = self._reference.format(name=_name(value))
            elif key == "pattern" and str(value).startswith(_DATE_TIME):
                found["format"] = "date-time"
            elif key == "description":
                found[key] = " ".join(str(value).split())
            elif not (
                key in {"title", "default"}
                or (key == "maxLength" and (value in _OURS or "pattern" in schema))
            ):
                found[key] = self._clean(value)
        return found


def _name(model: str) -> str:
    """``units.Current`` for a name that several namespaces have, which pydantic spells with its module."""
    return model.removeprefix(_MODULES).replace("__", ".")


def _without_null(schema: Any) -> Any:
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) != 1 or len(schema["anyOf"]) == 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return rest | branches[0]


def adapters_of(interfaces: Sequence[type[Interface]]) -> list[tuple[Hashable, TypeAdapter[Any]]]:
    """All types of some interfaces: keyed by the Var, by (Command, argument), and by (Command, None) for its result."""
    found: list[tuple[Hashable, TypeAdapter[Any]]] = []
    for interface in interfaces:
        found += [(variable, variable.adapter) for variable in interface.vars.values()]
        for command in interface.commands.values():
            found += arguments_of(command)
            found.append(((command, None), command.result))
    return found


def arguments_of(command: Command[..., Any]) -> list[tuple[Hashable, TypeAdapter[Any]]]:
    return [((command, name), adapter) for name, adapter in command.arguments.items()]
