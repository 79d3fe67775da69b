"""Asks a real manager for the configuration of our modules, in the generation of messages that it speaks.

A real manager ends itself, and its station, on a message type that it does not know. So nothing is asked before its
own retained messages have shown which generation it is of, unless the user says so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.standalone import config_messages as messages
from evse_daemon.standalone.config_messages import GENERATIONS, Generation, MessageError

ANSWER_S = 5.0
"""As a real module waits (F/include/utils/types.hpp:350)."""

RETAINED_S = 1.0
"""What is retained comes at once."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answers:
    """What a manager said."""

    generation: Generation
    modules: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Module classes by module id; empty where they were cleared already."""


class _Ear:
    def __init__(self, topics: Topics, module_ids: Sequence[str], generation: Generation | None) -> None:
        self.generation = generation
        self.seldom = RateLimitedLog(log)
        self.names: dict[str, str] = {}
        self.modules: dict[str, Any] = {}
        self.changed = asyncio.Event()
        self._names_topic = topics.definition("module_names")
        self._responses = {topics.config_response(module_id): module_id for module_id in module_ids}

    def subscriptions(self) -> list[tuple[str, int]]:
        return [(self._names_topic, 2), *((topic, 2) for topic in self._responses)]

    def hear(self, message: Inbound) -> None:
        if not message.payload:
            return
        try:
            if message.topic == self._names_topic:
                self._hear_names(message.payload)
            elif self.generation is not None and message.topic in self._responses:
                module_id = self._responses[message.topic]
                self.modules[module_id] = messages.read_module_response(self.generation, message.payload)
        except MessageError as error:
            self.seldom.warning(
                message.topic, "the manager's message makes no sense", topic=message.topic, reason=str(error)
            )
        self.changed.set()

    def _hear_names(self, payload: bytes) -> None:
        msg_type, data = messages.read(payload)
        found = next((each for each in GENERATIONS.values() if each.response == msg_type), None)
        if found is None:
            raise MessageError(f"msg_type is {msg_type[:60]!r}: this manager is of no release that is known")
        if isinstance(data, dict):
            self.names = {str(name): str(cls) for name, cls in data.items()}
        self.generation = found


async def ask(
    settings: BrokerSettings,
    topics: Topics,
    module_ids: Sequence[str],
    generation: Generation | None,
    former: Generation | None = None,
) -> Answers:
    """Waits for the manager, and for what it says of each module; for ever, if need be.

    Args:
        settings: the broker.
        topics: of the station.
        module_ids: our modules.
        generation: of the messages, where the user has said so.
        former: the manager's when we took part last. Where nothing is retained it runs, and has seen us ready since
            it started: it is the same still.

    Raises:
        BrokerUnreachable: the text tells why, and what to do.
    """
    ear = _Ear(topics, module_ids, generation)
    connection = MqttConnection(
        "join",
        f"evse_daemon-join-{secrets.token_hex(4)}",
        settings,
        clean=True,
        on_message=ear.hear,
        subscriptions=ear.subscriptions(),
    )
    await connection.start()
    try:
        if not await _until(ear, lambda: ear.generation is not None, RETAINED_S):
            ear.generation = former
        if not await _until(ear, lambda: ear.generation is not None, ANSWER_S):
            log.warning(
                "no manager is starting: start EVerest's manager now; if it runs already, say with --config-messages "
                "which messages it understands",
                topic=topics.definition("module_names"),
            )
            await _until(ear, lambda: ear.generation is not None, None)
        assert ear.generation is not None
        for module_id in module_ids:
            while True:
                request = messages.get_module(ear.generation, module_id)
                await connection.publish(topics.config_request, request, qos=2)
                if await _until(ear, partial(ear.modules.__contains__, module_id), ANSWER_S):
                    break
                ear.seldom.warning(
                    module_id,
                    "the manager does not tell what the module is to be, asking again",
                    module=module_id,
                )
    finally:
        await connection.stop()
    return Answers(ear.generation, ear.modules, ear.names)


async def _until(ear: _Ear, condition: Callable[[], bool], within_s: float | None) -> bool:
    """Whether the condition came true in this time; without one it is waited for."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                ear.changed.clear()
                await ear.changed.wait()
    except TimeoutError:
        return False
    return True
