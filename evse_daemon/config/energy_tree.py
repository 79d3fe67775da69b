"""The energy tree as the configuration joins it: no node below itself, and none below two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evse_daemon.config.document import Item
from evse_daemon.config.model import Connection, DaemonSettings, ModuleConfig
from evse_daemon.config.problems import Report, suggestion
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits


def check_energy_tree(
    modules: Mapping[str, ModuleConfig], daemon: DaemonSettings, daemon_item: Item, report: Report
) -> None:
    """Reports rings, nodes with several parents, and expectations of nodes that there are not.

    Args:
        modules: all modules.
        daemon: with ``external_limits``.
        daemon_item: the section of the file.
        report: gets what is found.
    """
    parents: dict[Connection, str] = {}
    for module_id, entry in modules.items():
        for child in _children(entry):
            if child in parents:
                report.warning(
                    entry.line,
                    module_id,
                    f"{child.module_id} is connected below {parents[child]} and {module_id}: the energy manager gives "
                    "nothing to a node that it finds twice",
                    "connect each node of the energy tree to one node only",
                )
            parents.setdefault(child, module_id)
    for module_id, entry in modules.items():
        if _leads_to_itself(module_id, modules):
            report.problem(
                entry.line,
                module_id,
                f"{module_id} is below itself in the energy tree",
                "connect each node to those below it only",
            )
    _check_expectations(modules, daemon, daemon_item, report)


def _children(entry: ModuleConfig) -> Iterator[Connection]:
    for name, requirement in entry.cls.requires.items():
        if requirement.interface is Energy:
            yield from entry.connections.get(name, ())


def _leads_to_itself(module_id: str, modules: Mapping[str, ModuleConfig]) -> bool:
    seen: set[str] = set()
    waiting = [module_id]
    while waiting:
        entry = modules.get(waiting.pop())
        for child in () if entry is None else _children(entry):
            if child.module_id == module_id:
                return True
            if child.module_id not in seen:
                seen.add(child.module_id)
                waiting.append(child.module_id)
    return False


def _check_expectations(
    modules: Mapping[str, ModuleConfig], daemon: DaemonSettings, daemon_item: Item, report: Report
) -> None:
    nodes = [
        module_id
        for module_id, entry in modules.items()
        if any(provided.interface is ExternalEnergyLimits for provided in entry.cls.provides.values())
    ]
    for module_id in daemon.external_limits:
        if module_id not in nodes:
            path = ("external_limits", module_id)
            item = daemon_item.at(path) or daemon_item
            report.problem(
                item.line,
                ".".join(("daemon", *path)),
                f"no module {module_id!r} takes limits from outside",
                suggestion(module_id, nodes, "modules that do"),
            )
