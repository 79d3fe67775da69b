"""Values that a type accepts, drawn from the JSON schema that its declaration gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from evse_daemon.framework.interface import Command

MAX_LENGTH = 40
TIMES = (
    "2026-11-21T08:03:21.105Z",
    "1970-01-01T00:00:00Z",
    "2026-02-28T23:59:59.999999+14:00",
    "9999-12-31T23:59:59Z",
)


def arguments_of(command: Command[..., Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments that fit the declaration of a command."""
    return st.fixed_dictionaries(
        {name: _of(schema, schema.get("$defs", {})) for name, schema in _schemas(command).items()}
    )


def _schemas(command: Command[..., Any]) -> dict[str, dict[str, Any]]:
    return {name: adapter.json_schema() for name, adapter in command.arguments.items()}


def _of(schema: Mapping[str, Any], types: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _of(types[schema["$ref"].rsplit("/", 1)[1]], types)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return st.one_of([_of(each, types) for each in schema[several]])
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _object(schema, types)
        case "array":
            lengths = {
                "min_size": schema.get("minItems", 0),
                "max_size": min(schema.get("maxItems", 4), schema.get("minItems", 0) + 4),
            }
            return st.lists(_of(schema.get("items", {}), types), **lengths)
        case "string":
            return _string(schema)
        case "integer":
            low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
            near = [value for value in (-1, 0, 1, 2, low, high) if low <= value <= high]
            return st.sampled_from(near) | st.integers(low, high)
        case "number":
            low, high = schema.get("minimum", -1e308), schema.get("maximum", 1e308)
            near = [float(value) for value in (-1, 0, 6, 16, 1e-300, low, high) if low <= value <= high]
            return st.sampled_from(near) | st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=MAX_LENGTH)


def _object(schema: Mapping[str, Any], types: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    required = set(schema.get("required", ()))
    # An absent field is left out: null is refused.
    fields = {name: _of(_without_null(each), types) for name, each in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: fields[name] for name in fields if name in required},
        optional={name: fields[name] for name in fields if name not in required},
    )


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" not in schema:
        return schema
    return {**schema, "anyOf": [each for each in schema["anyOf"] if each.get("type") != "null"]}


def _string(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    pattern = schema.get("pattern")
    if pattern is not None and pattern.startswith("^[0-9]{4}-"):
        return st.sampled_from(TIMES)
    if pattern is not None:
        return st.from_regex(pattern, fullmatch=True)
    low = schema.get("minLength", 0)
    high = min(schema.get("maxLength", MAX_LENGTH), low + MAX_LENGTH)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=high)
