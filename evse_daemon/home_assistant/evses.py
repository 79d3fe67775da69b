"""Which EVSEs of a configuration become devices, and what is connected to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evse_daemon.config.model import Connection, ModuleConfig, RunConfig
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.powermeter import Powermeter

API = "API"
"""The module class that publishes what a device shows (modules/api)."""


@dataclass(frozen=True, slots=True)
class Evse:
    """One EVSE that is connected to the public API."""

    module_id: str
    metered: bool
    """A meter is connected to it."""
    limited_at: str | None
    """The module id of the EnergyNode that takes the API's limits (set_limit_amps); None: nobody does."""


def evses(config: RunConfig) -> tuple[Evse, ...]:
    """The EVSEs that are connected to an API, in the order of the file."""
    sinks = _sinks(config)
    return tuple(
        Evse(module_id, _is_metered(entry), sinks.get(getattr(entry.options, "connector_id", 0)))
        for module_id, entry in config.modules.items()
        if module_id in _shown(config)
    )


def without_api(config: RunConfig) -> list[str]:
    """The EVSEs that are connected to no API: nothing is published that a device could show."""
    shown = _shown(config)
    return [
        module_id
        for module_id, entry in config.modules.items()
        if any(provided.interface is EvseManager for provided in entry.cls.provides.values())
        and module_id not in shown
    ]


def _apis(config: RunConfig) -> Iterator[ModuleConfig]:
    return (entry for entry in config.modules.values() if entry.cls.__name__ == API)


def _shown(config: RunConfig) -> set[str]:
    return {target.module_id for api in _apis(config) for target in api.connections.get("evse_manager", ())}


def _is_metered(entry: ModuleConfig) -> bool:
    return any(
        requirement.interface is Powermeter and entry.connections.get(name)
        for name, requirement in entry.cls.requires.items()
    )


def _sinks(config: RunConfig) -> dict[int, str]:
    """By the number of the EVSE, which is its option connector_id (get_evse); of several the first, as the API does."""
    found: dict[int, str] = {}
    for api in _apis(config):
        for name, requirement in api.cls.requires.items():
            if requirement.interface is ExternalEnergyLimits:
                for target in api.connections.get(name, ()):
                    number = _mapped(config, target)
                    if number is not None:
                        found.setdefault(number, target.module_id)
    return found


def _mapped(config: RunConfig, target: Connection) -> int | None:
    entry = config.modules[target.module_id]
    mapping = entry.implementation_mappings.get(target.implementation_id, entry.mapping)
    return None if mapping is None else mapping.evse
