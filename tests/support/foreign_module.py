"""A stand-in for a real EVerest module of another process, written from the reference (§3.3, §6).

It starts as a real one does, one definition after the other, and it dies where a real one dies: of a message type that
it does not know, and of a second answer to the same question.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

MESSAGE_TYPES = {
    "GetConfig": {"GetConfig", "GetConfigResponse"},
    "ConfigurationRequest": {"ConfigurationRequest", "ConfigurationResponse"},
}
RUNTIME_TYPES = {"Var", "Cmd", "CmdResult", "RaiseError", "ClearError", "ModuleReady", "GlobalReady"}


class ForeignClient(Protocol):
    """A connection to a broker."""

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...

    def publish(self, topic: str, payload: str | bytes, qos: int = 2, *, retain: bool = False) -> None: ...


def compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


class ForeignModule:
    """One module; connect its ``hear`` to a client, then ``boot``.

    Args:
        provides: the commands of each implementation.
        answer: makes the result of a command from implementation, command and arguments.
        generation: the name of its configuration requests.
    """

    def __init__(
        self,
        module_id: str,
        provides: dict[str, list[str]],
        answer: Callable[[str, str, dict[str, Any]], Any],
        generation: str = "ConfigurationRequest",
    ) -> None:
        self.module_id = module_id
        self.client: ForeignClient
        self.died = ""
        self.ready_seen = 0
        self.shutdown_seen = 0
        self.config: dict[str, Any] | None = None
        self.definitions: dict[str, Any] = {}
        self.commands: list[tuple[str, str, dict[str, Any]]] = []
        self.retained_commands = 0
        self.silent = False
        """It answers nothing: what it should have answered is in ``held``."""
        self.boot_step = True
        """False: it stands still after its first answer until ``go_on``."""
        self.held: list[tuple[str, str]] = []
        self.results: list[Any] = []
        self._provides = provides
        self._answer = answer
        self._known = RUNTIME_TYPES | MESSAGE_TYPES[generation]
        self._request = generation
        self._waits_for: list[str] = []
        self._asking: str | None = None

    def boot(self) -> None:
        self._ask(f"everest/modules/{self.module_id}/response")
        request = {"origin": self.module_id, "request": {"type": "Module"}, "type": "Get"}
        self.publish("config/request", self._request, request)

    def go_on(self) -> None:
        self.boot_step = True
        self._ask("everest/" + self._waits_for.pop(0))

    def publish(self, topic: str, msg_type: str, data: Any) -> None:
        self.client.publish("everest/" + topic, compact({"data": data, "msg_type": msg_type}))

    def var(self, implementation: str, name: str, value: Any) -> None:
        self.publish(f"modules/{self.module_id}/impl/{implementation}/var/{name}", "Var", {"data": value})

    def call(self, module: str, implementation: str, command: str, arguments: dict[str, Any]) -> None:
        topic = f"modules/{module}/impl/{implementation}/cmd/{command}"
        self.client.subscribe(f"everest/{topic}/response/{self.module_id}")
        data = {"args": arguments, "id": f"call-{len(self.results)}", "origin": self.module_id}
        self.publish(topic, "Cmd", data)

    def release(self) -> None:
        """Everything that was held back is answered now."""
        for topic, payload in self.held:
            self.client.publish(topic, payload)
        self.held.clear()

    def hear(self, topic: str, payload: bytes, retain: bool) -> None:
        if self.died:
            return
        if topic == "everest/shutdown":
            self.shutdown_seen += 1
            return
        if not payload:
            return
        message = json.loads(payload)
        msg_type, data = message["msg_type"], message["data"]
        if msg_type not in self._known:
            self.died = f"unknown msg_type {msg_type}"
        elif msg_type in ("ConfigurationResponse", "GetConfigResponse"):
            self._configured(topic, data)
        elif msg_type in ("ConfigurationRequest", "GetConfig"):
            response = {"status": "Accepted", "status_info": ""}
            answer = {"response": response, "status": "Ok", "status_info": "", "type": "Set"}
            self.publish(f"modules/{self.module_id}/config/set_response", "ConfigurationResponse", answer)
        elif msg_type == "GlobalReady":
            self.ready_seen += 1
        elif msg_type == "Cmd":
            self.retained_commands += retain
            self._command(topic, data)
        elif msg_type == "CmdResult":
            self.results.append(data["data"])

    def _ask(self, topic: str) -> None:
        self._asking = topic
        self.client.subscribe(topic)

    def _configured(self, topic: str, data: Any) -> None:
        if topic != self._asking:
            self.died = f"an answer that was not asked for: {topic}"
            return
        self.client.unsubscribe(topic)
        self._asking = None
        name = topic.removeprefix("everest/")
        if name.endswith("/response"):
            self.config = data["response"]["data"]
            self._waits_for = ["interfaces", "types", "settings", "module_names"]
        else:
            self.definitions[name] = data
        if name == "interfaces":
            self._waits_for += [f"interface_definitions/{each}" for each in data]
        if name == "module_names":
            self._waits_for += [f"manifests/{each}" for each in sorted(set(data.values()))]
        if not self.boot_step:
            return
        if self._waits_for:
            self._ask("everest/" + self._waits_for.pop(0))
        else:
            self._booted()

    def _booted(self) -> None:
        self.client.subscribe("everest/ready")
        self.client.subscribe("everest/shutdown")
        for implementation, commands in self._provides.items():
            for command in commands:
                self.client.subscribe(f"everest/modules/{self.module_id}/impl/{implementation}/cmd/{command}")
        self.client.subscribe(f"everest/modules/{self.module_id}/config/set_request")
        self.publish(f"modules/{self.module_id}/ready", "ModuleReady", True)

    def _command(self, topic: str, data: dict[str, Any]) -> None:
        implementation, command = topic.split("/")[4], topic.split("/")[6]
        self.commands.append((implementation, command, data["args"]))
        retval = self._answer(implementation, command, data["args"])
        result = {"data": {"id": data["id"], "origin": self.module_id, "retval": retval}, "type": "result"}
        answer = compact({"data": result, "msg_type": "CmdResult"})
        if self.silent:
            self.held.append((f"{topic}/response/{data['origin']}", answer))
        else:
            self.client.publish(f"{topic}/response/{data['origin']}", answer)
