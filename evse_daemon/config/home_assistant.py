"""What is said of Home Assistant's devices where something is missing that they show."""

from __future__ import annotations

from collections.abc import Mapping

from evse_daemon.config.document import Item
from evse_daemon.config.model import DaemonSettings, ModuleConfig
from evse_daemon.config.problems import Report


def warn_of_missing_api(
    modules: Mapping[str, ModuleConfig], daemon: DaemonSettings, daemon_item: Item, report: Report
) -> None:
    """Warns of EVSEs that get no device, since nothing is published that it could show.

    Args:
        modules: all modules.
        daemon: with ``home_assistant``.
        daemon_item: the section of the file.
        report: gets the warnings.
    """
    if not daemon.home_assistant.enabled:
        return
    from evse_daemon.home_assistant.evses import without_api  # noqa: PLC0415 - seldom needed

    place = daemon_item.at(("home_assistant",)) or daemon_item
    for module_id in without_api(modules):
        report.warning(
            place.line,
            "daemon.home_assistant",
            f"{module_id} is no device in Home Assistant: no module of the class API is connected to it",
            f"name {module_id} among the connections evse_manager of an API module",
        )
