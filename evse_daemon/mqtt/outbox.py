"""What waits for the broker, in order and bounded (design rule 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from evse_daemon.mqtt.dialects import Delivery

LIMIT = 10_000
"""Messages that may wait."""

BACKLOG = 256
"""From here on only the latest value of a state waits, also while there is a connection."""

Render = Callable[[], bytes]
"""Makes the payload. It is called when the message is sent: what is never sent costs no JSON."""


class Withdrawn(Exception):  # noqa: N818 - a state, not a fault
    """Raised by a Render whose message has no meaning any more: it is not sent."""


def already(payload: bytes) -> Render:
    """A payload that is there."""
    return lambda: payload


class Rank(IntEnum):
    """What is given up first when too much waits."""

    MIRROR = 0
    """Calls and results, and what is worth little once it is old."""
    EVENT = 1
    KEEP = 2
    """Session events and the like (declared QoS 2), errors, states."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message that waits."""

    topic: str
    render: Render
    delivery: Delivery
    number: int
    volatile: bool = False
    """Worthless after an outage: telemetry."""


class Outbox:
    """Messages in the order in which they were put; where too many wait, the oldest of the lowest rank go."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._first: deque[Outgoing] = deque()
        self._by_rank: tuple[deque[Outgoing], ...] = tuple(deque() for _ in Rank)
        self._latest: dict[str, Outgoing] = {}
        self._number = 0
        self.dropped = 0
        """Messages given up because too many waited."""
        self._told_dropped = 0

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, self._by_rank))

    def put(self, topic: str, render: Render, delivery: Delivery, rank: Rank) -> None:
        """Behind all that waits."""
        self._append(topic, render, delivery, rank)

    def put_latest(self, topic: str, render: Render, delivery: Delivery, rank: Rank) -> None:
        """As put, but in the place of a message that was put so for the same topic and waits still."""
        self._replace(topic, render, delivery, rank, volatile=False)

    def put_state(self, topic: str, render: Render, delivery: Delivery, rank: Rank) -> None:
        """Each value in its order while little waits, as put_latest where much does."""
        if topic in self._latest or len(self) > BACKLOG:
            self._replace(topic, render, delivery, rank, volatile=False)
        else:
            self._append(topic, render, delivery, rank)

    def put_telemetry(self, topic: str, render: Render, delivery: Delivery) -> None:
        """As put_latest; it is dropped when the connection is lost."""
        self._replace(topic, render, delivery, Rank.MIRROR, volatile=True)

    def put_first(self, topic: str, render: Render, delivery: Delivery) -> None:
        """Before all that waits, but behind others that were put so."""
        self._first.append(Outgoing(topic, render, delivery, 0))

    def overflowed(self) -> bool:
        """Whether messages were given up since the last time that this was asked."""
        told, self._told_dropped = self._told_dropped, self.dropped
        return self.dropped > told

    def take(self) -> Outgoing | None:
        """The next message to send; None where none waits."""
        if self._first:
            return self._first.popleft()
        queue = min(
            (queue for queue in self._by_rank if queue), key=lambda queue: queue[0].number, default=None
        )
        return self._taken(queue.popleft()) if queue is not None else None

    def drop_telemetry(self) -> None:
        """The connection is lost."""
        for topic in [topic for topic, entry in self._latest.items() if entry.volatile]:
            del self._latest[topic]
        mirror = self._by_rank[Rank.MIRROR]
        kept = [entry for entry in mirror if not entry.volatile]
        mirror.clear()
        mirror.extend(kept)

    def _replace(self, topic: str, render: Render, delivery: Delivery, rank: Rank, *, volatile: bool) -> None:
        waiting = self._latest.get(topic)
        if waiting is not None:
            waiting.render = render
            waiting.delivery = delivery
        else:
            self._latest[topic] = self._append(topic, render, delivery, rank, volatile=volatile)

    def _append(
        self, topic: str, render: Render, delivery: Delivery, rank: Rank, *, volatile: bool = False
    ) -> Outgoing:
        if sum(map(len, self._by_rank)) >= self._limit:
            self._taken(next(queue for queue in self._by_rank if queue).popleft())
            self.dropped += 1
        self._number += 1
        entry = Outgoing(topic, render, delivery, self._number, volatile)
        self._by_rank[rank].append(entry)
        return entry

    def _taken(self, entry: Outgoing) -> Outgoing:
        if self._latest.get(entry.topic) is entry:
            del self._latest[entry.topic]
        return entry
