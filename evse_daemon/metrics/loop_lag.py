"""How late the event loop is: a timer is set, and when it is called it says by how much."""

from __future__ import annotations

import asyncio
from bisect import bisect_left

PERIOD_S = 0.25
"""A longer halt is seen for sure, as up to so much less than it was; a shorter one by chance."""

WINDOW_S = 60.0

BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopLag:
    """Counts lags since the start, and keeps the largest of the present and the last minute."""

    def __init__(self) -> None:
        self.sum_s = 0.0
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._largest = [0.0, 0.0]
        self._window_ends_s = 0.0

    async def run(self) -> None:
        """Looks until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._window_ends_s = loop.time() + WINDOW_S
        while True:
            due_s = loop.time() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self.observe(loop.time() - due_s, loop.time())

    def observe(self, lag_s: float, now_s: float) -> None:
        """A timer was called so late, at a time."""
        lag_s = max(0.0, lag_s)
        if now_s >= self._window_ends_s:
            late = now_s >= self._window_ends_s + WINDOW_S
            self._largest = [0.0 if late else self._largest[1], 0.0]
            self._window_ends_s = now_s + WINDOW_S
        self._largest[1] = max(self._largest[1], lag_s)
        self._counts[bisect_left(BUCKETS_S, lag_s)] += 1
        self.sum_s += lag_s

    @property
    def max_s(self) -> float:
        return max(self._largest)

    def cumulative(self) -> list[tuple[str, float]]:
        """How many were at most so late, as Prometheus has it: by the upper bound, the last of which is infinite."""
        found, total = [], 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found
