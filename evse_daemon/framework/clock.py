"""Time as a parameter: the control clock may be scaled or virtual, the wire clock is always real (design rule 10)."""

from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Forget the call; without effect once it was made."""


class Clock(Protocol):
    """Monotonic seconds for durations and deadlines; UTC only to stamp what is published or stored."""

    def now_s(self) -> float:
        """Monotonic seconds since an arbitrary point."""

    def utc(self) -> dt.datetime:
        """The time of day; it may jump."""

    def call_at(self, when_s: float, callback: Callable[[], None]) -> Timer:
        """Calls back when ``now_s()`` reaches ``when_s``."""


def timestamp(moment: dt.datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as EVerest writes it (F/lib/date.cpp)."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


class RealClock:
    """The clock of the running event loop; ``speed`` seconds pass in each real second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self._started_utc = dt.datetime.now(dt.UTC)

    def now_s(self) -> float:
        return (self._loop.time() - self._started_s) * self.speed

    def utc(self) -> dt.datetime:
        if self.speed == 1.0:
            return dt.datetime.now(dt.UTC)
        return self._started_utc + dt.timedelta(seconds=self.now_s())

    def call_at(self, when_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_at(self._started_s + when_s / self.speed, callback)


class _VirtualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """A clock that stands still until it is told to advance; for tests and simulated days."""

    def __init__(self, utc: dt.datetime | None = None) -> None:
        self._now_s = 0.0
        self._utc = utc or dt.datetime(2026, 3, 4, 10, 15, tzinfo=dt.UTC)
        self._heap: list[tuple[float, int, _VirtualTimer]] = []
        self._order = itertools.count()

    def now_s(self) -> float:
        return self._now_s

    def utc(self) -> dt.datetime:
        return self._utc + dt.timedelta(seconds=self._now_s)

    def set_utc(self, utc: dt.datetime) -> None:
        """The time of day jumps; monotonic time does not."""
        self._utc = utc - dt.timedelta(seconds=self._now_s)

    def call_at(self, when_s: float, callback: Callable[[], None]) -> Timer:
        timer = _VirtualTimer(callback)
        heapq.heappush(self._heap, (max(when_s, self._now_s), next(self._order), timer))
        return timer

    def advance(self, seconds: float, settle: Callable[[], None]) -> None:
        """Lets time pass; ``settle`` is called after each timer, so that what it caused is done before the next."""
        end_s = self._now_s + seconds
        settle()
        while self._heap and self._heap[0][0] <= end_s:
            when_s, _, timer = heapq.heappop(self._heap)
            callback, timer.callback = timer.callback, None
            if callback is None:
                continue
            self._now_s = max(self._now_s, when_s)
            callback()
            settle()
        self._now_s = end_s
