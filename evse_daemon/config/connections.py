"""What the requirements of a module are connected to (reference everest-framework §14; short form: seed 004)."""

from __future__ import annotations

from collections.abc import Mapping

from evse_daemon.config.document import Item
from evse_daemon.config.entries import Draft
from evse_daemon.config.model import Connection
from evse_daemon.config.problems import Report, suggestion

Drafts = Mapping[str, Draft]


def connections_of(draft: Draft, drafts: Drafts, report: Report) -> dict[str, tuple[Connection, ...]]:
    """The connections of a module, one entry for each requirement of its class."""
    given = draft.item.mapping.get("connections", Item({}, draft.item.line))
    requires = {} if draft.cls is None else draft.cls.requires
    found: dict[str, tuple[Connection, ...]] = {}
    for requirement_id, item in given.mapping.items():
        if draft.cls is not None and requirement_id not in requires:
            if _leads_to_unknown_classes(item, drafts):
                continue
            report.problem(
                item.line,
                f"{draft.path}.connections.{requirement_id}",
                f"{draft.named()} has no requirement {requirement_id!r}",
                suggestion(requirement_id, requires, "requirements"),
            )
            continue
        found[requirement_id] = _Requirement(draft, requirement_id, drafts, report).connections(item)
    for requirement_id in requires:
        if requirement_id not in found:
            nothing = Item([], given.line)
            found[requirement_id] = _Requirement(draft, requirement_id, drafts, report).connections(nothing)
    return {name: found[name] for name in requires}


def _leads_to_unknown_classes(item: Item, drafts: Drafts) -> bool:
    """Whether all that a connection names is reported already: EVerest's class may have requirements that need them."""
    names = [each.at(("module_id",)) or each for each in item.sequence or [item]]
    return all(
        isinstance(name.value, str) and name.value in drafts and drafts[name.value].cls is None
        for name in names
    )


class _Requirement:
    """One requirement of one module, on its way to its connections."""

    def __init__(self, draft: Draft, requirement_id: str, drafts: Drafts, report: Report) -> None:
        self._draft = draft
        self._drafts = drafts
        self._report = report
        self._path = f"{draft.path}.connections.{requirement_id}"
        self._name = f"{requirement_id!r} of {draft.named()}"
        declared = None if draft.cls is None else draft.cls.requires[requirement_id]
        self._interface = "" if declared is None else declared.interface.interface_name
        """Empty where the class that requires it is not known: then any will do."""
        self._minimum = 0 if declared is None else declared.minimum
        self._maximum = None if declared is None else declared.maximum

    def connections(self, item: Item) -> tuple[Connection, ...]:
        match item.value:
            case None:
                given = []
            case str():
                given = [item]
            case list():
                given = item.value
            case dict():
                self._problem(item, "must be a list", "put `- ` before module_id")
                return ()
            case _:
                self._problem(item, f"must be a module id or a list, not {item.describe()}")
                return ()
        self._check_count(item, len(given))
        found: list[Connection] = []
        for each in given:
            connection = self._connection(each)
            if connection is None:
                continue
            if connection in found:
                self._problem(
                    each, f"is connected twice to {connection.module_id}/{connection.implementation_id}"
                )
            found.append(connection)
        return tuple(found)

    def _problem(self, item: Item, message: str, hint: str = "") -> None:
        self._report.problem(item.line, self._path, f"connection {self._name} {message}", hint)

    def _check_count(self, item: Item, count: int) -> None:
        if count < self._minimum:
            candidates = self._candidates()
            if candidates:
                hint = f"these provide {self._interface}: " + ", ".join(candidates)
            else:
                hint = f"no module of this configuration provides {self._interface}"
            least = "is missing" if self._minimum == 1 else f"needs at least {self._minimum}, {count} given"
            self._problem(item, least, hint)
        if self._maximum is not None and count > self._maximum:
            self._problem(item, f"takes at most {self._maximum}, {count} are given")

    def _candidates(self) -> list[str]:
        return [
            f"{other.module_id}/{implementation_id}"
            for other in self._drafts.values()
            for implementation_id in self._fitting(other)
        ]

    def _fitting(self, other: Draft) -> list[str]:
        """The implementations of a module that have the interface which is required."""
        if other.cls is None:
            return []
        return [
            name
            for name, each in other.cls.provides.items()
            if each.interface.interface_name == self._interface
        ]

    def _connection(self, item: Item) -> Connection | None:
        if isinstance(item.value, str):
            other = self._module(item, item.value)
            return None if other is None else self._only_fitting(item, other)
        if not isinstance(item.value, dict):
            self._problem(item, f"must name a module, not {item.describe()}")
            return None
        for key, each in item.mapping.items():
            if key not in Connection._fields:
                self._problem(
                    each, f"has the unknown key {key!r}", suggestion(key, Connection._fields, "keys")
                )
            elif not isinstance(each.value, str):
                self._problem(each, f"must have a name as {key}, not {each.describe()}", "put it in quotes")
                return None
        missing = [key for key in Connection._fields if key not in item.mapping]
        if "module_id" in missing:
            self._problem(item, "has no module_id")
            return None
        other = self._module(item.mapping["module_id"], item.mapping["module_id"].value)
        if other is None:
            return None
        if missing:
            self._problem(item, "has no implementation_id", self._provided(other))
            return None
        return self._implementation(item.mapping["implementation_id"], other)

    def _module(self, item: Item, module_id: str) -> Draft | None:
        other = self._drafts.get(module_id)
        if other is None:
            self._problem(
                item,
                f"names a module that is not there: {module_id!r}",
                suggestion(module_id, self._drafts, "modules"),
            )
        return other

    def _only_fitting(self, item: Item, other: Draft) -> Connection | None:
        """Short form: the one implementation of a module that has the interface."""
        if other.cls is None or not self._interface:
            return None
        fitting = self._fitting(other)
        if len(fitting) == 1:
            return Connection(other.module_id, fitting[0])
        if fitting:
            lines = [f"- module_id: {other.module_id}\n  implementation_id: {name}" for name in fitting]
            self._problem(
                item,
                f"is ambiguous: {other.named()} provides {self._interface} {len(fitting)} times",
                "write one of:\n" + "\n".join(lines),
            )
        else:
            self._problem(
                item,
                f"needs {self._interface}, which {other.named()} does not provide",
                self._provided(other),
            )
        return None

    def _implementation(self, item: Item, other: Draft) -> Connection | None:
        if other.cls is None:
            return None
        name = str(item.value)
        provided = other.cls.provides.get(name)
        if provided is None:
            self._problem(
                item,
                f"names an implementation that {other.named()} does not have: {name!r}",
                self._provided(other),
            )
            return None
        interface = provided.interface.interface_name
        if self._interface and interface != self._interface:
            self._problem(
                item,
                f"needs {self._interface}, but {other.module_id}/{name} is {interface}",
                self._provided(other),
            )
            return None
        return Connection(other.module_id, name)

    def _provided(self, other: Draft) -> str:
        """What could be meant: the fitting implementations of a module, else all, else those of other modules."""
        if other.cls is None:
            return ""
        fitting = self._fitting(other)
        if fitting:
            return f"{other.module_id} provides {self._interface} as: " + ", ".join(fitting)
        provided = [f"{name} ({each.interface.interface_name})" for name, each in other.cls.provides.items()]
        lines = [f"{other.module_id} provides " + (", ".join(provided) or "nothing")]
        candidates = self._candidates()
        if candidates:
            lines.append(f"these provide {self._interface}: " + ", ".join(candidates))
        return "\n".join(lines)
