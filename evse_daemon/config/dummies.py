"""Module classes of EVerest that are for trying things out, in a station with a real board."""

from __future__ import annotations

from collections.abc import Mapping

from evse_daemon.config.model import ModuleConfig
from evse_daemon.config.problems import Report
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport

DUMMY = "Dummy"
"""With which EVerest begins their names."""

DRIVERS = "drivers."
"""The package of module classes that talk to hardware."""

INSTEAD = (
    "use LocalAllowlistTokenValidator or auth_token_validator_API, and auth_token_provider_API for whatever reads cards; "
    "or leave Auth out and set disable_authentication in the EvseManager, if everybody may charge (docs/authorization.md)"
)


def warn_of_dummies(modules: Mapping[str, ModuleConfig], report: Report) -> None:
    """Warns of each dummy beside a driver of a board: who may charge is then decided by a toy.

    Args:
        modules: all modules.
        report: gets the warnings.
    """
    boards = [module_id for module_id, entry in modules.items() if _is_real_board(entry)]
    if not boards:
        return
    for module_id, entry in modules.items():
        if entry.cls.__name__.startswith(DUMMY):
            report.warning(
                entry.line,
                f"active_modules.{module_id}",
                f"{module_id} is a {entry.cls.__name__}, made for trying out, and {boards[0]} is a real board",
                INSTEAD,
            )


def _is_real_board(entry: ModuleConfig) -> bool:
    return entry.cls.__module__.startswith(DRIVERS) and any(
        provided.interface is EvseBoardSupport for provided in entry.cls.provides.values()
    )
