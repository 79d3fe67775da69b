"""Log lines that somebody outside can cause as often as they like: few of them, with a count (design rule 7)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

PERIOD_S = 10.0
LONGEST_PERIOD_S = 600.0
MAX_KEYS = 256
"""Keys that are remembered; the one unused for longest is forgotten first."""

BURST = 20
"""Lines of all keys together at once; after that one each PERIOD_S, however many kinds somebody thinks up."""


class _Kind(NamedTuple):
    next_s: float
    """When a line may be written again."""
    period_s: float
    left_out: int


class RateLimitedLog:
    """Logs the first of a kind at once, then one a period, with the number of those left out (``more``).

    The period of what goes on and on doubles, up to ten minutes; after a quiet one it is the first again. Lines that
    were left out because there were too many kinds are counted in ``others`` of the next line of whichever kind.

    Args:
        log: a structlog logger.
        period_s: real seconds in which one line of a key is written.
        now: monotonic seconds.
    """

    def __init__(
        self, log: Any, *, period_s: float = PERIOD_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._period_s = period_s
        self._now = now
        self._kinds: OrderedDict[Hashable, _Kind] = OrderedDict()
        self._burst, self._burst_at_s = float(BURST), now()
        self._others = 0

    def info(self, key: Hashable, event: str, **fields: Any) -> bool:
        """What happens, and may happen as often as somebody likes; False where it was left out."""
        return self.write("info", key, event, **fields)

    def warning(self, key: Hashable, event: str, **fields: Any) -> bool:
        """Something outside is wrong; it changes nothing. False where it was left out."""
        return self.write("warning", key, event, **fields)

    def error(self, key: Hashable, event: str, **fields: Any) -> bool:
        """Something of ours is wrong; False where it was left out."""
        return self.write("error", key, event, **fields)

    def write(self, level: str, key: Hashable, event: str, **fields: Any) -> bool:
        """A line of a level of structlog's; False where it was left out."""
        now_s = self._now()
        kind = self._kinds.pop(key, None)
        if kind is not None and now_s < kind.next_s:
            self._keep(key, kind._replace(left_out=kind.left_out + 1))
            return False
        left_out = 0 if kind is None else kind.left_out
        if not self._may_write(now_s):
            self._others += 1 + left_out
            return False
        period_s = self._period_s
        if kind is not None and now_s < kind.next_s + kind.period_s:
            period_s = min(2 * kind.period_s, max(LONGEST_PERIOD_S, self._period_s))
        self._keep(key, _Kind(now_s + period_s, period_s, 0))
        if left_out:
            fields["more"] = left_out
        if self._others:
            fields["others"], self._others = self._others, 0
        getattr(self._log, level)(event, **fields)
        return True

    def _may_write(self, now_s: float) -> bool:
        self._burst = min(BURST, self._burst + (now_s - self._burst_at_s) / self._period_s)
        self._burst_at_s = now_s
        if self._burst < 1.0:
            return False
        self._burst -= 1.0
        return True

    def _keep(self, key: Hashable, kind: _Kind) -> None:
        self._kinds[key] = kind
        if len(self._kinds) > MAX_KEYS:
            _, forgotten = self._kinds.popitem(last=False)
            self._others += forgotten.left_out
