"""What is wrong with a configuration, said to the person who wrote it: where, what, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

MOST_SHOWN = 50
"""Problems that a rendered report shows; a file that is no configuration at all has thousands."""

LONGEST_VALUE = 60
"""Characters of a value of the file that a message repeats."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth a warning."""

    file: str
    """The file, or ``environment``."""
    line: int | None
    """Counted from 1; None where no line is to blame."""
    path: str
    """Where in the document: ``active_modules.auth.config_module.connection_timeout``."""
    message: str
    hint: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        lines = [f"{place}: {self.message}", *(f"    {line}" for line in self.hint.splitlines())]
        return "\n".join(lines)


class ConfigurationError(Exception):
    """The configuration cannot be used; ``problems`` names everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


class Report:
    """Collects the problems and warnings of one configuration."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.warnings: list[Problem] = []
        self._problems: list[Problem] = []
        self._root_causes: list[Problem] = []

    def problem(self, line: int | None, path: str, message: str, hint: str = "") -> None:
        self._problems.append(Problem(self.file, line, path, message, hint))

    def root_cause(self, line: int | None, path: str, message: str, hint: str = "") -> None:
        """A problem to be read first, since others may follow from it."""
        self._root_causes.append(Problem(self.file, line, path, message, hint))

    def environment(self, name: str, message: str, hint: str = "") -> None:
        """A problem with an environment variable."""
        self._problems.append(Problem("environment", None, name, f"{name}: {message}", hint))

    def warning(self, line: int | None, path: str, message: str, hint: str = "") -> None:
        self.warnings.append(Problem(self.file, line, path, message, hint))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the most useful first: root causes, then in the order of the file."""
        return (*self._root_causes, *sorted(self._problems, key=lambda problem: problem.line or 0))


def render(problems: Iterable[Problem]) -> str:
    """Problems as a text for the terminal."""
    lines = [str(problem) for problem in problems]
    shown = lines[:MOST_SHOWN]
    if len(lines) > MOST_SHOWN:
        shown.append(f"… and {len(lines) - MOST_SHOWN} more")
    return "\n".join(shown)


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def suggestion(name: str, known: Iterable[str], what: str) -> str:
    """A hint for a name that is not known: the nearest one, or all there are."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    if not names:
        return f"there are no {what}"
    return f"{what}: " + ", ".join(names)
