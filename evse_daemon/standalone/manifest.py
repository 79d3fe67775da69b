"""Module classes of other processes: made of EVerest's manifest.yaml, or of a class of this daemon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from evse_daemon.framework import registry
from evse_daemon.framework.interface import Interface, explain
from evse_daemon.framework.module import Module, ModuleOptions, Provides, RequiresMany
from evse_daemon.standalone.remote_module import RemoteModule
from evse_daemon.types.base import Integer

MAX_BYTES = 1 << 20
READ_WRITE, WRITE_ONLY = "ReadWrite", "WriteOnly"
Mutability = Literal["ReadOnly", "ReadWrite", "WriteOnly"]


class ManifestError(ValueError):
    """A manifest cannot be used; the text says why."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Parameter(_Part):
    """An option of a module (F/schemas/manifest.yaml)."""

    type: Literal["string", "integer", "number", "boolean"]
    default: str | int | float | bool | None = None
    mutability: Mutability = "ReadOnly"
    minimum: float | None = None
    maximum: float | None = None
    enum: list[str | int | float] | None = None


class _Provided(_Part):
    interface: str
    config: dict[str, _Parameter] = {}


class _Required(_Part):
    interface: str
    min_connections: int = 1
    max_connections: int = 1


class Manifest(_Part):
    """What of a manifest matters here."""

    provides: dict[str, _Provided] = {}
    requires: dict[str, _Required] = {}
    config: dict[str, _Parameter] = {}


def read_manifest(modules_dir: Path, class_name: str) -> dict[str, Any]:
    """The manifest of a class in EVerest's folder of modules, as it is written.

    Raises:
        ManifestError: there is none, or it is no YAML mapping.
    """
    file = modules_dir / class_name / "manifest.yaml"
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror or error}") from None
    try:
        found = yaml.safe_load(content.decode("utf-8")) if len(content) <= MAX_BYTES else None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ManifestError(f"{file} is no YAML: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise ManifestError(f"{file} is no manifest")
    return found


def class_of_manifest(class_name: str, given: Mapping[str, Any]) -> type[RemoteModule]:
    """The class of a module of another process, from its manifest.

    Raises:
        ManifestError: it does not fit EVerest's schema, or names interfaces that are not declared here.
    """
    try:
        manifest = Manifest.model_validate(dict(given))
    except ValidationError as error:
        raise ManifestError(f"the manifest of {class_name} is wrong: {explain(error, '')}") from None
    provides = {
        name: _provides(name, _interface(class_name, each.interface), _options(each.config))
        for name, each in manifest.provides.items()
    }
    requires = {}
    for name, required in manifest.requires.items():
        if required.min_connections == 0 and registry.find_interface(required.interface) is None:
            continue  # nobody here provides it, and the module can do without
        requirement: RequiresMany[Any] = RequiresMany(
            _interface(class_name, required.interface), required.min_connections, required.max_connections
        )
        requirement.requirement_id = name
        requires[name] = requirement
    return _made(class_name, _options(manifest.config), provides, requires, dict(given))


def class_of_ours(cls: type[Module]) -> type[RemoteModule]:
    """The same for a class that this daemon has too, and that somebody else runs."""
    return _made(cls.__name__, cls.Options, cls.provides, cls.requires, None)


def class_of_peer(class_name: str, implementations: Mapping[str, type[Interface]]) -> type[RemoteModule]:
    """The same for a module of which only the interfaces that are used here matter."""
    provides = {name: _provides(name, each, ModuleOptions) for name, each in implementations.items()}
    return _made(class_name, ModuleOptions, provides, {}, None)


def _made(
    name: str,
    options: type[ModuleOptions],
    provides: Mapping[str, Any],
    requires: Mapping[str, Any],
    manifest: dict[str, Any] | None,
) -> type[RemoteModule]:
    # Not as attributes: an implementation may be called as a method is.
    contents = {
        "Options": options,
        "provides": dict(provides),
        "requires": dict(requires),
        "manifest": manifest,
        "__module__": __name__,
    }
    return type(name, (RemoteModule,), contents)


def _provides(name: str, interface: type[Interface], options: type[ModuleOptions]) -> Provides[Any]:
    provided: Provides[Any] = Provides(interface, options)
    provided.implementation_id = name
    return provided


def _interface(class_name: str, name: str) -> type[Interface]:
    found = registry.find_interface(name)
    if found is None:
        raise ManifestError(
            f"{class_name} needs the interface {name[:60]!r}, which evse-daemon does not know"
        )
    return found


def _options(parameters: Mapping[str, _Parameter]) -> type[ModuleOptions]:
    fields: dict[str, Any] = {}
    for name, parameter in parameters.items():
        types: dict[str, Any] = {"string": str, "integer": Integer, "number": float, "boolean": bool}
        annotation: Any = types[parameter.type]
        if parameter.enum:
            annotation = Literal[tuple(parameter.enum)]
        elif parameter.type in ("integer", "number"):
            annotation = Annotated[annotation, Field(ge=parameter.minimum, le=parameter.maximum)]
        fields[name] = (
            annotation,
            Field(
                ... if parameter.default is None else parameter.default,
                json_schema_extra={"mutability": parameter.mutability},
            ),
        )
    made: type[ModuleOptions] = create_model("Options", __base__=ModuleOptions, **fields)
    return made
