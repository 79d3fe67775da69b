"""Which EVSEs of a configuration become devices, and what is connected to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evse_daemon.config.model import Connection, ModuleConfig
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.powermeter import Powermeter

API = "API"
"""The module class that publishes what a device shows (modules/api)."""

Modules = Mapping[str, ModuleConfig]


@dataclass(frozen=True, slots=True)
class Evse:
    """One EVSE that is connected to the public API."""

    module_id: str
    metered: bool
    """A meter is connected to it."""
    limited_at: str | None
    """The module id of the EnergyNode that takes the API's limits (set_limit_amps); None: nobody does."""


def evses(modules: Modules) -> tuple[Evse, ...]:
    """The EVSEs that are connected to an API, in the order of the file."""
    sinks = _sinks(modules)
    return tuple(
        Evse(module_id, _is_metered(entry), sinks.get(getattr(entry.options, "connector_id", 0)))
        for module_id, entry in modules.items()
        if module_id in _shown(modules)
    )


def without_api(modules: Modules) -> list[str]:
    """The EVSEs that are connected to no API: nothing is published that a device could show."""
    shown = _shown(modules)
    return [
        module_id
        for module_id, entry in modules.items()
        if any(provided.interface is EvseManager for provided in entry.cls.provides.values())
        and module_id not in shown
    ]


def _apis(modules: Modules) -> Iterator[ModuleConfig]:
    return (entry for entry in modules.values() if entry.cls.__name__ == API)


def _shown(modules: Modules) -> set[str]:
    return {target.module_id for api in _apis(modules) for target in api.connections.get("evse_manager", ())}


def _is_metered(entry: ModuleConfig) -> bool:
    return any(
        requirement.interface is Powermeter and entry.connections.get(name)
        for name, requirement in entry.cls.requires.items()
    )


def _sinks(modules: Modules) -> dict[int, str]:
    """By the number of the EVSE, which is its option connector_id (get_evse); of several the first, as the API does."""
    found: dict[int, str] = {}
    for api in _apis(modules):
        for name, requirement in api.cls.requires.items():
            if requirement.interface is ExternalEnergyLimits:
                for target in api.connections.get(name, ()):
                    number = _mapped(modules, target)
                    if number is not None:
                        found.setdefault(number, target.module_id)
    return found


def _mapped(modules: Modules, target: Connection) -> int | None:
    entry = modules[target.module_id]
    mapping = entry.implementation_mappings.get(target.implementation_id, entry.mapping)
    return None if mapping is None else mapping.evse
