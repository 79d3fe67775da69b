"""What the journal forgets, so that ten years fit on a small disk (docs/journal.md).

Never what is still needed: every record of a transaction that is open, or whose end was perhaps not told. Of the others
meter values go after METER_DAYS and transactions after ``days``; where the file is larger than ``most_bytes``
nevertheless, the oldest go first, meter values before transactions. The newest KEPT transactions of each EVSE stay in
any case: the clock of a charger may be wrong by years. What a wrong clock has written goes with what is old after it.

The pages that become free are used again, so the file does not grow any more; it is not made smaller, which would
mean to write all of it anew.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evse_daemon.store.record import METER_VALUE, TRANSACTION_FINISHED

METER_DAYS = 30
"""Meter values serve whoever follows a transaction (OCPP); what is billed is in its start and its end."""

KEPT = 500
"""Transactions of each EVSE: a month of a busy one."""

STEP = 200
"""Records that are looked at in one step: some milliseconds of the writer's time."""

FIRST_S, PAUSE_S, PERIOD_S = 60.0, 1.0, 6 * 3600.0
"""Seconds from the start to the first round, between the steps of a round, and from its end to the next."""

EARLIEST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""A time before it is of a clock that was wrong (cli/run.py, RELEASED)."""

FLOOR = (
    "SELECT sequence FROM record INDEXED BY record_of_session WHERE evse = ? AND kind = ?"
    " ORDER BY sequence DESC LIMIT 1 OFFSET ?"
)
"""The last record before the newest KEPT ends; from the index, without reading the records."""

FIRST = "SELECT min(sequence) FROM record INDEXED BY record_of_session WHERE evse = ? AND kind = ?"
"""The oldest of a kind; likewise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept."""

    days: int = 400
    """Of transactions: a year's bill, and a month to dispute it."""
    most_bytes: int = 100 << 20
    """Of the file, as far as it is in use."""


DEFAULT = Limits()


class _Row(NamedTuple):
    sequence: int
    kind: str
    session_id: str
    when: dt.datetime | None
    """None: it has no time that can be right."""


class Sweep:
    """Forgets in small steps, each for a transaction of its own.

    Args:
        limits: what is kept.
        now: the time of day.
    """

    def __init__(
        self, limits: Limits, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._limits = limits
        self._now = now
        self._round: Iterator[None] = iter(())
        self._under_way = False

    def step(self, connection: sqlite3.Connection) -> bool:
        """Forgets a few records; False where the round is over.

        Raises:
            sqlite3.Error: it could not be done; the next step begins a new round.
        """
        self._connection = connection
        if not self._under_way:
            self._round = self._all_rules()
        self._under_way = False
        for _ in self._round:
            self._under_way = True
            break
        return self._under_way

    def _all_rules(self) -> Iterator[None]:
        now = self._now()
        evses = [evse for (evse,) in self._connection.execute("SELECT evse FROM sequence")]
        floors: dict[str, int | None] = {}
        for evse in evses:
            floors[evse] = floor = self._floor(evse)
            yield from self._too_old(evse, None, now - dt.timedelta(self._limits.days), floor)
            yield from self._too_old(evse, METER_VALUE, now - dt.timedelta(METER_DAYS), None)
            yield
        yield from self._too_much(METER_VALUE, dict.fromkeys(evses))
        yield from self._too_much(None, floors)

    def _floor(self, evse: str) -> int:
        """The sequence number up to which records may go; 0 where none may."""
        row = self._connection.execute(FLOOR, (evse, TRANSACTION_FINISHED, KEPT)).fetchone()
        return 0 if row is None else int(row[0])

    def _before_first(self, evse: str, kind: str | None) -> int:
        """Where to begin: transactions are kept longer than their meter values, and need not be read for them."""
        if kind is None:
            return 0
        (first,) = self._connection.execute(FIRST, (evse, kind)).fetchone()
        return _LAST if first is None else int(first) - 1

    def _too_old(self, evse: str, kind: str | None, before: dt.datetime, floor: int | None) -> Iterator[None]:
        """Forgets what is older, from the oldest up to the first that is younger."""
        at = self._before_first(evse, kind)
        while rows := self._rows(evse, at, floor):
            young = next(
                (i for i, row in enumerate(rows) if row.when is not None and row.when >= before), None
            )
            old = rows[:young]
            while old and old[-1].when is None:  # it may be as young as the next
                old.pop()
            self._forget(evse, old, kind)
            if young is not None:
                return
            at = rows[-1].sequence
            yield

    def _too_much(self, kind: str | None, floors: dict[str, int | None]) -> Iterator[None]:
        """Forgets the oldest of each EVSE in turn, until the file is small enough."""
        at = {evse: self._before_first(evse, kind) for evse in floors}
        while at:
            for evse in tuple(at):
                if used_bytes(self._connection) <= self._limits.most_bytes:
                    return
                rows = self._rows(evse, at[evse], floors[evse])
                if not rows:
                    del at[evse]
                    continue
                self._forget(evse, rows, kind)
                at[evse] = rows[-1].sequence
                yield

    def _rows(self, evse: str, after: int, floor: int | None) -> list[_Row]:
        found = self._connection.execute(
            "SELECT sequence, kind, payload FROM record WHERE evse = ? AND sequence > ? AND sequence <= ?"
            " ORDER BY sequence LIMIT ?",
            (evse, after, _LAST if floor is None else floor, STEP),
        )
        rows = []
        for sequence, kind, text in found:
            payload = json.loads(text)
            when = _moment(payload.get("timestamp"))
            rows.append(_Row(sequence, kind, str(payload.get("session_id", "")), when))
        return rows

    def _forget(self, evse: str, rows: Iterable[_Row], kind: str | None) -> None:
        needed = {
            session_id for query in _NEEDED for (session_id,) in self._connection.execute(query, (evse,))
        }
        gone = [
            (evse, row.sequence) for row in rows if kind in (None, row.kind) and row.session_id not in needed
        ]
        self._connection.executemany("DELETE FROM record WHERE evse = ? AND sequence = ?", gone)


_LAST = 2**63 - 1
_NEEDED = (
    "SELECT session_id FROM open_transaction WHERE evse = ?",
    "SELECT session_id FROM untold_end WHERE evse = ?",
)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Of the file, without pages that are free."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _moment(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or moment < EARLIEST:
        return None
    return moment
