"""docs/asyncapi.yaml: the topics as an AsyncAPI 3.0 document, in the dialect ``documented``.

Each implementation of our module classes has its channels; the messages are those of its interface. What the
application sends is what the station publishes.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from evse_daemon import __version__
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.framework.interface import Command, Interface, Var
from evse_daemon.mqtt.dialects import DIALECTS
from evse_daemon.reference.declared import attribute_texts, classes, first_sentence, interfaces
from evse_daemon.reference.everest_api_topics import everest_api
from evse_daemon.reference.examples import TIME, UUID, Examples
from evse_daemon.reference.external_topics import EXTERNAL, ExternalTopic
from evse_daemon.reference.schemas import Schema, Schemas, adapters_of
from evse_daemon.reference.station_topics import CALLER, MODULE, STATION, TOPICS
from evse_daemon.types.error_lists import ERRORS

VERSION = "3.0.0"
HARDWARE = "Refused from MQTT, but from modules that the configuration connects."
_MQTT_BINDING = "0.2.0"
_SCHEMA = "#/components/schemas/{name}"
_DIALECT = DIALECTS["documented"]

_PARAMETERS: dict[str, Schema] = {
    "prefix": {"description": "The everest prefix.", "default": "everest"},
    "module": {"description": "Id of a module in the run configuration."},
    "caller": {
        "description": "Whoever called: the origin of the call.",
        "location": "$message.payload#/data/origin",
    },
    "evse": {"description": "Id of a module of the class EvseManager."},
    "ev": {"description": "Id of a module of the class EvManager."},
    "board": {"description": "Id of a module of the class YetiSimulator."},
    "connector_id": {"description": "The option connector_id of the module."},
    "station": {"description": "The everest prefix.", "default": "everest"},
    "kind": {"description": "The name of a module class of EVerest's API without _API."},
    "name": {"description": "The name of a variable."},
    "id": {"description": "Of a request."},
    "discovery_prefix": {"description": "Home Assistant's.", "default": "homeassistant"},
    "node_id": {"description": "Of the station: evse_daemon-everest.", "default": "evse_daemon-everest"},
    "object_id": {"description": "Id of a module of the class EvseManager, escaped."},
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def render() -> str:
    """The document as YAML."""
    head = "# Made from the declarations by `python -m evse_daemon.reference`; do not edit it.\n"
    return head + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def document() -> dict[str, Any]:
    """The document."""
    made = _Document(Schemas(adapters_of(list(interfaces().values())), _SCHEMA))
    for name, cls in classes().items():
        for key, provided in cls.provides.items():
            made.implementation(name, key, provided.interface)
    made.station()
    for topic in (*EXTERNAL, *everest_api()):
        made.external(topic)
    return made.whole()


class _Document:
    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._examples = Examples(schemas)
        self._channels: dict[str, Any] = {}
        self._operations: dict[str, Any] = {}
        self._messages: dict[str, Any] = {"error": _error_message()}

    def whole(self) -> dict[str, Any]:
        return {
            "asyncapi": VERSION,
            "info": {
                "title": "evse-daemon",
                "version": __version__,
                "description": (
                    "The topics of the charger, in the dialect `documented`; the other dialects and what the kinds of "
                    "variables mean are in topics.md."
                ),
                "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            },
            "defaultContentType": "application/json",
            "servers": {"local": {"host": "localhost:1883", "protocol": "mqtt", "protocolVersion": "3.1.1"}},
            "channels": self._channels,
            "operations": self._operations,
            "components": {
                "messages": self._messages,
                "parameters": _PARAMETERS,
                "schemas": self._used_schemas(),
            },
        }

    def implementation(self, module_class: str, key: str, interface: type[Interface]) -> None:
        """The channels of one implementation of a module class."""
        where = f"{module_class}.{key}"
        texts = attribute_texts(interface)
        for variable in interface.vars.values():
            message = self._var_message(interface, variable)
            self._channel(
                f"{where}.var.{variable.name}",
                TOPICS.var(MODULE, key, variable.name),
                message,
                first_sentence(texts.get(variable.name, "")) or f"Variable of kind {variable.kind}.",
            )
            self._operation(
                f"{where}.var.{variable.name}", "send", message, variable.qos, retain=variable.retain
            )
        for command in interface.commands.values():
            self._command(where, key, interface, command)
        for namespace in interface.error_namespaces:
            channel = f"{where}.error.{namespace}"
            address = TOPICS.error(MODULE, key, f"{namespace}/{{error}}")
            self._channel(channel, address, "error", f"Errors {namespace}, raised or cleared.")
            names = sorted(ERRORS[namespace])
            self._channels[channel]["parameters"]["error"] = {"description": "Its name.", "enum": names}
            self._operation(channel, "send", "error", _DIALECT.error_delivery.qos)

    def station(self) -> None:
        """The topics of no interface that the dialect has; those with standalone modules need another dialect."""
        for topic in STATION:
            if topic.name == "module_metadata":
                continue
            channel = f"station.{topic.name}"
            self._messages[channel] = _message_of_texts(topic.examples)
            self._channel(channel, topic.topic, channel, topic.says)
            action = "receive" if topic.by == "client" else "send"
            self._operation(channel, action, channel, topic.qos, retain=topic.retain)

    def external(self, topic: ExternalTopic) -> None:
        """A topic outside the module tree."""
        direction = "var" if topic.by == "station" else "cmd"
        channel = f"{topic.module_class}.{direction}.{topic.name.strip('{}')}"
        if channel in self._channels:  # the same name elsewhere: of one module and of all, or of another flow
            channel += "_too"
        self._messages[channel] = _message_of_texts((topic.example,))
        self._channel(channel, topic.topic, channel, topic.payload)
        action = "send" if topic.by == "station" else "receive"
        self._operation(channel, action, channel, topic.qos)

    def _command(self, where: str, key: str, interface: type[Interface], command: Command[..., Any]) -> None:
        call, answer = f"{where}.cmd.{command.name}", f"{where}.result.{command.name}"
        names = self._call_message(interface, command), self._result_message(interface, command)
        text = first_sentence(command.doc) + (f" {HARDWARE}" if interface.hardware else "")
        self._channel(call, TOPICS.command(MODULE, key, command.name), names[0], text)
        response = TOPICS.response(MODULE, key, command.name, CALLER)
        self._channel(answer, response, names[1], f"Answers to {command.name}.")
        self._operation(call, "receive", names[0], _DIALECT.command_delivery.qos)
        self._operations[call]["reply"] = {
            "channel": {"$ref": f"#/channels/{answer}"},
            "messages": [{"$ref": f"#/channels/{answer}/messages/{names[1]}"}],
        }

    def _channel(self, channel: str, address: str, message: str, text: str) -> None:
        assert channel not in self._channels, channel
        self._channels[channel] = {
            "address": address,
            "description": text,
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
            "parameters": {
                name: {"$ref": f"#/components/parameters/{name}"}
                for name in _PARAMETERS
                if f"{{{name}}}" in address
            },
        }

    def _operation(self, channel: str, action: str, message: str, qos: int, *, retain: bool = False) -> None:
        binding = {"qos": qos, "retain": retain, "bindingVersion": _MQTT_BINDING}
        self._operations[channel] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
            "bindings": {"mqtt": binding},
        }

    def _var_message(self, interface: type[Interface], variable: Var[Any]) -> str:
        example = _DIALECT.var(self._examples.of_var(variable))
        schema = _envelope("Var", self._schemas.of(variable))
        return self._message(f"{interface.interface_name}.var.{variable.name}", schema, example)

    def _call_message(self, interface: type[Interface], command: Command[..., Any]) -> str:
        arguments = {name: self._schemas.of((command, name)) for name in command.arguments}
        schema = _envelope("Cmd", _object({"id": _ID, "origin": _ORIGIN, "args": _object(arguments)}))
        example = _DIALECT.command(UUID, "me", self._examples.of_arguments(command))
        return self._message(f"{interface.interface_name}.cmd.{command.name}", schema, example)

    def _result_message(self, interface: type[Interface], command: Command[..., Any]) -> str:
        origin = {"type": "string", "description": "Id of the module that answers."}
        result = _object({"id": _ID, "origin": origin, "retval": self._schemas.of((command, None))})
        failure = _object({"id": _ID, "origin": origin, "error": _FAILURE})
        schema = _envelope("CmdResult", {"oneOf": [result, failure]})
        example = _DIALECT.result(command.name, UUID, "module", self._examples.of_result(command))
        return self._message(f"{interface.interface_name}.result.{command.name}", schema, example)

    def _message(self, name: str, schema: Schema, example: Any) -> str:
        self._messages[name] = {"name": name, "payload": schema, "examples": [{"payload": example}]}
        return name

    def _used_schemas(self) -> dict[str, Schema]:
        """Those that a message refers to, or another of them does."""
        found: dict[str, Schema] = {}
        waiting = [self._messages]
        while waiting:
            for name in _references(waiting.pop()):
                if name not in found:
                    found[name] = self._schemas.definitions[name]
                    waiting.append(found[name])
        return dict(sorted(found.items()))


_ID: Schema = {"description": "Chosen by the caller, echoed in the answer.", "type": "string"}
_ORIGIN: Schema = {
    "description": "Name of the caller; the last part of the answer's topic.",
    "type": "string",
}
_EVENTS = [
    "MessageParsingFailed",
    "SchemaValidationFailed",
    "HandlerException",
    "Timeout",
    "Shutdown",
    "NotReady",
]


def _object(parts: dict[str, Schema]) -> Schema:
    found: Schema = {"type": "object", "properties": parts}
    return found | ({"required": list(parts)} if parts else {})


_FAILURE = _object({"event": {"type": "string", "enum": _EVENTS}, "msg": {"type": "string"}})


def _envelope(msg_type: str, data: Schema) -> Schema:
    return _object({"data": data, "msg_type": {"const": msg_type}})


def _error_message() -> dict[str, Any]:
    error = Error(
        type="ac_rcd/DC",
        message="a residual direct current of 7 mA",
        severity="High",
        module_id="yeti_driver",
        implementation_id="rcd",
        timestamp=TIME,
        mapping=Mapping(1, 1),
        uuid=UUID,
    )
    example = _DIALECT.error(error)
    text: Schema = {"type": "string"}
    data = _object({key: text for key in example["data"] if key != "origin"})
    data["properties"] |= {
        "severity": {"type": "string", "enum": ["High", "Medium", "Low"]},
        "state": {"type": "string", "enum": ["Active", "ClearedByModule", "ClearedByReboot"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "origin": _object({"module_id": text, "implementation_id": text}),
    }
    data["properties"]["origin"]["properties"]["mapping"] = {
        "type": "object",
        "properties": {"evse": {"type": "integer"}, "connector": {"type": "integer"}},
        "required": ["evse"],
    }
    data["required"].append("origin")
    kind: Schema = {"type": "string", "enum": ["RaiseError", "ClearError"]}
    return {
        "name": "error",
        "payload": _object({"data": data, "msg_type": kind}),
        "examples": [{"payload": example}],
    }


def _message_of_texts(examples: tuple[str, ...]) -> dict[str, Any]:
    """A message that is declared by examples: JSON where they are objects or lists, else text."""
    values = [_parsed(example) for example in examples]
    if all(isinstance(value, dict | list) for value in values):
        kind = "object" if isinstance(values[0], dict) else "array"
        return {"payload": {"type": kind}, "examples": [{"payload": value} for value in values]}
    return {
        "contentType": "text/plain",
        "payload": {"type": "string"},
        "examples": [{"payload": example} for example in examples],
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [name for item in part for name in _references(item)]
    if not isinstance(part, dict):
        return []
    before = _SCHEMA.partition("{name}")[0]
    own = str(part.get("$ref", ""))
    found = [own.removeprefix(before)] if own.startswith(before) else []
    return found + [name for item in part.values() for name in _references(item)]
