"""A station's simulated boards at the far ends of wires, with the real drivers at the near ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from evse_daemon.config.model import Connection, ModuleConfig, RunConfig
from evse_daemon.framework.module import Module
from evse_daemon.framework.registry import find_module_class
from simulators.yeti_firmware.module import YetiFirmware
from simulators.yeti_simulator.module import YetiSimulator

Wire = Literal["serial", "can"]

FAR_END = "_firmware"
"""Put after the id of a driver: the id of its board."""

DRIVERS = {"serial": "YetiDriver", "can": "YetiCanDriver"}


class WireError(Exception):
    """A station cannot be simulated over a wire; the message says why and what to do."""


def over_wire(config: RunConfig, wire: Wire, folder: Path) -> RunConfig:
    """The configuration with each YetiSimulator replaced by its driver, a wire, and the board's firmware.

    The driver has the id that the simulator had, so that its topics are the same. The car moves to the firmware.

    Args:
        config: a station with simulated boards.
        wire: what is between driver and board.
        folder: where the lines are to be found; it exists.

    Raises:
        ImportError: a library is missing; the message says how to install it.
        WireError: there is nothing to replace, or a driver lacks what the simulator has.
    """
    boards = [entry for entry in config.modules.values() if issubclass(entry.cls, YetiSimulator)]
    if not boards:
        raise WireError(f"--wire {wire}: the configuration has no YetiSimulator that a driver could replace")
    driver = find_module_class(DRIVERS[wire])
    assert driver is not None
    modules = dict(config.modules)
    for entry in boards:
        link = folder / entry.module_id
        modules[entry.module_id] = _driver(entry, driver, wire, link)
        firmware = _firmware(entry, wire, link)
        if firmware.module_id in modules:
            raise WireError(
                f"--wire {wire}: the id {firmware.module_id} is needed for a board; rename that module"
            )
        modules[firmware.module_id] = firmware
    for module_id, entry in modules.items():
        modules[module_id] = dataclasses.replace(
            entry,
            connections={
                name: tuple(_moved(entry, target, modules) for target in targets)
                for name, targets in entry.connections.items()
            },
        )
    return dataclasses.replace(config, modules=modules)


def _driver(entry: ModuleConfig, driver: type[Module], wire: Wire, link: Path) -> ModuleConfig:
    place: dict[str, Any] = {"serial_port": str(link), "reset_gpio_chip": ""}
    if wire == "can":
        place = {"can_interface": "slcan", "can_device": str(link)}
    return dataclasses.replace(
        entry,
        cls=driver,
        options=driver.Options.model_validate(place),
        implementation_options=_default_options(driver),
        implementation_mappings={
            name: place for name, place in entry.implementation_mappings.items() if name in driver.provides
        },
    )


def _firmware(entry: ModuleConfig, wire: Wire, link: Path) -> ModuleConfig:
    options = entry.options
    assert isinstance(options, YetiSimulator.Options)
    taken: dict[str, Any] = {
        "connector_id": options.connector_id,
        "link": str(link),
        "wire": wire,
        "host_watchdog": wire == "can",  # docs/can.md demands it
        "ac_nominal_voltage": options.ac_nominal_voltage,
        "ac_nominal_frequency": options.ac_nominal_frequency,
        "max_current_A": options.max_current_A_import,
        "min_current_A": options.min_current_A_import,
    }
    return ModuleConfig(
        module_id=entry.module_id + FAR_END,
        cls=YetiFirmware,
        options=YetiFirmware.Options.model_validate(taken),
        implementation_options=_default_options(YetiFirmware),
        connections={},
        line=entry.line,
    )


def _default_options(module_class: type[Module]) -> dict[str, Any]:
    return {name: declared.options() for name, declared in module_class.provides.items()}


def _moved(entry: ModuleConfig, target: Connection, modules: dict[str, ModuleConfig]) -> Connection:
    """Where a connection leads now: what the driver does not provide, the firmware may."""
    peer = modules[target.module_id]
    if target.implementation_id in peer.cls.provides:
        return target
    firmware = modules.get(target.module_id + FAR_END)
    if firmware is not None and target.implementation_id in firmware.cls.provides:
        return Connection(firmware.module_id, target.implementation_id)
    raise WireError(
        f"{entry.module_id} is connected to {target.implementation_id} of {target.module_id}, which a "
        f"{peer.cls.__name__} has not: remove that connection to simulate over a wire"
    )
