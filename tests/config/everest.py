"""EVerest's manifests as module classes, and its configurations; skips where they are not at hand."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import Field, create_model

from evse_daemon.framework.interface import Interface
from evse_daemon.framework.module import Module, ModuleOptions, Provides, RequiresMany
from evse_daemon.types.base import Integer

SHARED = Path(__file__).resolve().parents[3] / "shared"
TYPES = {"string": str, "number": float, "integer": Integer, "boolean": bool}
BOUNDS = {"minimum": "ge", "maximum": "le", "minLength": "min_length", "maxLength": "max_length"}


def configurations() -> list[Any]:
    """EVerest's own configurations and those of the golden runs, as parameters of a test."""
    found = sorted([*SHARED.glob("everest/configs/*.yaml"), *SHARED.glob("golden/config-*.yaml")])
    if not found:
        reason = "EVerest's configurations are not at hand (../shared)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(path, id=path.name) for path in found]


def manifest(name: str) -> dict[str, Any] | None:
    path = SHARED / "everest/manifests" / f"{name}.yaml"
    loaded: dict[str, Any] | None = (
        yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if path.exists()
        else None
    )
    return loaded


class Manifests:
    """Makes a module class of each manifest, in place of the registry."""

    def __init__(self) -> None:
        self._classes: dict[str, type[Module] | None] = {}
        self._interfaces: dict[str, type[Interface]] = {}

    def find(self, name: str) -> type[Module] | None:
        if name not in self._classes:
            found = manifest(name)
            self._classes[name] = None if found is None else self._made(name, found)
        return self._classes[name]

    def _made(self, name: str, found: dict[str, Any]) -> type[Module]:
        members: dict[str, Any] = {"Options": _options(found.get("config", {}))}
        for key, each in found.get("provides", {}).items():
            members[key] = Provides(self._interface(each["interface"]), _options(each.get("config", {})))
        module = type(name, (Module,), members)
        for key, each in found.get("requires", {}).items():
            required = RequiresMany(
                self._interface(each["interface"]),
                each.get("min_connections", 1),
                each.get("max_connections", 1),
            )
            required.__set_name__(module, key)
        return module

    def _interface(self, name: str) -> type[Interface]:
        if name not in self._interfaces:
            self._interfaces[name] = type("Made", (Interface,), {}, name=name)
        return self._interfaces[name]


def _options(declared: dict[str, Any]) -> type[ModuleOptions]:
    fields: dict[str, Any] = {}
    for name, each in declared.items():
        annotation = Literal[tuple(each["enum"])] if "enum" in each else TYPES[each["type"]]
        bounds = {BOUNDS[key]: value for key, value in each.items() if key in BOUNDS}
        fields[name] = (annotation, Field(each.get("default", ...), **bounds))
    return create_model("Options", __base__=ModuleOptions, **fields)
