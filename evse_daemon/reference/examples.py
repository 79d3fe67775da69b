"""Short valid values, made from the types: what is required, and of a type without that its first field."""

from __future__ import annotations

import re
from typing import Any

from evse_daemon.framework.interface import Command, Var
from evse_daemon.reference.schemas import Schema, Schemas

TIME = "2026-03-04T10:15:30.123Z"
UUID = "550e8400-e29b-41d4-a716-446655440000"

_TEXTS = {
    "uuid": UUID,
    "session_id": UUID,
    "transaction_id": UUID,
    "id": UUID,
    "value": "DEADBEEF",
    "key": "fuse_limit",
    "currency": "EUR",
    "language": "en",
    "evse_id": "DE*PNX*E1234567*1",
    "meter_id": "METER_1",
    "token": "DEADBEEF",
    "selected_protocol": "IEC61851-1",
    "source": "grid_connection_point",
}
_NUMBERS = (
    ("minus_12V", -12.0),
    ("12V", 12.0),
    ("rpm", 900.0),
    ("soc", 45.0),
    ("_mA", 0.5),
    ("energy", 1234.5),
    ("_Wh", 1234.5),
    ("power", 11040.0),
    ("_W", 11040.0),
    ("voltage", 230.0),
    ("_V", 230.0),
    ("frequency", 50.0),
    ("_Hz", 50.0),
    ("current", 16.0),
    ("_A", 16.0),
    ("temperature", 21.5),
    ("_C", 21.5),
)
"""By what is in the name of the field, or of the one around it."""

_WORDS = ("LocalAPI", "Enable", "ChargingStarted", "RFID", "ISO14443", "Local")
"""Taken rather than the first of the alternatives."""

_PATTERNS = {
    "^[A-Za-z0-9_.]*$": "fuse_limit",
    "^[A-Za-z0-9_.]+$": "fuse_limit",
    "^[A-Fa-f0-9]{2}(:[A-Fa-f0-9]{2}){5}$": "00:11:22:AA:BB:CC",
}


class Examples:
    """Values for the types of some schemas."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def of_var(self, variable: Var[Any]) -> Any:
        """A value that the variable's declaration takes."""
        value = self.of(self._schemas.of(variable), variable.name)
        variable.adapter.validate_python(value, strict=False)
        return value

    def of_arguments(self, command: Command[..., Any]) -> dict[str, Any]:
        """Arguments that the command's declaration takes."""
        found = {name: self.of(self._schemas.of((command, name)), name) for name in command.arguments}
        for name, value in found.items():
            command.arguments[name].validate_python(value, strict=False)
        return found

    def of_result(self, command: Command[..., Any]) -> Any:
        return self.of(self._schemas.of((command, None)), command.name)

    def of(self, schema: Schema, name: str, around: str = "", types: tuple[str, ...] = ()) -> Any:
        """A value of a schema.

        Args:
            schema: of the type.
            name: of the field; texts and numbers are chosen by it.
            around: the names of the fields that it stands in.
            types: the named types that it stands in.

        Raises:
            ValueError: a text is bound to a pattern for which no example is known.
        """
        if type_name := self._schemas.name_of(schema):
            types = (*types, type_name)
        schema = self._schemas.resolve(schema)
        if "enum" in schema:
            return next((word for word in _WORDS if word in schema["enum"]), schema["enum"][0])
        if "const" in schema:
            return schema["const"]
        if "anyOf" in schema:
            return self.of(schema["anyOf"][0], name, around, types)
        match schema.get("type"):
            case "object":
                parts = schema.get("properties", {})
                wanted = schema.get("required", ()) or list(parts)[:1]
                around = f"{around}{name}."
                return {key: self.of(parts[key], key, around, types) for key in parts if key in wanted}
            case "array":
                own = self._schemas.name_of(schema["items"]) in types
                count = schema.get("minItems", 0 if own else 1)
                return [self.of(schema["items"], name, around, types) for _ in range(count)]
            case "string":
                return _text(schema, name)
            case "integer":
                return int(_bounded(schema, 1))
            case "number":
                return _bounded(schema, _number(around + name))
            case "boolean":
                return True
            case _:
                return None if schema.get("type") == "null" else 32


def _text(schema: Schema, name: str) -> str:
    if schema.get("format") == "date-time":
        return TIME
    text = _TEXTS.get(name, "text")
    if "pattern" in schema:
        text = _PATTERNS.get(schema["pattern"], text)
        if not re.search(schema["pattern"], text):
            raise ValueError(f"no example is known for the pattern of {name}: {schema['pattern']}")
    text = text[: schema.get("maxLength", len(text))]
    least: int = schema.get("minLength", 0)
    return text.ljust(least, "x")


def _number(path: str) -> float:
    return next((value for part, value in _NUMBERS if part in path), 1.0)


def _bounded(schema: Schema, value: float) -> float:
    """The value, or the bound that it breaks."""
    low: float = schema.get("minimum", value)
    low = max(low, schema["exclusiveMinimum"] + 1) if "exclusiveMinimum" in schema else low
    high: float = schema.get("maximum", value)
    return max(low, min(high, value))
