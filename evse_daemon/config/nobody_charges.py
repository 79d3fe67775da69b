"""EVSEs at which nobody may charge, because nobody is there to say so."""

from __future__ import annotations

from collections.abc import Mapping

from evse_daemon.config.model import ModuleConfig
from evse_daemon.config.problems import Report
from evse_daemon.interfaces.auth import Auth
from evse_daemon.interfaces.evse_manager import EvseManager

FREE = "disable_authentication"


def warn_of_missing_auth(modules: Mapping[str, ModuleConfig], report: Report) -> None:
    """Warns of each EVSE that asks for authorization and is connected to no module that provides EVerest's ``auth``.

    Args:
        modules: all modules.
        report: gets the warnings.
    """
    served = {
        target.module_id
        for entry in modules.values()
        if any(provided.interface is Auth for provided in entry.cls.provides.values())
        for targets in entry.connections.values()
        for target in targets
    }
    for module_id, entry in modules.items():
        asks = getattr(entry.options, FREE, None) is False
        is_evse = any(provided.interface is EvseManager for provided in entry.cls.provides.values())
        if is_evse and asks and not entry.standalone and module_id not in served:
            report.warning(
                entry.line,
                f"active_modules.{module_id}",
                f"{module_id} asks for authorization, and no Auth is connected to it: nobody can charge",
                f"name {module_id} among the connections evse_manager of an Auth module, or set {FREE} "
                "(docs/authorization.md)",
            )
