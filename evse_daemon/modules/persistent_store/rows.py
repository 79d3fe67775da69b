"""How values are written into EVerest's file: a text, and the name of a C++ type (reference evse-manager.md §9.6). Pure."""

from __future__ import annotations

import json
import math
from typing import Any

SCHEMA = "CREATE TABLE IF NOT EXISTS KVS(KEY TEXT UNIQUE, VALUE TEXT, TYPE TEXT);"


def to_row(value: Any) -> tuple[str, str]:
    """Text and type of a value."""
    match value:
        case None:
            return "", "nullptr_t"
        case bool():
            return json.dumps(value), "bool"
        case int():
            return str(value), "int"
        case float():
            return repr(value), "double"
        case str():
            return value, "std::string"
        case list():
            return json.dumps(value, separators=(",", ":")), "Array"
        case _:
            return json.dumps(value, separators=(",", ":"), sort_keys=True), "Object"


def from_row(text: str, type_: str) -> Any:
    """The value of a row, whoever wrote it.

    Raises:
        ValueError: the text is none of that type.
    """
    match type_:
        case "nullptr_t":
            return None
        case "std::string":
            return text
        case "bool":
            return (
                {"true": True, "1": True, "false": False, "0": False}[text]
                if text in _WORDS
                else _no(text, type_)
            )
        case "int":
            return int(text)
        case "double":
            value = float(text)
            return value if math.isfinite(value) else _no(text, type_)
        case "Array" | "Object":
            found = json.loads(text)
            return found if isinstance(found, list if type_ == "Array" else dict) else _no(text, type_)
        case _:
            return _no(text, type_)


_WORDS = ("true", "1", "false", "0")


def _no(text: str, type_: str) -> Any:
    raise ValueError(f"{text[:40]!r} is no {type_}")
