"""EVerest allows a variable and a command of one name in an interface; a Python class does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evse_daemon.framework.interface import Var


def rename(variable: Var[Any], name: str) -> None:
    """Gives a declared variable the name that it has in EVerest."""
    _ = variable.annotation  # read by the name that it was declared with, and cached
    del variable.interface.vars[variable.name]
    variable.interface.vars[name] = variable
    variable.name = name
