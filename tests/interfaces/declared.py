"""All interfaces that are declared."""

from __future__ import annotations

import importlib
import pkgutil

import evse_daemon.interfaces
from evse_daemon.framework.interface import Interface


def _interface(module_name: str) -> type[Interface] | None:
    module = importlib.import_module(f"evse_daemon.interfaces.{module_name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Interface) and value.__module__ == module.__name__
    ]
    assert len(found) <= 1
    return found[0] if found else None


_BY_FILE = {
    info.name: _interface(info.name) for info in pkgutil.iter_modules(evse_daemon.interfaces.__path__)
}

INTERFACES: dict[str, type[Interface]] = {
    name: found for name, found in _BY_FILE.items() if found is not None
}
"""By the name of the file, which is that of the interface."""
