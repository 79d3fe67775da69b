"""docs/topics.md: every topic with payload, QoS, retain flag and an example."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from evse_daemon.framework.calls import CallError
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.framework.interface import Command, Interface, Var
from evse_daemon.mqtt.dialects import DIALECTS, Documented, to_json
from evse_daemon.reference.declared import attribute_texts, class_text, classes, first_sentence, interfaces
from evse_daemon.reference.everest_api_topics import everest_api
from evse_daemon.reference.examples import TIME, UUID, Examples
from evse_daemon.reference.external_topics import EXTERNAL, ExternalTopic
from evse_daemon.reference.schemas import Schemas, adapters_of
from evse_daemon.reference.signatures import type_text
from evse_daemon.reference.station_topics import (
    CALLER,
    IMPLEMENTATION,
    MANAGER,
    MODULE,
    NAME,
    PREFIX,
    STATION,
    TOPICS,
    StationTopic,
)
from evse_daemon.types.error_lists import error_types

HEAD = f"""# The topics

Every topic of the daemon: who publishes it, what is in it, and how it is delivered. Made from the declarations in
`evse_daemon/interfaces`, `types`, `mqtt` and the module classes by `python -m evse_daemon.reference`; do not edit it. The
same for programs is [asyncapi.yaml](asyncapi.yaml); what a module class can be set to is in [manifests](manifests).

