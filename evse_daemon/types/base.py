"""The base model of everything that enters or leaves the process, and the scalar types that it is made of."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_STRING_LENGTH = 10_000
"""Longest string that is accepted from outside; EVerest's types set no bound."""

MAX_LONG_STRING_LENGTH = 200_000
"""Longest LongString, and longest string inside a JsonValue."""


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "null is not allowed: leave it out where it is absent")
    return value


def _fields(schema: Any) -> Mapping[str, Any]:
    """The schemas of a model's fields, beneath whatever pydantic wrapped around them."""
    while schema is not None and schema["type"] != "model-fields":
        schema = schema.get("schema")
    return schema["fields"] if schema else {}


class EverestType(BaseModel):
    """A type of EVerest whose schema says ``additionalProperties: false``.

    Strict (no coercion but integer to float), immutable, without NaN or infinity. An optional field that is
    ``None`` is absent on the wire: EVerest refuses ``null`` there, and so do we in JSON. In Python ``None``
    may be given.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,
        str_max_length=MAX_STRING_LENGTH,
        hide_input_in_errors=True,  # the text of an exception goes to logs, and tokens are among what is sent
    )

    # Through the schema it is cheaper than by a validator of the model, and the error names the field.
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        schema = handler(source)
        for field in _fields(handler.resolve_ref_schema(schema)).values():
            given = field["schema"]
            if given["type"] == "default" and given["schema"]["type"] == "nullable":
                nullable = given["schema"]
                given["schema"] = core_schema.json_or_python_schema(
                    core_schema.no_info_after_validator_function(_refuse_null, nullable), nullable
                )
        return schema


class OpenType(EverestType):
    """A type of EVerest whose schema allows further properties; they are ignored."""

    model_config = ConfigDict(extra="ignore")


def _exact_integer(value: Any) -> Any:
    """JSON Schema counts 3.0 as an integer, and some clients write it so."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _of_64_bits(value: int) -> int:
    # Not by Field(ge=…): in `x: Integer = Field(ge=1)` pydantic would let this wider bound replace the narrower.
    if not -(2**63) <= value < 2**63:
        raise ValueError("an integer has 64 bits at most")
    return value


def _rfc3339(value: str) -> str:
    value = value.upper()
    dt.datetime.fromisoformat(value)
    return value


def _bounded(value: Any) -> Any:
    """Applies to arbitrary JSON what holds for the fields of models."""
    match value:
        case dict():
            for key, item in value.items():
                _bounded(key)
                _bounded(item)
        case list():
            for item in value:
                _bounded(item)
        case str() if len(value) > MAX_LONG_STRING_LENGTH:
            raise ValueError(f"a string is longer than {MAX_LONG_STRING_LENGTH} characters")
        case float() if not math.isfinite(value):
            raise ValueError("NaN and infinity are no JSON numbers")
    return value


LongString = Annotated[str, StringConstraints(max_length=MAX_LONG_STRING_LENGTH)]
"""A string that may be longer than others: certificates in PEM, messages of OCPP."""

JsonValue = Annotated[pydantic.JsonValue, AfterValidator(_bounded)]
"""Any JSON."""

Integer = Annotated[int, BeforeValidator(_exact_integer), AfterValidator(_of_64_bits)]
"""An integer of 64 bits; a number without fraction is one (JSON Schema draft 7)."""

Timestamp = Annotated[
    str,
    StringConstraints(
        max_length=64,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    ),
    AfterValidator(_rfc3339),
]
"""A point in time in RFC 3339 with a zone, as EVerest's ``format: date-time``."""
