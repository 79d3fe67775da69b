"""Each entry of ``active_modules`` held against its module class: options, mappings and connections."""

from __future__ import annotations

from evse_daemon.config.connections import connections_of
from evse_daemon.config.document import Item
from evse_daemon.config.elsewhere import Elsewhere
from evse_daemon.config.entries import Draft, Tier, read_entries
from evse_daemon.config.model import ModuleConfig
from evse_daemon.config.options import validated
from evse_daemon.config.problems import Report, suggestion
from evse_daemon.framework.errors import Mapping
from evse_daemon.framework.module import Module, ModuleOptions


def read_modules(active_modules: Item, elsewhere: Elsewhere, report: Report) -> dict[str, ModuleConfig]:
    """The modules of a station; those with problems, which the report then holds, are left out."""
    drafts = read_entries(active_modules, elsewhere, report)
    modules: dict[str, ModuleConfig] = {}
    for draft in drafts.values():
        connections = connections_of(draft, drafts, report)
        if draft.cls is None or draft.entry is None:
            continue
        implementation_mappings = _implementation_mappings(draft, draft.cls, report)
        options = _module_options(draft, draft.cls, report)
        implementation_options = _implementation_options(draft, draft.cls, report)
        if options is None:
            continue
        telemetry = draft.entry.telemetry
        modules[draft.module_id] = ModuleConfig(
            module_id=draft.module_id,
            cls=draft.cls,
            options=options,
            implementation_options=implementation_options,
            connections=connections,
            mapping=_mapping(draft.entry.mapping.module),
            implementation_mappings=implementation_mappings,
            telemetry=None if telemetry is None else telemetry.id,
            line=draft.item.line,
            standalone=draft.entry.standalone,
            access=draft.entry.access,
        )
    return modules


def _module_options(draft: Draft, cls: type[Module], report: Report) -> ModuleOptions | None:
    entries = draft.item.mapping
    if "config" in entries and "config_module" in entries:
        report.problem(
            entries["config"].line,
            f"{draft.path}.config",
            f"module {draft.module_id!r} has both config and config_module, which mean the same",
            "join the two",
        )
    key = "config" if "config" in entries else "config_module"
    given = entries.get(key, Item({}, draft.item.line))
    elsewhere = {
        name: f"{name} is an option of the implementation {implementation_id}: put it under config_implementation"
        for implementation_id, provided in cls.provides.items()
        for name in provided.options.model_fields
    }
    return validated(cls.Options, given, f"{draft.path}.{key}", cls.__name__, report, elsewhere=elsewhere)


def _implementation_options(draft: Draft, cls: type[Module], report: Report) -> dict[str, ModuleOptions]:
    given = draft.item.mapping.get("config_implementation", Item({}, draft.item.line))
    path = f"{draft.path}.config_implementation"
    _check_implementations(given, path, draft, cls, report)
    elsewhere = dict.fromkeys(
        cls.Options.model_fields, "it is an option of the module: put it under config_module"
    )
    found: dict[str, ModuleOptions] = {}
    for name, provided in cls.provides.items():
        item = given.mapping.get(name, Item({}, given.line))
        owner = f"{cls.__name__}/{name}"
        options = validated(provided.options, item, f"{path}.{name}", owner, report, elsewhere=elsewhere)
        if options is not None:
            found[name] = options
    return found


def _implementation_mappings(draft: Draft, cls: type[Module], report: Report) -> dict[str, Mapping]:
    path = ("mapping", "implementations")
    given = draft.item.at(path)
    if draft.entry is None or given is None:
        return {}
    _check_implementations(given, f"{draft.path}.mapping.implementations", draft, cls, report)
    tiers = draft.entry.mapping.implementations
    return {name: Mapping(tier.evse, tier.connector) for name, tier in tiers.items()}


def _mapping(tier: Tier | None) -> Mapping | None:
    return None if tier is None else Mapping(tier.evse, tier.connector)


def _check_implementations(given: Item, path: str, draft: Draft, cls: type[Module], report: Report) -> None:
    for name, item in given.mapping.items():
        if name not in cls.provides:
            report.problem(
                item.line,
                f"{path}.{name}",
                f"{draft.named()} has no implementation {name!r}",
                suggestion(name, cls.provides, "implementations"),
            )
