"""Holds a block of the file against its model, and says in the words of the file what does not fit."""

from __future__ import annotations

import difflib
import math
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from evse_daemon.config.document import Item
from evse_daemon.config.problems import Report, shortened, suggestion
from evse_daemon.framework.module import ModuleOptions
from evse_daemon.framework.redact import TOKEN_NAMES

M = TypeVar("M", bound=BaseModel)

_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "list_type": "a list",
    "path_type": "a file name",
    "finite_number": "a finite number",
}
"""What is wanted, by pydantic's error types."""


def validated(
    model: type[M],
    given: Item,
    path: str,
    owner: str,
    report: Report,
    *,
    what: str = "option",
    elsewhere: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> M | None:
    """The model made of a mapping of the file; None where something is wrong, which the report then says.

    Args:
        model: what is expected.
        given: what the file says.
        path: where that is in the document.
        owner: whose entries these are, as a message names it: a module class, ``settings``.
        report: takes the problems, and a warning for each option without effect that is not at its default, and
            what the options advise themselves.
        what: what an entry is called in messages.
        elsewhere: hints for names that have their place in another block.
        folder: relative file names are meant from here.
    """
    if not isinstance(given.value, dict):
        report.problem(
            given.line, path, f"{owner} must be a mapping of names to values, not {given.describe()}"
        )
        return None
    model.model_rebuild()
    values = {
        name: _exact(model.model_fields.get(name), item.plain()) for name, item in given.mapping.items()
    }
    try:
        result = model.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            problem = _explained(detail, model, given, (what, owner), elsewhere or {})
            report.problem(
                problem.line,
                f"{path}.{_dotted(detail['loc'])}".rstrip("."),
                problem.message,
                problem.hint,
            )
        return None
    _warn_of_unsupported(result, given, path, (what, owner), report)
    if isinstance(result, ModuleOptions):
        for name, message, hint in result.advice():
            report.warning(given.mapping.get(name, given).line, f"{path}.{name}", message, hint)
    return result


def _warn_of_unsupported(
    result: BaseModel, given: Item, path: str, called: tuple[str, str], report: Report
) -> None:
    for name, field in type(result).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("unsupported") and getattr(result, name) != field.default:
            report.warning(
                given.mapping[name].line,
                f"{path}.{name}",
                f"{_named(name, called)} has no effect yet (given: {shortened(repr(getattr(result, name)))})",
                f"its default is {field.default!r}",
            )


def _exact(field: FieldInfo | None, value: Any) -> Any:
    """A number without fraction is an integer where one is wanted (JSON Schema draft 7)."""
    if field is None or not isinstance(value, float) or not value.is_integer():
        return value
    types = {field.annotation, *typing.get_args(field.annotation)}
    return int(value) if int in types and float not in types else value


class _Explained(NamedTuple):
    line: int
    message: str
    hint: str = ""


def _explained(
    detail: ErrorDetails,
    model: type[BaseModel],
    given: Item,
    called: tuple[str, str],
    elsewhere: Mapping[str, str],
) -> _Explained:
    """An error of pydantic in the words of the file."""
    where = detail["loc"]
    kind = detail["type"]
    if not where:
        # It is of no option alone, but of several together.
        reason = detail["msg"].removeprefix("Value error, ")
        return _Explained(given.line, f"{called[0]}s of {called[1]}: {reason}")
    last = str(where[-1])
    if kind == "missing":
        return _Explained(given.line, f"{_named(_dotted(where), called)} is missing; it has no default")
    if kind == "extra_forbidden":
        hint = elsewhere.get(last) or suggestion(last, _names(model, where[:-1]), "known are")
        return _Explained((given.at(where) or given).line, f"unknown {_named(_dotted(where), called)}", hint)
    while (place := given.at(where)) is None:
        # Beneath a choice of types pydantic names the type too.
        where = where[:-1]
    by_default = not where
    where = where or detail["loc"]
    last = str(where[-1])
    name = _named(_dotted(where), called)
    if kind not in _WANTED and not detail["msg"].startswith("Input should be"):
        reason = detail["msg"].removeprefix("Value error, ")
        what = f"its default is {detail['input']!r}" if by_default else f"given: {_described(last, place)}"
        return _Explained(place.line, f"{name}: {reason} ({what})")
    wanted = _WANTED.get(kind) or detail["msg"].removeprefix("Input should be ")
    hint = _quoting(last, place, kind)
    if not hint and kind == "literal_error":
        hint = _nearest(place.value, detail)
    return _Explained(place.line, f"{name} must be {wanted}, not {_described(last, place)}", hint)


def _dotted(where: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in where)


def _named(name: str, called: tuple[str, str]) -> str:
    what, owner = called
    return f"{what} {name!r} of {owner}"


def _nearest(value: Any, detail: ErrorDetails) -> str:
    expected = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    lower = {each.lower(): each for each in expected}
    found = difflib.get_close_matches(str(value).lower(), lower, n=1)
    return f"did you mean {lower[found[0]]!r}?" if found else ""


def _quoting(name: str, item: Item, kind: str) -> str:
    """What YAML made of a scalar, where that is not what its writer meant."""
    value = item.value
    if isinstance(value, dict | list):
        return ""
    if kind in ("string_type", "literal_error", "path_type") and not isinstance(value, str):
        if value is None:
            return f'for an empty text write {name}: ""'
        text = "…" if name in TOKEN_NAMES else item.text
        return f'YAML reads {text} as {_kind(value)}; put it in quotes: {name}: "{text}"'
    if kind not in ("string_type", "literal_error", "path_type") and isinstance(value, str):
        if item.text is None:
            return "remove the quotes" if _would_fit(value, kind) else ""
        if kind != "bool_type" and _number(value) is not None and name not in TOKEN_NAMES:
            return f"YAML reads {value} as a text; write {_number(value):g}"
    return ""


def _described(name: str, item: Item) -> str:
    """A value as a message names it: the number of a card is in no message, which a log or somebody else may get."""
    if name not in TOKEN_NAMES or item.value is None or isinstance(item.value, dict | list):
        return item.describe()
    return "a text" if isinstance(item.value, str) else _kind(item.value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "a number" if isinstance(value, int | float) else "a date"


def _would_fit(text: str, kind: str) -> bool:
    if kind == "bool_type":
        return text in ("true", "false")
    return _number(text) is not None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _names(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The fields of the block that stands at a path inside a model."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # a key of a mapping of blocks
        annotation = field.annotation
        inner = [annotation, *typing.get_args(annotation)]
        model = next(each for each in inner if isinstance(each, type) and issubclass(each, BaseModel))
    return list(model.model_fields)
