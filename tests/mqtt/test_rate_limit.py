"""Nobody outside can flood the log."""

from __future__ import annotations

from typing import Any

from evse_daemon.framework.rate_limit import (
    BURST,
    LONGEST_PERIOD_S,
    MAX_KEYS,
    PERIOD_S,
    RateLimitedLog,
)


class _Lines:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

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


def test_what_goes_on_is_told_less_and_less_and_nothing_is_uncounted() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for second in range(3600):
        now[0] = second
        limited.warning("a", "bad")
    assert len(lines.lines) == 11  # 0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030 s
    now[0] += LONGEST_PERIOD_S
    limited.warning("a", "bad")
    assert sum(1 + fields.get("more", 0) for _, _, fields in lines.lines) == 3601


def test_what_was_quiet_for_a_while_is_told_at_once_again() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for second in (0, 1, 11, 12, 13):  # the period is 20 s by now
        now[0] = second
        limited.warning("a", "bad")
    now[0] = 11 + 2 * 2 * PERIOD_S
    for _ in range(2):
        limited.warning("a", "bad")
        now[0] += PERIOD_S
    assert [fields for _, _, fields in lines.lines] == [{}, {"more": 1}, {"more": 2}, {}]


def test_edges_that_are_some_time_apart_are_all_told() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for number in range(100):
        now[0] = number * 2 * PERIOD_S
        limited.warning("lost", "bad")
        limited.info("again", "good")
    assert len(lines.lines) == 200


def test_however_many_kinds_somebody_thinks_up() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for number in range(10_000):
        limited.warning(number, "bad")
    assert len(lines.lines) == BURST
    for number in range(36_000):  # an hour, ten a second
        now[0] = number / 10
        limited.warning(-number - 1, "bad")
    assert len(lines.lines) == BURST + 3600 / PERIOD_S - 1
    now[0] += PERIOD_S
    limited.warning("last", "bad")
    told = sum(1 + fields.get("more", 0) + fields.get("others", 0) for _, _, fields in lines.lines)
    assert told == 10_000 + 36_000 + 1


def test_what_is_remembered_is_bounded() -> None:
    lines, now = _Lines(), [0.0]
    limited = RateLimitedLog(lines, now=lambda: now[0])
    for number in range(3 * MAX_KEYS):
        now[0] += 2 * PERIOD_S
        limited.warning(number, "bad")
    assert len(lines.lines) == 3 * MAX_KEYS
    assert len(limited._kinds) == MAX_KEYS
