"""Nobody outside can flood the log."""

from __future__ import annotations

from typing import Any

from evse_daemon.framework.rate_limit import MAX_KEYS, PERIOD_S, RateLimitedLog


class _Lines:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))


def test_the_first_at_once_then_one_a_period_with_the_count() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for _ in range(5):
        limited.warning("a", "bad", x=1)
    limited.error("b", "worse")
    assert lines.lines == [("warning", "bad", {"x": 1}), ("error", "worse", {})]
    now[0] = PERIOD_S
    limited.warning("a", "bad", x=2)
    limited.warning("a", "bad", x=3)
    assert lines.lines[2:] == [("warning", "bad", {"x": 2, "more": 4})]


def test_the_keys_are_bounded() -> None:
    lines = _Lines()
    limited = RateLimitedLog(lines, now=lambda: 0.0)
    for number in range(MAX_KEYS + 1):
        limited.warning(number, "bad")
    limited.warning(MAX_KEYS, "bad")
    assert len(lines.lines) == MAX_KEYS + 1
    limited.warning(0, "bad")
    assert len(lines.lines) == MAX_KEYS + 2
