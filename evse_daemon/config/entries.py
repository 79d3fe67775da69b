"""The entries of ``active_modules``: their shape and their module classes."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evse_daemon.config.document import Item
from evse_daemon.config.elsewhere import Elsewhere
from evse_daemon.config.options import validated
from evse_daemon.config.problems import Report, shortened
from evse_daemon.framework import registry
from evse_daemon.framework.module import Module
from evse_daemon.types.base import Integer

MODULE_ID = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]*")
"""Reference everest-framework §14; neither a slash nor a wildcard gets into a topic by it."""


class _Telemetry(BaseModel):
    model_config = ConfigDict(strict=True)

    id: Integer


class Tier(BaseModel):
    """An EVSE or connector of the station; EVerest's schema allows further keys here.

    EVerest's own configurations map the grid connection to EVSE 0, which is the station itself.
    """

    model_config = ConfigDict(strict=True)

    evse: Integer = Field(ge=0)
    connector: Integer | None = Field(None, ge=0)


class Tiers(BaseModel):
    """Where a module and its implementations stand."""

    model_config = ConfigDict(strict=True, extra="forbid")

    module: Tier | None = None
    implementations: dict[str, Tier] = {}


class Entry(BaseModel):
    """The shape of an entry (F/schemas/config.yaml); options and connections are held against the class later.

    ``capabilities`` (of a Linux process) and ``access`` (to other modules' configuration) have no meaning within one
    process; ``access`` has for standalone modules.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    module: str
    config_module: dict[str, Any] = {}
    config: dict[str, Any] = {}
    config_implementation: dict[str, dict[str, Any]] = {}
    connections: dict[str, Any] = {}
    mapping: Tiers = Tiers()
    standalone: bool = False
    telemetry: _Telemetry | None = None
    capabilities: list[str] = []
    access: dict[str, Any] = {}


@dataclass(slots=True)
class Draft:
    """An entry on its way to a ModuleConfig."""

    module_id: str
    item: Item
    entry: Entry | None
    """None where the shape is wrong."""
    cls: type[Module] | None = None
    """None where there is no such class."""

    @property
    def path(self) -> str:
        return f"active_modules.{self.module_id}"

    def named(self) -> str:
        """The module as messages name it."""
        return f"{self.module_id} ({self.cls.__name__})" if self.cls is not None else self.module_id


def read_entries(active_modules: Item, elsewhere: Elsewhere, report: Report) -> dict[str, Draft]:
    """The modules that the file names, by id."""
    if not isinstance(active_modules.value, dict):
        given = active_modules.describe()
        report.problem(
            active_modules.line,
            "active_modules",
            f"active_modules must be a mapping of module ids to modules, not {given}",
        )
        return {}
    if not active_modules.mapping:
        report.problem(active_modules.line, "active_modules", "active_modules is empty: nothing would run")
    drafts = {
        module_id: _draft(module_id, item, report) for module_id, item in active_modules.mapping.items()
    }
    _find_classes(drafts, elsewhere, report)
    return drafts


def _draft(module_id: str, item: Item, report: Report) -> Draft:
    path = f"active_modules.{module_id}"
    if not MODULE_ID.fullmatch(module_id):
        message = f"{shortened(module_id)!r} cannot be a module id"
        report.problem(
            item.line, path, message, "use letters, digits, _ . and -, beginning with a letter or _"
        )
    if item.value is None:
        item = Item({}, item.line)
    item = _without_empty(item)
    if "config_implementation" in item.mapping:
        entries = item.mapping | {
            "config_implementation": _without_empty(item.mapping["config_implementation"])
        }
        item = Item(entries, item.line)
    entry = validated(Entry, item, path, f"module {shortened(module_id)!r}", report, what="key")
    return Draft(module_id, item, entry)


def _without_empty(item: Item) -> Item:
    """A key with nothing after it says what an absent one says."""
    if not isinstance(item.value, dict):
        return item
    return Item({key: each for key, each in item.mapping.items() if each.value is not None}, item.line)


def _find_classes(drafts: dict[str, Draft], elsewhere: Elsewhere, report: Report) -> None:
    unknown: list[Draft] = []
    for draft in drafts.values():
        if draft.entry is None:
            continue
        line = draft.item.mapping["module"].line
        name = draft.entry.module
        if draft.entry.standalone:
            draft.cls = elsewhere.find(draft.module_id, name, draft.item.mapping, report)
            continue
        try:
            draft.cls = registry.find_module_class(name)
        except ImportError as error:
            message = f"module class {name} of {draft.module_id!r} cannot be loaded: {error}"
            report.root_cause(line, f"{draft.path}.module", message, "is a package missing that it needs?")
            continue
        if draft.cls is None:
            unknown.append(draft)
    if unknown:
        _report_unknown(unknown, report)


def _report_unknown(unknown: list[Draft], report: Report) -> None:
    places: dict[str, list[str]] = {}
    lines: list[int] = []
    for draft in unknown:
        item = draft.item.mapping["module"]
        lines.append(item.line)
        places.setdefault(str(item.value), []).append(f"{draft.module_id}, line {item.line}")
    named = "; ".join(f"{shortened(name)} ({'; '.join(where)})" for name, where in places.items())
    known = registry.module_classes()
    hints = []
    for name in places:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if nearest:
            hints.append(f"{name}: did you mean {nearest[0]}?")
    hints.append("remove these modules and the connections to them, or wait for a version that has them")
    report.root_cause(
        min(lines),
        "active_modules",
        f"evse-daemon has no module {'class' if len(places) == 1 else 'classes'} {named}",
        "\n".join(hints),
    )
