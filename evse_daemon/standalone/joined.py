"""What a real manager says of our modules, as a run configuration of our own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evse_daemon.config.model import Connection, DaemonSettings, ModuleConfig, RunConfig, Settings
from evse_daemon.framework import registry
from evse_daemon.framework.errors import Mapping as Place
from evse_daemon.framework.interface import Interface, explain
from evse_daemon.framework.module import Module, ModuleOptions
from evse_daemon.standalone.config_messages import MODULE
from evse_daemon.standalone.manifest import class_of_peer


class JoinError(Exception):
    """Our modules cannot be what the manager wants them to be; the text says why and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Value(_Part):
    name: str
    value: str | int | float | bool


class _Target(_Part):
    module_id: str
    implementation_id: str


class _Tier(_Part):
    evse: int
    connector: int | None = None


class _Mapping(_Part):
    module: _Tier | None = None
    implementations: dict[str, _Tier] = {}


class Told(_Part):
    """The manager's answer of one module."""

    module_name: str = Field(min_length=1)
    configuration_parameters: dict[str, list[_Value]] = {}
    connections: dict[str, list[_Target]] = {}
    mapping: _Mapping | None = None
    mappings: dict[str, _Mapping | None] = {}


def joined_config(
    answers: Mapping[str, Any], everest_prefix: str, external_prefix: str
) -> tuple[RunConfig, list[str]]:
    """Our modules, and those of others that they are connected to, as the manager wants them.

    Args:
        answers: what the manager said of each of our modules, by id.
        everest_prefix: of the station.
        external_prefix: of topics outside its tree.

    Returns:
        The configuration, and what in it has no meaning here, to be warned of.

    Raises:
        JoinError: a module class, option or connection is not to be had.
    """
    told: dict[str, Told] = {}
    for module_id, answer in answers.items():
        try:
            told[module_id] = Told.model_validate(answer)
        except ValidationError as error:
            raise JoinError(f"the manager's answer of {module_id} is wrong: {explain(error, '')}") from None
    warnings: list[str] = []
    modules: dict[str, ModuleConfig] = {}
    peers: dict[str, dict[str, type[Interface]]] = {}
    places: dict[str, _Mapping | None] = {}
    for module_id, each in told.items():
        cls = _class_of(module_id, each)
        connections = _connections(module_id, each, cls)
        for name, targets in connections.items():
            for target in targets:
                if target.module_id not in told:
                    interface = cls.requires[name].interface
                    peers.setdefault(target.module_id, {})[target.implementation_id] = interface
                    places[target.module_id] = each.mappings.get(target.module_id)
        modules[module_id] = ModuleConfig(
            module_id=module_id,
            cls=cls,
            options=_options(module_id, MODULE, cls.Options, each, warnings),
            implementation_options={
                name: _options(module_id, name, provided.options, each, warnings)
                for name, provided in cls.provides.items()
            },
            connections=connections,
            mapping=_place(each.mapping),
            implementation_mappings=_places(each.mapping),
        )
    for module_id, implementations in peers.items():
        place = places[module_id]
        modules[module_id] = ModuleConfig(
            module_id=module_id,
            cls=class_of_peer(module_id, implementations),
            options=ModuleOptions(),
            implementation_options={},
            connections={},
            mapping=_place(place),
            implementation_mappings=_places(place),
            standalone=True,
        )
    settings = Settings(mqtt_everest_prefix=everest_prefix, mqtt_external_prefix=external_prefix)
    return RunConfig("manager", settings, DaemonSettings(mqtt_dialect="everest"), modules), warnings


def _class_of(module_id: str, told: Told) -> type[Module]:
    try:
        found = registry.find_module_class(told.module_name)
    except ImportError as error:
        raise JoinError(f"module class {told.module_name} cannot be loaded: {error}") from None
    if found is None:
        known = ", ".join(registry.module_classes())
        raise JoinError(
            f"{module_id} is a {told.module_name[:60]}, which evse-daemon does not have; there are: {known}"
        )
    return found


def _connections(module_id: str, told: Told, cls: type[Module]) -> dict[str, tuple[Connection, ...]]:
    found: dict[str, tuple[Connection, ...]] = {}
    for name, requirement in cls.requires.items():
        targets = told.connections.get(name, [])
        if not requirement.minimum <= len(targets) <= requirement.maximum:
            raise JoinError(
                f"{module_id} needs {requirement.minimum} to {requirement.maximum} connections {name!r}, "
                f"the manager's configuration has {len(targets)}"
            )
        found[name] = tuple(Connection(each.module_id, each.implementation_id) for each in targets)
    return found


def _options(
    module_id: str, block: str, cls: type[ModuleOptions], told: Told, warnings: list[str]
) -> ModuleOptions:
    values: dict[str, Any] = {}
    for each in told.configuration_parameters.get(block, []):
        if each.name in cls.model_fields:
            values[each.name] = each.value
        else:
            warnings.append(
                f"option {each.name[:60]!r} of {module_id} has no effect: this class does not have it"
            )
    cls.model_rebuild()
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise JoinError(f"options of {module_id} ({told.module_name}): {explain(error, '')}") from None


def _place(mapping: _Mapping | None) -> Place | None:
    if mapping is None or mapping.module is None:
        return None
    return Place(mapping.module.evse, mapping.module.connector)


def _places(mapping: _Mapping | None) -> dict[str, Place]:
    tiers = {} if mapping is None else mapping.implementations
    return {name: Place(tier.evse, tier.connector) for name, tier in tiers.items()}
