"""A stand-in for EVerest's real manager, written from the reference (§3.3, §4, §6): it dies where a real one dies."""

from __future__ import annotations

import json
from typing import Any

from tests.support.foreign_module import MESSAGE_TYPES, ForeignClient, compact


class ForeignManager:
    """Manages standalone modules; connect its ``hear`` to a client, then ``start``.

    Args:
        modules: what it answers to Get/Module, by module id.
        names: all modules of the station.
    """

    def __init__(
        self,
        modules: dict[str, dict[str, Any]],
        names: dict[str, str],
        generation: str = "ConfigurationRequest",
    ) -> None:
        self.client: ForeignClient
        self.died = ""
        self.ready: set[str] = set()
        self.released = 0
        self.asked: list[str] = []
        self.answers: list[Any] = []
        self.heard: list[tuple[str, Any]] = []
        self._modules = modules
        self._names = names
        self._generation = generation
        self._response = {"GetConfig": "GetConfigResponse"}.get(generation, "ConfigurationResponse")
        self._retained: list[str] = []

    def start(self) -> None:
        self.client.subscribe("everest/config/request")
        for module_id in self._modules:
            self.client.subscribe(f"everest/modules/{module_id}/ready")
            self.client.subscribe(f"everest/modules/{module_id}/impl/+/var/+")
            self.client.subscribe(f"everest/modules/{module_id}/impl/+/cmd/+/response/evse_manager")
        for name, data in (("interfaces", []), ("module_names", self._names)):
            topic = f"everest/{name}"
            self._retained.append(topic)
            self.client.publish(topic, compact({"data": data, "msg_type": self._response}), retain=True)

    def call(self, topic: str, arguments: dict[str, Any], origin: str = "evse_manager") -> None:
        """A module of the station calls one of the standalone modules."""
        data = {"args": arguments, "id": f"{topic}-{len(self.answers)}", "origin": origin}
        self.client.publish(f"everest/modules/{topic}", compact({"data": data, "msg_type": "Cmd"}))

    def shut_down(self) -> None:
        self.client.publish("everest/shutdown", "true")

    def hear(self, topic: str, payload: bytes, retain: bool) -> None:
        del retain
        if self.died:
            return
        message = json.loads(payload)
        msg_type, data = message["msg_type"], message["data"]
        if (
            msg_type
            in (MESSAGE_TYPES["GetConfig"] | MESSAGE_TYPES["ConfigurationRequest"])
            - MESSAGE_TYPES[self._generation]
        ):
            self.died = f"unknown msg_type {msg_type}"
        elif topic == "everest/config/request":
            self._asked(data)
        elif topic.endswith("/ready"):
            self._told_ready(topic.split("/")[2], data)
        elif msg_type == "CmdResult":
            self.answers.append(data["data"])
        else:
            self.heard.append((topic, data))

    def _asked(self, data: dict[str, Any]) -> None:
        origin = data["origin"]
        self.asked.append(origin)
        answer = {
            "response": {"data": self._modules[origin], "type": "Module"},
            "status": "Ok",
            "status_info": "",
            "type": "Get",
        }
        message = compact({"data": answer, "msg_type": self._response})
        self.client.publish(f"everest/modules/{origin}/response", message)

    def _told_ready(self, module_id: str, data: bool) -> None:
        if not isinstance(data, bool):
            self.died = "ModuleReady with no bool"
            return
        self.ready.add(module_id)
        if self.ready == set(self._modules):
            for topic in self._retained:
                self.client.publish(topic, b"", 0, retain=True)
            self._retained.clear()
            self.released += 1
            self.client.publish("everest/ready", compact({"data": True, "msg_type": "GlobalReady"}))


def module_config(
    module_id: str,
    module_name: str,
    parameters: dict[str, list[tuple[str, str, Any]]],
    connections: dict[str, list[tuple[str, str]]] | None = None,
) -> dict[str, Any]:
    """What a manager answers to Get/Module (§5.2); parameters as (name, datatype, value) by implementation."""
    return {
        "mappings": {module_id: {"module": {"evse": 1}}},
        "module_config": {
            "access": None,
            "configuration_parameters": {
                block: [
                    {
                        "characteristics": {"datatype": datatype, "mutability": "ReadOnly"},
                        "name": name,
                        "value": value,
                    }
                    for name, datatype, value in listed
                ]
                for block, listed in parameters.items()
            },
            "connections": {
                name: [
                    {"implementation_id": implementation, "module_id": module, "requirement": {"id": name}}
                    for module, implementation in targets
                ]
                for name, targets in (connections or {}).items()
            },
            "mapping": {"module": {"evse": 1}},
            "module_id": module_id,
            "module_name": module_name,
            "standalone": True,
            "telemetry_enabled": False,
        },
    }
