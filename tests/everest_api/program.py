"""The program at the other end of EVerest's API, in virtual time."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.mqtt import topics
from tests.support.fakes import Published
from tests.support.harness import World

REPLY_TO = "my_program/replies/1"


class Program:
    """Speaks with one module of a world.

    Args:
        world: where the module is.
        kind: its class without _API.
        module_id: its id.
    """

    def __init__(self, world: World, kind: str, module_id: str) -> None:
        self.world = world
        self.kind = kind
        self.module_id = module_id
        self._mark = 0

    def says(self, name: str, value: Any = None) -> None:
        """Publishes JSON on ``m2e``."""
        self.says_text(name, "" if value is None else json.dumps(value))

    def says_text(self, name: str, text: str) -> None:
        self.world.send(topics.everest_api_heard(self.kind, self.module_id, name), text)

    def lives(self, alive: bool = True) -> None:
        self.says("communication_check", alive)

    def lives_for(self, seconds: float) -> None:
        """Time passes, in which it says each second that it is there."""
        for _ in range(int(seconds)):
            self.lives()
            self.world.advance(1)

    def asks(self, name: str, payload: Any = None) -> list[Any]:
        """Makes a request, and gives the replies to it."""
        before = len(self.world.mqtt.payloads(REPLY_TO))
        body: dict[str, Any] = {"headers": {"replyTo": REPLY_TO}}
        self.says(name, body if payload is None else body | {"payload": payload})
        return [json.loads(text) for text in self.world.mqtt.payloads(REPLY_TO)[before:]]

    def heard(self, name: str) -> list[Any]:
        """What it was told on a topic of ``e2m`` since ``forget``."""
        return [
            json.loads(message.payload or "null")
            for message in self._messages()
            if self._name(message) == name
        ]

    def heard_names(self) -> list[str]:
        """The topics of ``e2m`` in their order since ``forget``, without the heartbeat."""
        names = [self._name(message) for message in self._messages()]
        return [name for name in names if name not in ("", "heartbeat")]

    def forget(self) -> None:
        self._mark = len(self.world.mqtt.published)

    def replies(self, request: Any, value: Any) -> None:
        """Replies to a request of the station that was heard."""
        self.world.send(request["headers"]["replyTo"], json.dumps(value))

    def _messages(self) -> list[Published]:
        return self.world.mqtt.published[self._mark :]

    def _name(self, message: Published) -> str:
        head = topics.everest_api_said(self.kind, self.module_id, "")
        return message.topic[len(head) :] if message.topic.startswith(head) else ""
