"""What seed 003 has published every second, and an EvseManager says when it has something to say."""

from __future__ import annotations

from collections.abc import Callable

PERIOD_S = 1.0

STALE_S = 10.0
"""What is older is not published again: nobody could tell it from something new."""

EARLY_S = 0.05
"""A publication so little less than a period ago counts as one: timers are not exact."""


class Repeated:
    """The newest payload of one topic.

    Args:
        publish: publishes a payload.
    """

    def __init__(self, publish: Callable[[str], None]) -> None:
        self._publish = publish
        self._payload = ""
        self._heard_s = 0.0
        self._published_s = 0.0

    def heard(self, payload: str, now_s: float) -> None:
        """A new value: it is published at once."""
        self._payload, self._heard_s = payload, now_s
        self._now(now_s)

    def forget(self) -> None:
        """Whoever said it has failed."""
        self._payload = ""

    def second(self, now_s: float) -> None:
        """Publishes it again, where it was not published within this period and is not stale."""
        due = now_s - self._published_s > PERIOD_S - EARLY_S
        if self._payload and due and now_s - self._heard_s < STALE_S:
            self._now(now_s)

    def _now(self, now_s: float) -> None:
        self._published_s = now_s
        self._publish(self._payload)
