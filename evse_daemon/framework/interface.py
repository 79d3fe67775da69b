"""Declarations of interfaces: from one class come the typed client, the provider, validation and the topics.

    class Kvs(Interface, name="kvs"):
        size: Var[int] = var(Kind.STATE)

        @command(timeout_s=5)
        def exists(self, key: str) -> bool:
            \"\"\"Whether a value is stored under this key.\"\"\"

``Kvs.size`` and ``Kvs.exists`` are tokens: a provider publishes and handles by them, a client subscribes and calls
by them, and the type checker knows the types of values, arguments and results from them.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from evse_daemon.framework.redact import may_be_token
from evse_daemon.types.base import MAX_STRING_LENGTH

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

STRICT = ConfigDict(strict=True, allow_inf_nan=False, str_max_length=MAX_STRING_LENGTH)


class Kind(StrEnum):
    """What a variable is to its subscribers; QoS, retaining and queueing follow from it (design: dialects)."""

    STATE = "state"
    """The latest value counts; published again after a reconnect of the broker."""
    EVENT = "event"
    """Each value counts, none is dropped."""
    TELEMETRY = "telemetry"
    """Frequent; only the latest is kept where a reader is slow."""


class ArgumentError(ValueError):
    """Arguments or a value do not fit the declaration; the message names which and what was expected."""


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    model_config = getattr(annotation, "model_config", None)
    return TypeAdapter(annotation) if model_config is not None else TypeAdapter(annotation, config=STRICT)


def explain(error: ValidationError, where: str) -> str:
    """A validation error of pydantic as one line for the person who wrote the value."""
    lines = []
    for item in error.errors(include_url=False, include_context=False, include_input=True):
        path = ".".join([where, *(str(part) for part in item["loc"])]).strip(".")
        given = (
            "" if item["type"] == "missing" else f" (given: {_shown([where, *item['loc']], item['input'])})"
        )
        lines.append(f"{path}{': ' if path else ''}{item['msg']}{given}")
    return "; ".join(lines[:5]) + ("" if len(lines) <= 5 else f"; and {len(lines) - 5} more")


def _shown(path: Sequence[str | int], value: Any) -> str:
    """The beginning of a value; of one that may be a token only its kind and length."""
    if may_be_token(path, value):
        return type(value).__name__ + (f" of length {len(value)}" if isinstance(value, str) else "")
    text = repr(value)
    return f"{text[:60]}{'…' if len(text) > 60 else ''}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: ``integer``, ``object EnableDisableSource``, ``one of High, Low``."""
    if "$ref" in schema:
        schema = schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "any JSON"))
    return f"{kind} {schema['title']}" if kind == "object" and "title" in schema else kind


class Var(Generic[T]):
    """A variable of an interface."""

    def __init__(self, kind: Kind, *, retain: bool = False, qos: int | None = None, name: str = "") -> None:
        self.kind = kind
        self.retain = retain
        self.qos = qos if qos is not None else {Kind.TELEMETRY: 0, Kind.STATE: 1, Kind.EVENT: 1}[kind]
        self.name = name
        self.interface: type[Interface] = Interface
        self._attribute = ""

    def __set_name__(self, owner: type[Interface], name: str) -> None:
        self._attribute = name
        self.name = self.name or name
        self.interface = owner

    @cached_property
    def annotation(self) -> Any:
        hints = typing.get_type_hints(self.interface, include_extras=True)
        return typing.get_args(hints[self._attribute])[0]

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        return _adapter(self.annotation)

    def validate_json(self, text: str | bytes) -> T:
        """The value written as JSON; raises ArgumentError."""
        try:
            return self.adapter.validate_json(text)
        except ValidationError as error:
            raise ArgumentError(explain(error, self.name)) from None

    def to_jsonable(self, value: T) -> Any:
        """The value as dicts, lists and scalars; absent fields are left out; raises where its type is wrong."""
        return self.adapter.dump_python(value, mode="json", exclude_none=True, warnings="error")

    def __repr__(self) -> str:
        return f"{self.interface.interface_name}.{self.name}"