`{PREFIX}` is the everest prefix (`everest`, without braces, where nothing else is set), `{MODULE}` the id of a module in the
run configuration, `{IMPLEMENTATION}` the id of one of its implementations. QoS and retain flag are those of the dialect
`documented`; in `everest` all of the module tree is QoS 2 and nothing is retained. How commands are called, and what can go
wrong, is in [commands.md](commands.md); to look on, `evse-daemon watch` ([watch.md](watch.md)).
"""

KINDS = """What the kinds mean: of a `state` the latest value counts, and it is published again after each connection to the
broker; each `event` counts, none is dropped; of `telemetry` there is much, and only the latest is kept where somebody is slow.
"""


def render() -> str:
    """The page, in Markdown."""
    schemas = Schemas(adapters_of(list(interfaces().values())), "{name}")
    page = _Page(schemas)
    names = " · ".join(_link(name) for name in interfaces())
    parts = [HEAD, *page.overview(), *page.dialects(), *page.station(), *page.classes(), names, "", KINDS]
    for interface in interfaces().values():
        parts += page.interface(interface)
    parts += page.external()
    return "\n".join(parts)


class _Page:
    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._examples = Examples(schemas)
        self._provided = {
            interface: [
                f"{name}/{key}"
                for name, cls in classes().items()
                for key, provided in cls.provides.items()
                if provided.interface is interface
            ]
            for interface in interfaces().values()
        }

    def overview(self) -> list[str]:
        where = (MODULE, IMPLEMENTATION)
        rows = [
            (
                _code(TOPICS.var(*where, NAME)),
                "a variable: what a module says",
                "by kind",
                _link("Interfaces"),
            ),
            (_code(TOPICS.command(*where, NAME)), "a call of a command", "1", _link("Interfaces")),
            (_code(TOPICS.response(*where, NAME, CALLER)), "its answer", "1", _link("Interfaces")),
            (
                _code(TOPICS.error(*where, "{namespace}/{Name}")),
                "an error, raised or cleared",
                "1",
                "[errors.md](errors.md)",
            ),
        ]
        rows += [
            (_code(topic.topic), topic.says, _delivery(topic.qos, topic.retain), _link("The daemon itself"))
            for topic in STATION
        ]
        rows += [
            (
                _code(topic.topic),
                topic.says,
                _delivery(topic.qos, topic.retain),
                _link("With standalone modules"),
            )
            for topic in MANAGER
        ]
        rows += [
            (
                _code(topic.topic),
                topic.payload,
                _delivery(topic.qos) if topic.by == "station" else "from clients",
                _link(f"Of {topic.module_class}"),
            )
            for topic in (*EXTERNAL, *everest_api())
        ]
        return ["## Overview", "", *_table(("Topic", "What", "QoS", "More"), rows)]

    def dialects(self) -> list[str]:
        parts = [
            "## The forms of a message",
            "",
            "`daemon.mqtt_dialect` or `EV_MQTT_DIALECT` chooses what is published; every form is understood.",
            "",
        ]
        for title, messages in (
            ("A variable", {name: _var(dialect) for name, dialect in DIALECTS.items()}),
            ("A call", {name: _call(dialect) for name, dialect in DIALECTS.items()}),
            ("Its result", {name: _result(dialect) for name, dialect in DIALECTS.items()}),
            ("An error instead of a result", {name: _failure(dialect) for name, dialect in DIALECTS.items()}),
            ("An error that is raised", {name: _error(dialect) for name, dialect in DIALECTS.items()}),
        ):
            parts += [f"### {title}", ""]
            by_text: dict[str, list[str]] = {}
            for name, text in messages.items():
                by_text.setdefault(text, []).append(name)
            for text, names in by_text.items():
                parts += [f"{' and '.join(_code(name) for name in names)}:", "", f"    {text}", ""]
        return parts

    def station(self) -> list[str]:
        head = ("Topic", "What", "QoS", "Payload")
        return [
            "## The daemon itself",
            "",
            *_table(head, map(_station_row, STATION)),
            "## With standalone modules",
            "",
            "Where the run configuration has modules of other processes (`standalone: true`), the daemon is their manager. The",
            "dialect is then `everest`. What is retained is cleared when every module is ready. The examples are as EVerest 2026.10",
            "writes them; from 2025.12 to 2026.02 the `msg_type` was `GetConfig` and `GetConfigResponse`.",
            "",
            *_table(head, map(_station_row, MANAGER)),
        ]

    def classes(self) -> list[str]:
        rows = [
            (
                f"[{name}](manifests/{name}.yaml)",
                class_text(cls),
                ", ".join(
                    f"{_code(key)}: {_link(provided.interface.interface_name)}"
                    for key, provided in cls.provides.items()
                ),
            )
            for name, cls in classes().items()
        ]
        return [
            "## Module classes",
            "",
            *_table(("Class", "What it does", "Implementations and their interfaces"), rows),
            "## Interfaces",
            "",
        ]

    def interface(self, interface: type[Interface]) -> list[str]:
        provided = self._provided[interface]
        by = ", ".join(_code(name) for name in provided) if provided else "none of our module classes"
        parts = [
            f"### {interface.interface_name}",
            "",
            f"{first_sentence(interface.__doc__ or '')} Provided by {by}.",
        ]
        if interface.hardware:
            parts.append(
                "Hardware: commands are refused from MQTT, but from modules that the configuration connects."
            )
        parts.append("")
        texts = attribute_texts(interface)
        if interface.vars:
            rows = [self._var_row(variable, texts.get(name, "")) for name, variable in interface.vars.items()]
            parts += _table(("Variable", "Kind", "QoS", "Type", "Example", ""), rows)
        if interface.commands:
            rows = [self._command_row(command) for command in interface.commands.values()]
            parts += _table(("Command", "Arguments", "Result", "Time-out", ""), rows)
        if interface.error_namespaces:
            names = sorted(error_types(interface.error_namespaces))
            parts += [f"Errors: {', '.join(_code(name) for name in names)}.", ""]
        return parts

    def _var_row(self, variable: Var[Any], text: str) -> tuple[str, ...]:
        example = _json(self._examples.of_var(variable))
        return (
            _code(variable.name),
            str(variable.kind),
            _delivery(variable.qos, variable.retain),
            type_text(self._schemas, self._schemas.of(variable)),
            _code(example),
            first_sentence(text),
        )

    def _command_row(self, command: Command[..., Any]) -> tuple[str, ...]:
        example = _code(_json(self._examples.of_arguments(command))) if command.arguments else "none"
        result = type_text(self._schemas, self._schemas.of((command, None)))
        return (
            _code(command.name),
            example,
            "nothing" if result == "null" else result,
            f"{command.timeout_s:g} s",
            first_sentence(command.doc),
        )

    def external(self) -> list[str]:
        parts = [
            "## Topics for other programs",
            "",
            "The external prefix, if there is one, comes before each. `{evse}` is the module id of an EvseManager, `{ev}` of",
            "an EvManager, `{connector_id}` the option of that name of the module, `{station}` the everest prefix. Nothing is retained. What",
            "clients publish is taken at any QoS; retained messages are refused, and so is everything before the station is",
            "ready.",
            "",
            "Of EverestAPI is what all module classes whose names end in `_API` have; [everest-api.md](everest-api.md) tells how they",
            "are used. `{kind}` is such a name without `_API`.",
            "",
        ]
        external = (*EXTERNAL, *everest_api())
        for name in dict.fromkeys(topic.module_class for topic in external):
            topics = [topic for topic in external if topic.module_class == name]
            parts += [f"### Of {name}", ""]
            for title, by in (("Published", "station"), ("From clients", "client")):
                rows = [_external_row(topic) for topic in topics if topic.by == by]
                if rows:
                    parts += _table((title, "QoS" if by == "station" else "", "What", "Example"), rows)
        return parts


def _station_row(topic: StationTopic) -> tuple[str, ...]:
    by = "" if topic.by == "station" else f" (from the {topic.by})"
    return (
        _code(topic.topic),
        topic.says + by,
        _delivery(topic.qos, topic.retain),
        " ".join(_code(example) for example in topic.examples),
    )


def _external_row(topic: ExternalTopic) -> tuple[str, ...]:
    example = _code(topic.example) if topic.example else "(empty)"
    return (
        _code(topic.topic),
        str(topic.qos) if topic.by == "station" else "",
        topic.payload,
        example,
    )


# One message in each form.


def _var(dialect: Documented) -> str:
    return to_json(dialect.var(True)).decode()


def _call(dialect: Documented) -> str:
    return to_json(dialect.command(UUID, "me", {"connector_id": 1})).decode()


def _result(dialect: Documented) -> str:
    return to_json(dialect.result("force_unlock", UUID, "evse_manager", retval=True)).decode()


def _failure(dialect: Documented) -> str:
    error = CallError("SchemaValidationFailed", "connector_id: argument missing")
    return to_json(dialect.error_result("force_unlock", UUID, "evse_manager", error)).decode()


def _error(dialect: Documented) -> str:
    error = Error(
        type="ac_rcd/DC",
        message="a residual direct current of 7 mA",
        description="",
        severity="High",
        module_id="yeti_driver",
        implementation_id="rcd",
        timestamp=TIME,
        mapping=Mapping(1, 1),
        uuid=UUID,
    )
    return to_json(dialect.error(error)).decode()


# Markdown.


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines] + [""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


def _link(title: str) -> str:
    return f"[{title}](#{title.lower().replace(' ', '-')})"


def _delivery(qos: int, retain: bool = False) -> str:
    return f"{qos}, retained" if retain else str(qos)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
