"""Our declarations against EVerest's own files, where they are at hand (``../shared/everest``).

Each type, variable, argument and result is given values made from EVerest's schema: valid ones, which must come
out as they went in, and valid ones with one thing wrong, which must be refused.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from pydantic import BaseModel, TypeAdapter, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT7

from evse_daemon.framework.interface import STRICT, Interface
from evse_daemon.types.error_lists import ERRORS, error_types
from tests.interfaces.declared import INTERFACES

EVEREST = Path(__file__).parents[2].parent / "shared" / "everest"
if not EVEREST.is_dir():
    pytest.skip(f"EVerest's interface files are not at {EVEREST}", allow_module_level=True)

Schema = dict[str, Any]


@functools.cache
def load(kind: str, name: str) -> Schema:
    found: Schema = yaml.safe_load((EVEREST / kind / f"{name}.yaml").read_text(encoding="utf-8")) or {}
    return found


def names(kind: str) -> list[str]:
    return sorted(path.stem for path in (EVEREST / kind).glob("*.yaml"))


# --- EVerest's schemas -------------------------------------------------------------------------------------------

BASE = "https://everest.invalid/"
REGISTRY: Registry[Any] = Registry().with_resources(
    (BASE + name, DRAFT7.create_resource(load("types", name)["types"])) for name in names("types")
)
FORMATS = FormatChecker(formats=())


def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value)
    )


FORMATS.checks("date-time")(is_date_time)


def validator(schema: Schema) -> Draft7Validator:
    return Draft7Validator({"$id": BASE, "allOf": [schema]}, registry=REGISTRY, format_checker=FORMATS)


def resolve(schema: Schema) -> Schema:
    """Follows references; what stands beside one has no meaning in draft 7."""
    while "$ref" in schema:
        namespace, _, name = schema["$ref"].removeprefix("/").partition("#/")
        schema = load("types", namespace)["types"][name]
    return schema


# --- values made from a schema -----------------------------------------------------------------------------------

PATTERNS = {
    "^[A-Fa-f0-9]{2}(:[A-Fa-f0-9]{2}){5}$": "00:11:22:aa:BB:cc",
    "^[A-Za-z0-9_.]*$": "",
    "^[A-Za-z0-9_.]+$": "a_B.9",
}
TOO_DEEP = 5


def sample(schema: Schema, *, full: bool, depth: int = 0) -> Any:
    """A valid value; ``full`` is one with all optional parts, as far as a type does not contain itself."""
    schema = resolve(schema)
    if isinstance(schema["type"], list):
        return {"any": [1, "json", None]}
    match schema["type"]:
        case "object":
            wanted = schema.get("properties", {}) if full and depth < TOO_DEEP else schema.get("required", [])
            return {name: sample(schema["properties"][name], full=full, depth=depth + 1) for name in wanted}
        case "array":
            count = max(schema.get("minItems", 0), int(full and depth < TOO_DEEP))
            return [sample(schema["items"], full=full, depth=depth + 1) for _ in range(count)]
        case "string":
            return next(good_strings(schema))
        case "integer":
            return schema.get("minimum", 7)
        case "number":
            return schema.get("minimum", 0.25)
        case "boolean":
            return True
    raise AssertionError(schema)


def good_strings(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield from schema["enum"]
    elif schema.get("format") == "date-time":
        yield "2026-07-28T09:30:00.123Z"
        yield "2026-07-28T09:30:00+02:00"
    elif "pattern" in schema:
        yield PATTERNS[schema["pattern"]]
    else:
        low, high = schema.get("minLength", 0), schema.get("maxLength", 1000)
        yield "é" * low
        yield "x" * high


def good(schema: Schema) -> Iterator[Any]:
    """Valid values at the bounds of the schema itself, and of what stands one level below it."""
    schema = resolve(schema)
    yield sample(schema, full=False)
    yield sample(schema, full=True)
    match schema["type"]:
        case "object":
            least = sample(schema, full=False)
            for name, part in schema.get("properties", {}).items():
                for value in good_parts(part):
                    yield least | {name: value}
            if schema.get("additionalProperties", True) is not False:
                yield least | {"property_of_a_later_version": {"x": None}}
        case "array":
            item = sample(schema["items"], full=False)
            yield [item] * schema.get("maxItems", 3)
            for value in good_parts(schema["items"]):
                yield [value] * max(1, schema.get("minItems", 0))
        case _:
            yield from good_parts(schema)


def good_parts(schema: Schema) -> Iterator[Any]:
    schema = resolve(schema)
    match schema["type"]:
        case "string":
            yield from good_strings(schema)
        case "integer":
            yield from (schema[key] for key in ("minimum", "maximum") if key in schema)
            yield float(schema.get("minimum", 7))
        case "number":
            yield from (schema[key] for key in ("minimum", "maximum") if key in schema)
            yield schema.get("minimum", -3)
        case "boolean":
            yield from (True, False)
        case "array":
            yield [sample(schema["items"], full=False)] * schema.get("maxItems", 2)


def bad(schema: Schema, depth: int = 0) -> Iterator[Any]:
    """Values with one thing wrong, here or in the parts down to one level below."""
    schema = resolve(schema)
    if isinstance(schema["type"], list):
        return
    yield None
    match schema["type"]:
        case "object":
            least = sample(schema, full=False)
            yield [least]
            yield "object"
            for name in schema.get("required", []):
                yield {key: value for key, value in least.items() if key != name}
            if schema.get("additionalProperties", True) is False:
                yield least | {"no_such_property": 1}
            if depth < 1:
                for name, part in schema.get("properties", {}).items():
                    for value in bad(part, depth + 1):
                        yield least | {name: value}
        case "array":
            item = sample(schema["items"], full=False)
            yield item
            if schema.get("minItems"):
                yield [item] * (schema["minItems"] - 1)
            if "maxItems" in schema:
                yield [item] * (schema["maxItems"] + 1)
            for value in bad(schema["items"], depth + 1):
                yield [value] * max(1, schema.get("minItems", 0))
        case "string":
            yield from (1, True, ["a"], {})
            if "enum" in schema:
                yield from ("", "NoSuchWord", schema["enum"][0] + " ", schema["enum"][0].swapcase())
            if schema.get("format") == "date-time":
                yield from (
                    "",
                    "now",
                    "2026-07-28",
                    "2026-07-28T09:30:00",
                    "2026-07-28 09:30:00Z",
                    1753695000,
                )
            if "pattern" in schema:
                yield "no such pattern"
            if schema.get("minLength"):
                yield "x" * (schema["minLength"] - 1)
            if "maxLength" in schema:
                yield "x" * (schema["maxLength"] + 1)
        case "integer" | "number" as type_:
            yield from ("1", True, [1], {})
            smallest = 1 if type_ == "integer" else 0.001
            if "minimum" in schema:
                yield schema["minimum"] - smallest
            if "maximum" in schema:
                yield schema["maximum"] + smallest
            if type_ == "integer":
                yield 1.5
        case "boolean":
            yield from (0, 1, "true", [])


def compare(adapter: TypeAdapter[Any], schema: Schema) -> None:
    """Ours accepts what EVerest's does, refuses what EVerest's does, and writes what it read."""
    theirs = validator(schema)
    for value in good(schema):
        assert theirs.is_valid(value), f"the test is wrong: {value}"
        found = adapter.dump_python(adapter.validate_json(json.dumps(value)), mode="json", exclude_none=True)
        assert found == without_later(value)
        assert theirs.is_valid(found), found
    for value in bad(schema):
        assert not theirs.is_valid(value), f"the test is wrong: {value}"
        refused(adapter, value)
    if not isinstance(schema.get("type"), list):
        refused(adapter, float("nan"))


def without_later(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key != "property_of_a_later_version"}
    return value


def refused(adapter: TypeAdapter[Any], value: Any) -> None:
    try:
        found = adapter.validate_json(json.dumps(value))
    except ValidationError:
        return
    pytest.fail(f"accepted {value!r} as {found!r}")


# --- types -------------------------------------------------------------------------------------------------------


def types() -> Iterator[tuple[str, str]]:
    for namespace in names("types"):
        try:
            module = importlib.import_module(f"evse_daemon.types.{namespace}")
        except ModuleNotFoundError:
            continue
        for name in load("types", namespace)["types"]:
            if hasattr(module, name):
                yield namespace, name


@pytest.mark.parametrize(("namespace", "name"), list(types()))
def test_type(namespace: str, name: str) -> None:
    ours = getattr(importlib.import_module(f"evse_daemon.types.{namespace}"), name)
    schema = load("types", namespace)["types"][name]
    if isinstance(ours, type) and issubclass(ours, BaseModel):
        assert {key for key, field in ours.model_fields.items() if field.is_required()} == set(
            schema.get("required", [])
        )
        assert set(ours.model_fields) == set(schema.get("properties", {}))
        assert (ours.model_config["extra"] == "forbid") == (schema.get("additionalProperties") is False)
        compare(TypeAdapter(ours), schema)
    else:
        compare(TypeAdapter(ours, config=STRICT), schema)


def test_whole_namespaces() -> None:
    """All types of a namespace are there, but for ISO 15118."""
    found = set(types())
    ours = {namespace for namespace, _ in found}
    assert len(ours) == 27
    for namespace in ours - {"iso15118"}:
        assert {name for other, name in found if other == namespace} == set(load("types", namespace)["types"])


# --- interfaces --------------------------------------------------------------------------------------------------

EACH = pytest.mark.parametrize("interface", INTERFACES.values(), ids=INTERFACES)


def test_all_interfaces_exist_in_everest() -> None:
    assert set(INTERFACES) <= set(names("interfaces"))


@EACH
def test_interface_has_the_same_parts(interface: type[Interface]) -> None:
    theirs = load("interfaces", interface.interface_name)
    assert set(interface.vars) == set(theirs.get("vars") or {})
    assert {name: set(command.arguments) for name, command in interface.commands.items()} == {
        name: set(command.get("arguments") or {}) for name, command in (theirs.get("cmds") or {}).items()
    }


def compare_part(annotation: Any, adapter: TypeAdapter[Any], schema: Schema) -> None:
    """A type of a namespace must be that type, which test_type compares; others are compared here."""
    if "$ref" in schema:
        namespace, _, name = schema["$ref"].removeprefix("/").partition("#/")
        assert annotation == getattr(importlib.import_module(f"evse_daemon.types.{namespace}"), name)
    else:
        compare(adapter, schema)


@EACH
def test_interface_has_the_same_types(interface: type[Interface]) -> None:
    theirs = load("interfaces", interface.interface_name)
    for name, variable in interface.vars.items():
        compare_part(variable.annotation, variable.adapter, theirs["vars"][name])
    for name, command in interface.commands.items():
        declared = theirs["cmds"][name]
        for argument, adapter in command.arguments.items():
            compare_part(command._hints[argument], adapter, declared["arguments"][argument])
        if "result" in declared:
            compare_part(command._hints["return"], command.result, declared["result"])
        else:
            assert command.result.validate_python(None) is None


@EACH
def test_interface_has_the_same_errors(interface: type[Interface]) -> None:
    theirs = set()
    for entry in load("interfaces", interface.interface_name).get("errors") or []:
        namespace, _, only = entry["reference"].removeprefix("/errors/").partition("#/")
        theirs |= {
            f"{namespace}/{error['name']}"
            for error in load("errors", namespace)["errors"]
            if only in {"", error["name"]}
        }
    assert error_types(interface.error_namespaces) == theirs


def test_error_lists() -> None:
    assert {namespace: set(errors) for namespace, errors in ERRORS.items()} == {
        namespace: {error["name"] for error in load("errors", namespace)["errors"]}
        for namespace in names("errors")
    }


def test_a_difference_would_be_seen() -> None:
    """The comparison itself: a model that differs in one bound, key or word fails it."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": "string", "enum": ["x"]}},
    }
    from typing import Annotated, Literal

    from pydantic import Field

    from evse_daemon.types.base import EverestType, OpenType

    class Same(EverestType):
        a: Annotated[float, Field(ge=1, multiple_of=1)]
        b: Literal["x"] | None = None

    class Looser(EverestType):
        a: Annotated[float, Field(ge=0, multiple_of=1)]
        b: Literal["x"] | None = None

    class Stricter(EverestType):
        a: Annotated[float, Field(ge=2, multiple_of=1)]
        b: Literal["x"] | None = None

    class Open(OpenType):
        a: Annotated[float, Field(ge=1, multiple_of=1)]
        b: Literal["x"] | None = None

    class AnyWord(EverestType):
        a: Annotated[float, Field(ge=1, multiple_of=1)]
        b: str | None = None

    compare(TypeAdapter(Same), schema)
    for other in (Looser, Stricter, Open, AnyWord):
        with pytest.raises((ValidationError, AssertionError, pytest.fail.Exception)):
            compare(TypeAdapter(other), schema)