class Command(Generic[P, R]):
    """A command of an interface, declared by the signature of a method without body."""

    def __init__(self, declaration: Callable[..., R], timeout_s: float) -> None:
        self.declaration = declaration
        self.timeout_s = timeout_s
        self.name = declaration.__name__
        self.doc = inspect.getdoc(declaration) or ""
        self.interface: type[Interface] = Interface

    def __set_name__(self, owner: type[Interface], name: str) -> None:
        self.name = name
        self.interface = owner

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.declaration, include_extras=True)

    @cached_property
    def arguments(self) -> Mapping[str, TypeAdapter[Any]]:
        """The arguments by name; all are required, as in EVerest."""
        return {name: _adapter(hint) for name, hint in self._hints.items() if name != "return"}

    @cached_property
    def result(self) -> TypeAdapter[R]:
        return _adapter(self._hints["return"])

    def validate_arguments(self, given: Mapping[str, str | bytes]) -> dict[str, Any]:
        """Arguments, each given as JSON text, as their types; unknown ones are left out.

        Raises:
            ArgumentError: naming every argument that is missing or wrong.
        """
        problems: list[str] = []
        found: dict[str, Any] = {}
        for name, adapter in self.arguments.items():
            if name not in given:
                problems.append(f"{name}: argument missing ({self._expectations[name]} expected)")
                continue
            try:
                found[name] = adapter.validate_json(given[name])
            except ValidationError as error:
                problems.append(explain(error, name))
        if problems:
            raise ArgumentError("; ".join(problems))
        return found

    @cached_property
    def _expectations(self) -> Mapping[str, str]:
        """What each argument is, for the person who left it out."""
        return {name: _kind(adapter.json_schema()) for name, adapter in self.arguments.items()}

    def result_to_jsonable(self, result: R) -> Any:
        """A result as dicts, lists and scalars.

        Raises:
            ArgumentError: it does not fit the declaration.
        """
        try:
            found = self.result.dump_python(result, mode="json", exclude_none=True, warnings=False)
            self.result.validate_json(json.dumps(found))
        except ValidationError as error:
            raise ArgumentError(explain(error, "")) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise ArgumentError(str(error)) from None
        return found

    def arguments_to_jsonable(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self.arguments[name].dump_python(value, mode="json", exclude_none=True)
            for name, value in arguments.items()
        }

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call inside the process by name."""
        if not args:
            return dict(kwargs)
        return dict(zip(self.arguments, args, strict=False)) | dict(kwargs)

    def __repr__(self) -> str:
        return f"{self.interface.interface_name}.{self.name}"


def var(kind: Kind, *, retain: bool = False, qos: int | None = None, name: str = "") -> Any:
    """Declares a variable: ``name: Var[Type] = var(Kind.STATE)``; the type is read from the annotation.

    ``name`` is for a variable that shares its name with a command, which EVerest allows and a class does not.
    """
    return Var[Any](kind, retain=retain, qos=qos, name=name)


def command(timeout_s: float = 10.0) -> Callable[[Callable[Concatenate[Any, P], R]], Command[P, R]]:
    """Declares a command by a method's signature; ``timeout_s`` is how long a caller waits for its result."""

    def declare(declaration: Callable[Concatenate[Any, P], R]) -> Command[P, R]:
        return Command[P, R](cast("Callable[..., R]", declaration), timeout_s)

    return declare


class Interface:
    """Base of all interface declarations."""

    interface_name: ClassVar[str] = ""
    error_namespaces: ClassVar[tuple[str, ...]] = ()
    hardware: ClassVar[bool] = False
    """Commands reach hardware: nobody may call them over MQTT but a connected standalone module (design rule 4)."""
    vars: ClassVar[dict[str, Var[Any]]] = {}
    commands: ClassVar[dict[str, Command[..., Any]]] = {}

    def __init_subclass__(cls, *, name: str, errors: tuple[str, ...] = (), hardware: bool = False) -> None:
        super().__init_subclass__()
        cls.interface_name = name
        cls.error_namespaces = errors
        cls.hardware = hardware
        cls.vars = {value.name: value for value in vars(cls).values() if isinstance(value, Var)}
        cls.commands = {key: value for key, value in vars(cls).items() if isinstance(value, Command)}
