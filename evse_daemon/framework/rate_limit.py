"""Log lines that somebody outside can cause as often as they like: one line per key and period (design rule 7)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

PERIOD_S = 10.0
MAX_KEYS = 256
"""Keys that are remembered; the one unused for longest is forgotten first."""


class RateLimitedLog:
    """Logs the first of a kind at once, then at most one a period, with the number of those left out (``more``).

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
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def warning(self, key: Hashable, event: str, **fields: Any) -> None:
        """Something outside is wrong; it changes nothing."""
        self._write(self._log.warning, key, event, fields)

    def error(self, key: Hashable, event: str, **fields: Any) -> None:
        """Something of ours is wrong."""
        self._write(self._log.error, key, event, fields)

    def _write(self, write: Callable[..., Any], key: Hashable, event: str, fields: dict[str, Any]) -> None:
        now = self._now()
        next_s, suppressed = self._seen.pop(key, (now, 0))
        if now < next_s:
            self._seen[key] = (next_s, suppressed + 1)
            return
        self._seen[key] = (now + self._period_s, 0)
        if len(self._seen) > MAX_KEYS:
            self._seen.popitem(last=False)
        if suppressed:
            fields["more"] = suppressed
        write(event, **fields)
