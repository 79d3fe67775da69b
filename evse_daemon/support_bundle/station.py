"""The parts of a bundle that tell of the station: configuration, sessions, errors, what it says of itself."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from evse_daemon.config import ConfigurationError, Problem, RunConfig, load
from evse_daemon.config.document import parse
from evse_daemon.config.environment import (
    DIALECT,
    EVEREST_PREFIX,
    EXTERNAL_PREFIX,
    HOST,
    PORT,
    SERVER_ADDRESS,
    SERVER_PORT,
    SOCKET_PATH,
)
from evse_daemon.config.problems import Report
from evse_daemon.config.units import state_folder
from evse_daemon.modules.local_allowlist_token_validator.allowlist import parse as parse_allowlist
from evse_daemon.store.journal import FILE_NAME
from evse_daemon.store.module_database import database_path
from evse_daemon.support_bundle import history
from evse_daemon.support_bundle.collecting import AbsentError, File, Part, ask
from evse_daemon.support_bundle.redaction import Redactor

VARIABLES = (
    SOCKET_PATH, HOST, PORT, EVEREST_PREFIX, EXTERNAL_PREFIX, SERVER_ADDRESS, SERVER_PORT, DIALECT,
)  # fmt: skip
"""Those of the environment that are shown; no other is looked at."""

LARGEST_FILE = 1 << 20
LARGEST_ANSWER = 2 << 20


class Station:
    """One station as its files describe it; ``learn`` comes first, so that its secrets are known to all parts."""

    def __init__(
        self,
        path: Path,
        state_dir: Path | None,
        environ: Mapping[str, str],
        redactor: Redactor,
    ) -> None:
        self.path = path
        self.redactor = redactor
        self._environ = environ
        self._given_state_dir = state_dir
        self._text = ""
        self._plain: Any = None
        """The file as it is written, where it can be read."""
        self._shown: Any = None
        self.config: RunConfig | None = None
        self.problems: tuple[Problem, ...] = ()

    @property
    def state_dir(self) -> Path:
        """Where the journal is."""
        configured = None if self.config is None else self.config.daemon.state_dir
        return state_folder(self.path, self._given_state_dir, configured)

    def learn(self) -> tuple[File, ...]:
        """Reads the configuration and what is secret; of the latter nothing is kept but to be left out."""
        with self.path.open("rb") as file:
            self._text = file.read(LARGEST_FILE).decode("utf-8", "replace")
        document = parse(self._text, Report(str(self.path)))
        if document is not None:
            self._plain = document.plain()
            for name, text in _texts(self._plain):
                self._learn_from(name, self.path.parent / text)
            self._shown = self.redactor.configuration(self._plain)
        try:
            self.config = load(self.path, self._environ)
        except ConfigurationError as error:
            self.problems = error.problems
        return ()

    def _learn_from(self, name: str, path: Path) -> None:
        if name == "password_file":
            self.redactor.learn(_lines(path))
        elif name == "allowlist_file":
            self.redactor.learn_cards(parse_allowlist("\n".join(_lines(path))).tokens)

    def parts(self) -> list[Part]:
        return [
            Part("configuration", self._configuration, 5),
            Part("environment", self._variables, 5),
            Part("check-config", self._check, 20),
            Part("sessions", self._sessions, 20),
            Part("errors", self._errors, 10),
            Part("explain", lambda: self._say(12, "explain", "--json", "--config", str(self.path)), 15),
            Part("doctor", lambda: self._say(35, "doctor", "--json", *self._where()), 40),
        ]

    def _where(self) -> tuple[str, ...]:
        """The file, and the folder that was given with it."""
        given = self._given_state_dir
        return (str(self.path), *(() if given is None else ("--state-dir", str(given))))

    def _configuration(self) -> Iterator[File]:
        if self._plain is None:
            raise AbsentError(f"{self.path} is no YAML, or was not read: see check-config")
        yield _yaml("configuration/as-written.yaml", self._shown)
        if self.config is not None:
            yield _yaml("configuration/as-used.yaml", self.redactor.configuration(_used(self.config)))

    def _variables(self) -> Iterator[File]:
        given = {name: self._environ[name] for name in VARIABLES if name in self._environ}
        shown = {
            name: self.redactor.configuration(value, "mqtt_broker_host") for name, value in given.items()
        }
        yield as_json("environment.json", shown)

    def _check(self) -> Iterator[File]:
        names = frozenset(_names(self._plain)) | frozenset(self.config.modules if self.config else ())
        warnings = self.config.warnings if self.config is not None else ()
        yield as_json(
            "check-config.json",
            {
                "ok": self.config is not None,
                "problems": [self._problem(problem, names) for problem in self.problems],
                "warnings": [self._problem(problem, names) for problem in warnings],
            },
        )

    def _problem(self, problem: Problem, names: frozenset[str]) -> dict[str, Any]:
        return {
            "line": problem.line,
            "path": self.redactor.text(problem.path),
            "message": self.redactor.problem(problem.message, names),
            "hint": self.redactor.problem(problem.hint, names),
        }

    def _sessions(self) -> Iterator[File]:
        found, count = history.records(self.state_dir / FILE_NAME, self.redactor)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in found)
        yield File("sessions.jsonl", lines.encode("utf-8", "replace"), cut=len(found) < count)

    def _errors(self) -> Iterator[File]:
        for module_id, entry in {} if self.config is None else self.config.modules.items():
            options = entry.implementation_options.get("error_history")
            if (named := getattr(options, "database_path", "")) and not entry.standalone:
                path = database_path(named, self.state_dir)
                yield as_json(f"errors-{module_id}.json", history.errors(path, self.redactor))
                return
        raise AbsentError("no ErrorHistory is configured; those that are active are in explain, if it runs")

    def _say(self, within_s: float, *arguments: str) -> Iterator[File]:
        """What another command of ours says, in a process of its own that can be ended."""
        if self.config is None:  # it would only repeat what is wrong, with the values
            raise AbsentError("the configuration cannot be used: see check-config")
        program = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            "from evse_daemon.cli.main import main\nsys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-I", "-X", "utf8", "-c", program, *arguments]
        said = ask(command, within_s, LARGEST_ANSWER, self._environ)
        if said.status == 2 and "invalid choice" in said.text:
            raise AbsentError(f"this version has no command {arguments[0]}")
        if said.status is None:
            said = dataclasses.replace(said, text=said.text + "\n(it was ended: it took too long)")
        try:
            yield as_json(f"{arguments[0]}.json", self.redactor.value(json.loads(said.text)), cut=said.cut)
        except ValueError:
            text = f"exit status {said.status}\n{self.redactor.text(said.text)}"
            yield File(f"{arguments[0]}.txt", text.encode("utf-8", "replace"), said.cut)


def as_json(name: str, value: Any, *, cut: bool = False) -> File:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return File(name, text.encode("utf-8", "replace"), cut)


def _yaml(name: str, value: Any) -> File:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return File(name, text.encode("utf-8", "replace"))


def _used(config: RunConfig) -> dict[str, Any]:
    """The configuration with its defaults and with what the environment overrides."""
    modules = {
        module_id: {
            "module": entry.cls.__name__,
            "config_module": _dump(entry.options),
            "config_implementation": {
                name: _dump(options) for name, options in entry.implementation_options.items()
            },
            "standalone": entry.standalone,
            "connections": {
                name: [connection._asdict() for connection in found]
                for name, found in entry.connections.items()
            },
        }
        for module_id, entry in config.modules.items()
    }
    return {"settings": _dump(config.settings), "daemon": _dump(config.daemon), "active_modules": modules}


def _dump(model: BaseModel) -> Any:
    return json.loads(model.model_dump_json(fallback=str))


def _lines(path: Path) -> list[str]:
    """The lines of a file with secrets; none where it may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _names(value: Any) -> Iterator[str]:
    """The keys of a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a document, each with the key that it stands under."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, str):
        yield name, value
