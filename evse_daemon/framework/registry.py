"""Finds a module class by its name: EvseManager in evse_daemon/modules/evse_manager, YetiSimulator in simulators/…"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re

from evse_daemon.framework.interface import Interface
from evse_daemon.framework.module import Module

PACKAGES = ("evse_daemon.modules", "drivers", "simulators")


def folder_of(class_name: str) -> str:
    """The folder of a module class: EvseManager → evse_manager, EvAPI → ev_api, OCPP201 → ocpp201."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name)
    return words.lower()


def find_module_class(class_name: str) -> type[Module] | None:
    """The module class of this name, imported when asked for; None where there is none."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", class_name):
        return None
    for package in PACKAGES:
        path = f"{package}.{folder_of(class_name)}"
        if importlib.util.find_spec(path) is None:
            continue
        found = getattr(importlib.import_module(f"{path}.module"), class_name, None)
        if isinstance(found, type) and issubclass(found, Module):
            return found
    return None


def find_interface(name: str) -> type[Interface] | None:
    """The declaration of an interface, imported when asked for; None where there is none."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return None
    path = f"evse_daemon.interfaces.{name}"
    if importlib.util.find_spec(path) is None:
        return None
    for found in vars(importlib.import_module(path)).values():
        if isinstance(found, type) and issubclass(found, Interface) and found.interface_name == name:
            return found
    return None


def module_classes() -> list[str]:
    """The names of all module classes there are, sorted; those that cannot be imported are left out."""
    names = set()
    for package in PACKAGES:
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not found.ispkg:
                continue
            try:
                module = importlib.import_module(f"{package}.{found.name}.module")
            except Exception:  # noqa: BLE001, S112 - names are asked for to explain a mistake elsewhere
                continue
            names |= {
                name for name in vars(module) if folder_of(name) == found.name and find_module_class(name)
            }
    return sorted(names)
