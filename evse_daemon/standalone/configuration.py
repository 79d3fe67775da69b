"""The manager's answers to what modules ask about the configuration, with EVerest's access rules. Pure.

Source: F/lib/mqtt_config_service.cpp:29-64 (access), 515-853 (answers), with captures of the real manager.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evse_daemon.standalone import config_messages as messages
from evse_daemon.standalone import definitions
from evse_daemon.standalone.config_messages import Generation, Identifier
from evse_daemon.standalone.definitions import Described, Parameter


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is complete."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is to be stored, then told to the module where that can be done while it runs."""

    identifier: Identifier
    parameter: Parameter
    text: str
    at_run_time: bool


class Configuration:
    """The configuration of a station as its modules may see and change it.

    Args:
        generation: of the messages.
        modules: all modules, by id; stored changes are put into them.
    """

    def __init__(self, generation: Generation, modules: dict[str, Described]) -> None:
        self._generation = generation
        self._modules = modules

    def answer(self, asked: messages.Asked) -> Reply | Change:
        """What to do about a request."""
        generation, request = self._generation, asked.request
        if asked.origin not in self._modules:
            return Reply(messages.unknown_origin(generation, asked.origin))
        match request:
            case messages.GetModule():
                data: Any = definitions.module_response(asked.origin, self._modules)
                return Reply(messages.got(generation, "Module", data))
            case messages.GetAllMappings():
                data = {name: definitions.mapping_of(each.config) for name, each in self._modules.items()}
                return Reply(messages.got(generation, "AllMappings", data))
            case messages.GetAll():
                data = {
                    name: definitions.parameters_as_json(
                        each.parameters, writable=self._may(asked.origin, name, "set_read_only")
                    )
                    for name, each in self._modules.items()
                    if self._may(asked.origin, name, "read")
                }
                return Reply(messages.got(generation, "All", data))
            case messages.GetValue(identifier):
                return Reply(self._value(asked.origin, identifier))
            case messages.SetValue(identifier, text):
                return self._set(asked.origin, identifier, text)

    def store(self, change: Change) -> None:
        """Takes over a value that was stored."""
        block = self._modules[change.identifier.module_id].parameters[change.identifier.implementation_id]
        block[change.identifier.parameter] = change.parameter

    def restore(self, module_id: str, stored: Mapping[str, Mapping[str, str]]) -> None:
        """Takes over what a former run has stored for a module; what does not fit any more is left out."""
        for implementation_id, values in stored.items():
            for name, text in values.items():
                identifier = Identifier(module_id, name, implementation_id)
                parameter = self._find(identifier)
                if parameter is None:
                    continue
                try:
                    self.store(Change(identifier, parsed(parameter, text), text, at_run_time=False))
                except ValueError:
                    continue

    def _value(self, origin: str, identifier: Identifier | None) -> bytes:
        if identifier is None:
            return messages.got(self._generation, "Value", None, "Error", "No identifier provided")
        if not self._may(origin, identifier.module_id, "read"):
            return messages.got(self._generation, "Value", None, "AccessDenied", _denied(origin, identifier))
        parameter = self._find(identifier)
        if parameter is None:
            return messages.got(self._generation, "Value", None, "Error")
        return messages.got(self._generation, "Value", parameter.as_json())

    def _set(self, origin: str, identifier: Identifier, text: str) -> Reply | Change:
        if not self._may(origin, identifier.module_id, "write"):
            return self._rejected("", "AccessDenied", _denied(origin, identifier))
        name, module_id = identifier.parameter, identifier.module_id
        parameter = self._find(identifier)
        if parameter is None:
            return self._rejected(
                f"Unknown parameter: {name} in module: {module_id}",
                "Error",
                f"Config parameter {name} not found in module {module_id}",
            )
        if not self._modules[module_id].config.standalone:
            reason = f"{module_id} runs inside of evse-daemon: change {name} in its configuration file, and reload that"
            return self._rejected(reason, "Ok", reason)
        try:
            changed = parsed(parameter, text)
        except ValueError as error:
            return self._rejected(str(error), "Ok", str(error))
        at_run_time = parameter.mutability == "ReadWrite" and self._generation.runtime_set
        return Change(identifier, changed, text, at_run_time)

    def _rejected(self, reason: str, status: messages.Status, info: str) -> Reply:
        return Reply(messages.was_set(self._generation, "Rejected", reason, status, info))

    def _find(self, identifier: Identifier) -> Parameter | None:
        described = self._modules.get(identifier.module_id)
        if described is None:
            return None
        return described.parameters.get(identifier.implementation_id, {}).get(identifier.parameter)

    def _may(self, origin: str, module_id: str, what: str) -> bool:
        """Whether one module may ``read``, ``write`` or ``set_read_only`` another's parameters; its own always."""
        rules = self._modules[origin].config.access.get("config")
        if origin == module_id and what != "set_read_only":
            return True
        if not isinstance(rules, dict):
            return False
        of_all = rules.get("allow_set_read_only" if what == "set_read_only" else f"allow_global_{what}")
        of_one = rules.get("modules", {}).get(module_id, {}).get(f"allow_{what}")
        return of_all is True or of_one is True


def _denied(origin: str, identifier: Identifier) -> str:
    return f"Access to config item denied: {origin} cannot access {identifier.module_id}"


def parsed(parameter: Parameter, text: str) -> Parameter:
    """A parameter with a new value; raises ValueError."""
    value = _value_of(parameter.datatype, text)
    if value is None:
        raise ValueError(f"Failed to parse config value '{text[:100]}' as type {parameter.datatype}")
    return replace(parameter, value=value)


def _value_of(datatype: str, text: str) -> str | int | float | bool | None:
    """A text as the value that it stands for; None where it stands for none."""
    try:
        match datatype:
            case "bool":
                return text in ("true", "1")
            case "integer":
                integer = int(text)
                return integer if -(2**63) <= integer < 2**63 else None
            case "number":
                number = float(text)
                return number if math.isfinite(number) else None
    except ValueError:
        return None
    return text
