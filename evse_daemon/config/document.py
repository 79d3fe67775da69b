"""Reads YAML and remembers the line of each value.

PyYAML reads YAML 1.1. Numbers that only YAML 1.1 knows, in base 8 or 60 (``010``, ``12:30``), stay the text that was
written, as in YAML 1.2 and EVerest; everything else that it reads in its own way is refused later, where the type
that is wanted is known, with a hint to quote it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from evse_daemon.config.problems import Report, shortened

MAX_BYTES = 1 << 20
"""Largest file that is read."""

MAX_VALUES = 50_000
"""Most values in a document once its aliases are followed; without a bound a few lines can stand for billions."""

MAX_DEPTH = 50
"""Deepest nesting; EVerest's configurations have seven levels."""

_ONLY_YAML_1_1 = re.compile(r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the document."""

    value: Any
    """A scalar, ``list[Item]`` or ``dict[str, Item]``."""
    line: int
    """Where it begins, or where its key stands; counted from 1."""
    text: str | None = None
    """Of a scalar without quotes: what is written."""

    @property
    def mapping(self) -> dict[str, Item]:
        """The entries of a mapping; none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def sequence(self) -> list[Item]:
        """The items of a list; none of anything else."""
        return self.value if isinstance(self.value, list) else []

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def at(self, path: tuple[int | str, ...]) -> Item | None:
        """What stands at a path; None where nothing does."""
        item: Item | None = self
        for part in path:
            if item is None:
                return None
            if isinstance(part, int):
                item = item.sequence[part] if part < len(item.sequence) else None
            else:
                item = item.mapping.get(part)
        return item

    def describe(self) -> str:
        """The value as a message names it."""
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case None:
                return "nothing"
            case str():
                return f"the text {shortened(self.value)!r}"
            case bool():
                return "true" if self.value else "false"
            case dt.date():
                return f"the date {self.value}"
        return shortened(str(self.value))


TOO_DEEP = f"values are nested more than {MAX_DEPTH} levels deep"


class _TooMuch(Exception):  # noqa: N818 - ends the walk
    """A bound is exceeded; the text says which."""


class _Reader:
    def __init__(self, loader: Any, report: Report) -> None:
        self._loader = loader
        self._report = report
        self._values = 0

    def item(self, node: yaml.Node, path: str, line: int, depth: int = 0) -> Item:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooMuch(f"the file holds more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise _TooMuch(TOO_DEEP)
        if isinstance(node, yaml.MappingNode):
            return Item(self._entries(node, path, depth), line)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self.item(each, f"{path}[{index}]", line_of(each), depth + 1)
                for index, each in enumerate(node.value)
            ]
            return Item(items, line)
        if getattr(node, "style", None):
            return Item(node.value, line)
        return Item(self._scalar(node, path, line), line, node.value)

    def _entries(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Item]:
        entries: dict[str, Item] = {}
        for key_node, value_node in node.value:
            line = line_of(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._report.problem(line, path, "a key must be a name, not a list or mapping")
                continue
            key: str = key_node.value
            child = f"{path}.{key}" if path else key
            item = self.item(value_node, child, line, depth + 1)
            if key in entries:
                self._twice(child, entries[key], line)
            entries[key] = item
        return entries

    def _twice(self, path: str, first: Item, line: int) -> None:
        """Some of EVerest's own files repeat a key that was empty before; nothing is lost there."""
        key = path.rpartition(".")[2]
        message = f"{key!r} is given twice; first on line {first.line}"
        if first.value in (None, {}, []):
            self._report.warning(line, path, message, "the first is empty: remove it")
        else:
            self._report.problem(line, path, message, "join the two, or remove one")

    def _scalar(self, node: yaml.Node, path: str, line: int) -> Any:
        if _ONLY_YAML_1_1.fullmatch(node.value):
            return node.value
        try:
            return self._loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._report.problem(
                line, path, f"{shortened(node.value)!r} has the tag {node.tag}, which has no meaning here",
                "put the value in quotes, or remove the tag",
            )  # fmt: skip
            return node.value
        except ValueError:
            # A date that is in no calendar, a number of thousands of digits.
            return node.value


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def parse(text: str, report: Report) -> Item | None:
    """The document in a text; None where there is none, which the report then says."""
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(yaml.parse(text, Loader=loader_class))
        loader = loader_class(text)
        node = loader.get_single_node()
        if node is None:
            report.problem(
                None, "", "the file is empty", "it must hold `active_modules:`, see config/config-sim.yaml"
            )
            return None
        return _Reader(loader, report).item(node, "", line_of(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        report.root_cause(
            None if mark is None else mark.line + 1,
            "",
            f"this is not YAML: {error.problem}{context}",
            _advice(text, mark),
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report.root_cause(line, "", f"this is not YAML: {error.reason}", "remove the control character")
    except _TooMuch as error:
        report.root_cause(None, "", f"{error}; this cannot be a configuration")
    return None


def _check_depth(events: Iterable[yaml.Event]) -> None:
    """Before anything walks the document: libyaml's composer recurses in C and would end the process."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _TooMuch(TOO_DEEP)


def _advice(text: str, mark: yaml.Mark | None) -> str:
    """What to look at near the place where the reader gave up."""
    if mark is None:
        return ""
    lines = text.splitlines()
    near = lines[max(0, mark.line - 1) : mark.line + 1]
    if any("\t" in line[: len(line) - len(line.lstrip())] for line in near):
        return "indent with spaces; YAML allows no tabs there"
    return "look at the indentation, colons and quotes of this line and of the one before it"
