"""Stand-ins for what a module finds outside the bus: MQTT topics outside the module tree, and the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evse_daemon.framework.bus import Inbox
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.module import Message
from evse_daemon.store.journal import Done
from evse_daemon.store.memory import MemoryJournal


@dataclass(frozen=True, slots=True)
class Published:
    """What a module published outside the module tree."""

    topic: str
    payload: str
    qos: int = 0
    retain: bool = False
    latest: bool = False


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether a topic matches a subscription with ``+`` and ``#`` (MQTT 3.1.1 §4.7)."""
    wanted, given = pattern.split("/"), topic.split("/")
    for position, part in enumerate(wanted):
        if part == "#":
            return True
        if position >= len(given) or part not in ("+", given[position]):
            return False
    return len(wanted) == len(given)


class FakeMqtt:
    """ExternalMqtt without a broker, for all modules of a world."""

    def __init__(self) -> None:
        self.published: list[Published] = []
        self.connected = True
        """While it is not, what is volatile is lost."""
        self._subscriptions: list[tuple[str, Inbox, Callable[[Message], None]]] = []

    def publish(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 0,
        retain: bool = False,
        latest: bool = False,
        volatile: bool = False,
    ) -> None:
        if volatile and not self.connected:
            return
        self.published.append(Published(topic, payload, qos, retain, latest))

    def subscribe(
        self, topic: str, inbox: Inbox, handler: Callable[[Message], None], *, order: bool = True
    ) -> None:
        self._subscriptions.append((topic, inbox, handler))

    def send(self, topic: str, payload: str) -> None:
        """A client publishes; the message waits in the inboxes until the world settles.

        Raises:
            AssertionError: no module has subscribed, so the test would show nothing.
        """
        receivers = [
            (inbox, handler)
            for pattern, inbox, handler in self._subscriptions
            if topic_matches(pattern, topic)
        ]
        assert receivers, f"no module has subscribed to {topic}"
        for inbox, handler in receivers:
            inbox.put(handler, Message(topic, payload))

    def payloads(self, topic: str) -> list[str]:
        """Everything published on one topic, oldest first."""
        return [message.payload for message in self.published if message.topic == topic]


class FakeJournal:
    """A journal in memory whose disk can be slow, hung or broken.

    Args:
        clock: whose time a commit takes.
        memory: what a run before this one has left; a new one has left nothing.
    """

    def __init__(self, clock: VirtualClock, memory: MemoryJournal | None = None) -> None:
        self.memory = MemoryJournal() if memory is None else memory
        """What is stored. Set its ``failure`` to what every commit is to report instead of success."""
        self.delay_s = 0.0
        """How long a commit takes."""
        self.hung = False
        """No commit is made or reported from now on."""
        self.records: list[tuple[str, str, dict[str, Any]]] = []
        """What this run has committed: kind, EVSE, payload."""
        self._clock = clock

    def append(self, kind: str, evse: str, payload: dict[str, Any], done: Done) -> None:
        def committed(problem: str | None) -> None:
            if problem is None:
                self.records.append((kind, evse, payload))
            done(problem)

        self._later(lambda: self.memory.append(kind, evse, payload, committed))

    def save_settings(self, evse: str, settings: dict[str, Any], done: Done | None = None) -> None:
        self._later(lambda: self.memory.save_settings(evse, settings, done))

    def open_transactions(self, evse: str) -> list[dict[str, Any]]:
        return self.memory.open_transactions(evse)

    def untold_ends(self, evse: str) -> list[dict[str, Any]]:
        return self.memory.untold_ends(evse)

    def told(self, evse: str, session_id: str) -> None:
        if not self.hung:  # it waits for no disk
            self.memory.told(evse, session_id)

    def settings(self, evse: str) -> dict[str, Any]:
        return self.memory.settings(evse)

    def _later(self, commit: Callable[[], None]) -> None:
        def due() -> None:
            if not self.hung:
                commit()

        self._clock.call_at(self._clock.now_s() + self.delay_s, due)
