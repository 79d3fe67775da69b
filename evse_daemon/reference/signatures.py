"""Types and commands as a person reads them."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.framework.interface import Command
from evse_daemon.reference.examples import Examples
from evse_daemon.reference.schemas import Schema, Schemas, arguments_of

_MAX_WORDS = 12
"""Alternatives that are all named."""


def type_text(schemas: Schemas, schema: Schema) -> str:
    """A type on one line: the name of a type that has one, else what it is and its bounds."""
    if name := schemas.name_of(schema):
        return name
    return shape(schemas, schema, names=True)


def shape(schemas: Schemas, schema: Schema, *, names: bool = False, depth: int = 0) -> str:
    """What a type is made of, down to the third level, or, with ``names``, to the first type that has a name."""
    name = schemas.name_of(schema)
    if name and (names or depth > 2):
        return name
    schema = schemas.resolve(schema)
    if "enum" in schema:
        return _alternatives(schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(shape(schemas, part, names=names, depth=depth + 1) for part in schema["anyOf"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            required = schema.get("required", ())
            parts = [
                f"{key}{'' if key in required else '?'}: {shape(schemas, part, names=names, depth=depth + 1)}"
                for key, part in schema["properties"].items()
            ]
            return "{" + ", ".join(parts) + "}"
        case "array":
            return f"list of {shape(schemas, schema['items'], names=names, depth=depth + 1)}{_items(schema)}"
        case "string" if schema.get("format") == "date-time":
            return "time (RFC 3339)"
        case "string":
            return f"text{_length(schema)}"
        case "integer" | "number" as kind:
            return f"{kind}{_range(schema)}"
        case str() as kind:
            return kind
        case _:
            return "any JSON"


def expected(command: Command[..., Any]) -> str:
    """What a command takes, for whoever called it with something else."""
    schemas = Schemas([*arguments_of(command), ((command, None), command.result)], "{name}")
    name = f"{command.interface.interface_name}.{command.name}"
    if not command.arguments:
        return f"expected: {name} takes no arguments"
    lines = [f"expected: {name} takes"]
    lines += [f"  {key}: {shape(schemas, schemas.of((command, key)))}" for key in command.arguments]
    example = json.dumps(Examples(schemas).of_arguments(command), separators=(",", ":"))
    return "\n".join([*lines, f"  such as '{example}'"])


def _alternatives(words: list[Any]) -> str:
    shown = " | ".join(json.dumps(word) for word in words[:_MAX_WORDS])
    return shown if len(words) <= _MAX_WORDS else f"{shown} | {len(words) - _MAX_WORDS} more"


def _range(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "more than " if "exclusiveMinimum" in schema else "from "
    words = [f"{above}{low:g}"] if low is not None else []
    words += [f"to {high:g}"] if high is not None else []
    return f" ({' '.join(words)})" if words else ""


def _length(schema: Schema) -> str:
    if "pattern" in schema:
        return f" ({schema['pattern']})"
    low, high = schema.get("minLength"), schema.get("maxLength")
    words = [f"from {low}"] if low else []
    words += [f"to {high}"] if high is not None else []
    return f" ({' '.join(words)} characters)" if words else ""


def _items(schema: Schema) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    words = [f"at least {low}"] if low else []
    words += [f"at most {high}"] if high is not None else []
    return f" ({', '.join(words)})" if words else ""
