"""The way between the bus and modules of other processes: calls go out, what they say comes in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from evse_daemon.framework.calls import Call
from evse_daemon.framework.errors import Error
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import DIALECTS, Delivery, to_json
from evse_daemon.mqtt.outbox import Rank, Withdrawn
from evse_daemon.mqtt.sender import Sender
from evse_daemon.mqtt.topics import Topics, TreeTopic
from evse_daemon.standalone.config_messages import MessageError
from evse_daemon.standalone.incoming import read_answer, read_error, read_var
from evse_daemon.standalone.remote_module import RemoteModule

QOS = 2
MAX_ECHOES = 1000

_SPOKEN, _AT_MOST_ONCE = Delivery(QOS), Delivery(0)

log = structlog.get_logger(__name__)


class Exchange:
    """Part of the gateway's Peers, and the Wire of the modules.

    Args:
        modules: those of other processes, by id.
    """

    def __init__(self, topics: Topics, modules: Mapping[str, RemoteModule]) -> None:
        self._topics = topics
        self._modules = modules
        self._dialect = DIALECTS["everest"]
        self._sender: Sender
        self._connected: Callable[[], bool] = lambda: False
        self._echoes: OrderedDict[tuple[str, bool], None] = OrderedDict()
        """What is told of a module in its stead: it comes back on the module's own topic."""
        self._seldom = RateLimitedLog(log)
        for module in modules.values():
            module.wire = self

    # Wire

    @property
    def connected(self) -> bool:
        return self._connected()

    def send_call(self, call: Call[Any]) -> None:
        """Sends a call. One to hardware is never repeated by MQTT: it must not arrive after it was given up."""
        topic = self._topics.command(call.target.module_id, call.target.implementation_id, call.command.name)
        delivery = _AT_MOST_ONCE if call.command.interface.hardware else _SPOKEN
        self._sender.event(topic, partial(self._call_as_json, call), delivery, Rank.KEEP)

    def _call_as_json(self, call: Call[Any]) -> bytes:
        if call.outcome is not None:
            raise Withdrawn
        arguments = call.command.arguments_to_jsonable(call.arguments)
        return to_json(self._dialect.command(call.id, call.origin, arguments))

    # Peers

    def attached(self, sender: Sender, connected: Callable[[], bool]) -> None:
        self._sender = sender
        self._connected = connected

    def owns(self, module_id: str) -> bool:
        return module_id in self._modules

    def said(self, error: Error) -> bool:
        module = self._modules.get(error.module_id)
        if module is None:
            return False
        if module.said(error):
            return True
        self._echoes[error.uuid, error.active] = None
        if len(self._echoes) > MAX_ECHOES:
            self._echoes.popitem(last=False)
        return False

    def receive(self, message: Inbound) -> bool:
        """Takes a message; False where it is for others."""
        try:
            return self._receive(message)
        except MessageError as error:
            self._refuse(message.topic, str(error))
            return True

    def _receive(self, message: Inbound) -> bool:
        return self.hear(message)

    def hear(self, message: Inbound) -> bool:
        """Hands on what a module says; False where the message is none of theirs.

        Raises:
            MessageError: it makes no sense.
        """
        topic = self._topics.parse(message.topic)
        module = None if topic is None else self._modules.get(topic.module_id)
        if topic is None or module is None:
            return False
        if topic.kind == "cmd":
            return True  # the module hears it itself
        if message.retain:
            raise MessageError("it is retained: nobody knows how old it is")
        self._hand_on(module, topic, message.payload)
        return True

    def speaks(self, module: RemoteModule) -> None:
        """Called before anything sensible that a module says is handed on."""

    def _hand_on(self, module: RemoteModule, topic: TreeTopic, payload: bytes) -> None:
        implementation = module.implementations.get(topic.implementation_id)
        if implementation is None:
            raise MessageError(f"{module.module_id} has no implementation {topic.implementation_id[:60]}")
        match topic.kind:
            case "var":
                var = implementation.interface.vars.get(topic.name)
                if var is None:
                    raise MessageError(
                        f"{implementation.interface.interface_name} has no variable {topic.name[:60]}"
                    )
                value = read_var(var, payload)
                self.speaks(module)
                module.var_heard(implementation, var, value)
            case "error":
                error = read_error(payload, topic.name, module.module_id, topic.implementation_id)
                if (error.uuid, error.active) in self._echoes:
                    del self._echoes[error.uuid, error.active]
                    return
                self.speaks(module)
                try:
                    module.error_heard(implementation, error)
                except ValueError as problem:
                    raise MessageError(str(problem)) from None
            case "response":
                answer = read_answer(payload)
                self.speaks(module)
                module.answered(answer)

    def _refuse(self, topic: str, reason: str) -> None:
        self._seldom.warning(
            topic if self._topics.parse(topic) is None else reason,
            "message of a standalone module refused",
            topic=topic[:200],
            reason=reason,
        )
