"""What a configuration that was read again changes in a station that runs, and what of it can be taken over. Pure.

The options of a module belong together: it takes all that has changed for it, or nothing (docs/reload.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from evse_daemon.config.document import Item
from evse_daemon.config.model import DaemonSettings, ModuleConfig, RunConfig, Settings
from evse_daemon.framework.module import is_read_write

LIMITS = "external_limits"
"""Of the daemon's settings, what belongs to single modules."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs."""

    item: str
    """What is taken over as a whole or not at all: the id of a module, or with slashes a setting."""
    path: Path
    """Where it stands in the file."""
    text: str
    at_run_time: bool
    """It could be taken over while the station runs."""

    def at(self, file: str, document: Item) -> str:
        """What has changed, and on which line."""
        return f"{file}:{line_of(document, self.path)} {self.text}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of the differences."""

    config: RunConfig
    """What runs afterwards: as before, with what is taken over."""
    taken: tuple[Difference, ...] = ()
    modules: tuple[str, ...] = ()
    """Whose options these are."""
    waiting: tuple[Difference, ...] = ()
    """They need a restart."""


def changes(running: RunConfig, wanted: RunConfig, failed: Collection[str] = ()) -> Changes:
    """Parts what can be taken over now from what needs a restart.

    Args:
        running: what runs.
        wanted: what the file says now.
        failed: modules that have failed for good: they take nothing any more.
    """
    found = tuple(differences(running, wanted))
    kept = {each.item for each in found if not each.at_run_time}.union(failed)
    taken = tuple(each for each in found if each.item not in kept)
    items = {each.item for each in taken}
    settings = {
        name: getattr(wanted.daemon, name) for name in _names(DaemonSettings) if f"/daemon/{name}" in items
    }
    nodes = dict(running.daemon.external_limits)
    for module_id in items & {*running.modules}:
        nodes.pop(module_id, None)
        if module_id in wanted.daemon.external_limits:
            nodes[module_id] = wanted.daemon.external_limits[module_id]
    modules = {
        module_id: replace(
            entry,
            options=wanted.modules[module_id].options,
            implementation_options=wanted.modules[module_id].implementation_options,
        )
        if module_id in items
        else entry
        for module_id, entry in running.modules.items()
    }
    daemon = running.daemon.model_copy(update={**settings, LIMITS: nodes})
    return Changes(
        replace(running, daemon=daemon, modules=modules, warnings=wanted.warnings),
        taken,
        tuple(module_id for module_id in running.modules if module_id in items),
        tuple(each for each in found if each.item in kept),
    )


def differences(running: RunConfig, wanted: RunConfig) -> Iterator[Difference]:
    """Everything in which two configurations differ, but for the order of modules."""
    yield from _of_block("settings", Settings, running.settings, wanted.settings)
    yield from _of_block("daemon", DaemonSettings, running.daemon, wanted.daemon, but=LIMITS)
    before, after = running.daemon.external_limits, wanted.daemon.external_limits
    for module_id in {**before, **after}:
        if before.get(module_id) != after.get(module_id):
            yield Difference(
                module_id, ("daemon", LIMITS, module_id), f"{LIMITS} of {module_id}", at_run_time=True
            )
    for module_id in {**running.modules, **wanted.modules}:
        yield from _of_module(module_id, running.modules.get(module_id), wanted.modules.get(module_id))


def line_of(document: Item, path: Path) -> int:
    """Where a path stands in a document; of one that is not there, what it would be part of."""
    item = document
    for part in path:
        inner = item.mapping
        # The two names of the block of options mean the same.
        found = inner.get(part) or (inner.get("config") if part == "config_module" else None)
        if found is None:
            break
        item = found
    return item.line


def _of_block(
    name: str, model: type[BaseModel], before: BaseModel, after: BaseModel, but: str = ""
) -> Iterator[Difference]:
    for key in _names(model):
        one, other = getattr(before, key), getattr(after, key)
        if key != but and one != other:
            path = (name, key)
            yield Difference(
                f"/{name}/{key}", path, f"{'.'.join(path)}{_shown(one, other)}", is_read_write(model, key)
            )


def _of_module(
    module_id: str, before: ModuleConfig | None, after: ModuleConfig | None
) -> Iterator[Difference]:
    path = ("active_modules", module_id)

    def needs_restart(text: str, *where: str) -> Difference:
        return Difference(module_id, (*path, *where), f"{text} {module_id}", at_run_time=False)

    if before is None or after is None:
        yield needs_restart("new module" if before is None else "removed module")
        return
    if not _same_class(before, after):
        yield needs_restart("the class of", "module")
        return
    for name in ("standalone", "access"):
        if getattr(before, name) != getattr(after, name):
            yield needs_restart(f"{name} of", name)
    if (before.mapping, before.implementation_mappings) != (after.mapping, after.implementation_mappings):
        yield needs_restart("the mapping of", "mapping")
    for name in {**before.connections, **after.connections}:
        if before.connections.get(name) != after.connections.get(name):
            yield needs_restart(f"connection {name} of", "connections", name)
    yield from _of_options(after, before.options, after.options, (*path, "config_module"), module_id)
    for name, options in after.implementation_options.items():
        where = (*path, "config_implementation", name)
        old = before.implementation_options[name]
        yield from _of_options(after, old, options, where, f"{module_id}/{name}")


def _of_options(
    entry: ModuleConfig, before: BaseModel, after: BaseModel, path: Path, owner: str
) -> Iterator[Difference]:
    if before == after:
        return
    for name in _names(type(after)):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield Difference(
                entry.module_id,
                (*path, name),
                f"option {name} of {owner}{_shown(one, other)}",
                # What is of another process asks for its options when it starts.
                not entry.standalone and is_read_write(type(after), name),
            )


def _same_class(before: ModuleConfig, after: ModuleConfig) -> bool:
    """A class that stands for a module of another process is made anew each time."""
    one, other = before.cls, after.cls
    if not (before.standalone and after.standalone):
        return one is other
    return one.__name__ == other.__name__ and getattr(one, "manifest", None) == getattr(
        other, "manifest", None
    )


def _names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _shown(before: Any, after: Any) -> str:
    """Numbers and switches; a text may be a password or a card."""
    plain = (bool, int, float)
    return f" ({before} → {after})" if isinstance(before, plain) and isinstance(after, plain) else ""
