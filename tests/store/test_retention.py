"""The journal does not grow for ever, and forgets nothing that is still needed."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.store import METER_VALUE, TRANSACTION_FINISHED, TRANSACTION_STARTED, SqliteJournal, retention
from evse_daemon.store.journal import FILE_NAME
from tests.soak.journal_years import EVSE, Years
from tests.support.waiting import until

MIB = 1 << 20


def years(folder: Path, *, sessions: int = 20, meter_values: int = 0, **limits: int) -> Years:
    return Years(folder / FILE_NAME, retention.Limits(**limits), sessions, meter_values)


def test_ten_years_of_sessions_take_no_more_room_than_two(tmp_path: Path) -> None:
    """What is looked through at each start; `python3 -m tests.soak.journal_years` has 20 sessions a day."""
    it = years(tmp_path, sessions=2, meter_values=1)
    sizes = []
    for day in range(3660):
        it.day(forget=day % 20 == 19)
        if day % 366 == 365:
            sizes.append(it.path.stat().st_size)
    assert it.count(TRANSACTION_FINISHED) == it.count(TRANSACTION_STARTED) == 2 * 400
    assert it.count(METER_VALUE) == 2 * 30
    assert sizes[-1] <= 1.1 * sizes[1]


def test_years_of_records_of_an_older_version_go_step_by_step(tmp_path: Path) -> None:
    it = years(tmp_path, sessions=20, meter_values=10)
    for _ in range(30):
        it.day(forget=False)
    it.now += dt.timedelta(1000)
    it.sweep = retention.Sweep(it.limits, lambda: it.now)
    before, steps = it.count(METER_VALUE), 0
    while it.sweep.step(it.connection):
        steps += 1
    assert before == 30 * 20 * 10
    assert it.count(METER_VALUE) == 0
    assert it.count(TRANSACTION_FINISHED) == retention.KEPT
    assert steps >= before / retention.STEP


def test_what_is_open_or_was_not_told_stays_however_old(tmp_path: Path) -> None:
    it = years(tmp_path, meter_values=3, most_bytes=1)
    needed = {it.session(ends=False), it.session(told=False)}
    for _ in range(60):
        it.day()
    it.now += dt.timedelta(10_000)
    it.day()
    assert needed <= it.sessions_kept()
    rows = it.connection.execute("SELECT kind FROM record ORDER BY sequence LIMIT 9").fetchall()
    assert [kind for (kind,) in rows] == [
        TRANSACTION_STARTED, *[METER_VALUE] * 3, TRANSACTION_STARTED, *[METER_VALUE] * 3, TRANSACTION_FINISHED,
    ]  # fmt: skip
    assert it.count(TRANSACTION_FINISHED) == retention.KEPT + 1


def test_it_goes_once_it_is_no_longer_needed(tmp_path: Path) -> None:
    it = years(tmp_path)
    session = it.session(told=False)
    for day in range(500):
        it.day(forget=day % 50 == 49)
    assert session in it.sessions_kept()
    it.connection.execute("DELETE FROM untold_end")
    it.day()
    assert session not in it.sessions_kept()


def test_a_clock_that_jumps_by_a_century_costs_no_more_than_the_old(tmp_path: Path) -> None:
    it = years(tmp_path)
    for _ in range(60):
        it.day()
    newest = sorted(it.sessions_kept())[-retention.KEPT :]
    it.now += dt.timedelta(36_500)
    it.sessions = 0
    it.day()
    assert sorted(it.sessions_kept()) == newest


@pytest.mark.parametrize(
    "clock", [dt.datetime(1970, 1, 2, tzinfo=dt.UTC), dt.datetime(2025, 12, 31, tzinfo=dt.UTC)]
)
def test_with_a_clock_that_was_never_set_nothing_is_too_old(tmp_path: Path, clock: dt.datetime) -> None:
    it = years(tmp_path, meter_values=1)
    for _ in range(60):
        it.day()
    it.sweep = retention.Sweep(it.limits, lambda: clock)
    before = it.count(METER_VALUE)
    it.day()
    assert it.count(METER_VALUE) == before + it.sessions
    assert it.count(TRANSACTION_FINISHED) == 61 * it.sessions


def test_records_from_a_wrong_clock_go_with_what_is_old_after_them(tmp_path: Path) -> None:
    it = years(tmp_path)
    good = it.now
    for day in range(70):
        it.now = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) if day in (3, 35) else good
        it.day(forget=False)
        good += dt.timedelta(300 if day == 35 else 1)
    it.sessions = 0
    it.now = good + dt.timedelta(200)
    it.day()
    times = [
        json.loads(payload)["timestamp"][:4]
        for (payload,) in it.connection.execute("SELECT payload FROM record ORDER BY sequence")
    ]
    assert times.count("1970") == 2 * 20, "those of day 35 may be as young as what follows them"
    assert len(times) == 2 * 20 * 35


def test_a_charger_without_a_clock_stays_within_its_size(tmp_path: Path) -> None:
    it = years(tmp_path, sessions=20, meter_values=5, most_bytes=2 * MIB)
    it.sweep = retention.Sweep(it.limits, lambda: dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    sizes = []
    for _ in range(60):
        it.day()
        sizes.append(it.path.stat().st_size)
    assert max(sizes[20:]) <= 4 * MIB
    assert it.count(TRANSACTION_FINISHED) >= retention.KEPT
    assert it.count(METER_VALUE) < 60 * 20 * 5


def test_room_is_made_of_meter_values_first(tmp_path: Path) -> None:
    it = years(tmp_path, sessions=40, meter_values=10, most_bytes=5 * MIB)
    for _ in range(15):
        it.day()
    assert it.count(TRANSACTION_FINISHED) == 15 * 40
    assert 0 < it.count(METER_VALUE) < 15 * 40 * 10


def test_each_evse_has_its_own_history(tmp_path: Path) -> None:
    it = years(tmp_path)
    it.connection.execute("INSERT INTO sequence VALUES ('other', 1)")
    payload = json.dumps({"session_id": "o", "timestamp": "2026-03-01T00:00:00.000Z"})
    it.connection.execute("INSERT INTO record VALUES ('other', 1, ?, ?)", (TRANSACTION_FINISHED, payload))
    for day in range(500):
        it.day(forget=day % 50 == 49)
    assert "o" in it.sessions_kept(), "it is among the newest of that EVSE"


@pytest.mark.parametrize("query", [retention.FLOOR, retention.FIRST])
def test_finding_the_newest_and_the_first_reads_no_record(tmp_path: Path, query: str) -> None:
    it = years(tmp_path)
    given = (EVSE, TRANSACTION_FINISHED, 1)[: query.count("?")]
    plan = it.connection.execute(f"EXPLAIN QUERY PLAN {query}", given).fetchall()
    assert "COVERING INDEX record_of_session" in plan[0][-1]


# The journal's thread


def _filled(folder: Path) -> Years:
    it = years(folder, meter_values=5)
    for _ in range(5):
        it.day()
    it.connection.close()
    return it


def _count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(
            connection.execute("SELECT count(*) FROM record WHERE kind = ?", (METER_VALUE,)).fetchone()[0]
        )
    finally:
        connection.close()


async def _append(journal: SqliteJournal, session_id: str) -> str | None:
    answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    journal.append(TRANSACTION_STARTED, EVSE, {"session_id": session_id}, answer.set_result)
    return await asyncio.wait_for(answer, 10)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_S", 0.0)
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)


@pytest.mark.usefixtures("soon")
def test_the_journal_forgets_beside_its_work(tmp_path: Path) -> None:
    it = _filled(tmp_path)

    async def scenario() -> None:
        journal = SqliteJournal(it.path, asyncio.get_running_loop())
        for number in range(20):
            assert await _append(journal, f"new-{number}") is None
        await until(lambda: _count(it.path) == 0)
        assert len(journal.open_transactions(EVSE)) == 20
        assert journal.close()

    asyncio.run(scenario())


def test_nothing_is_forgotten_in_the_first_minute(tmp_path: Path) -> None:
    it = _filled(tmp_path)

    async def scenario() -> None:
        journal = SqliteJournal(it.path, asyncio.get_running_loop())
        assert await _append(journal, "new") is None
        assert journal.close()

    asyncio.run(scenario())
    assert _count(it.path) == 5 * 20 * 5


@pytest.mark.usefixtures("soon")
def test_what_waits_is_written_before_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = _filled(tmp_path)
    order: list[str] = []
    go_on = threading.Event()
    step = retention.Sweep.step

    def slow(self: retention.Sweep, connection: sqlite3.Connection) -> bool:
        order.append("step")
        go_on.wait(10)
        return step(self, connection)

    monkeypatch.setattr(retention.Sweep, "step", slow)

    async def scenario() -> None:
        journal = SqliteJournal(it.path, asyncio.get_running_loop())
        await until(lambda: order == ["step"])
        answers = []
        for number in range(5):
            journal.append(
                TRANSACTION_STARTED,
                EVSE,
                {"session_id": f"new-{number}"},
                lambda _: answers.append(len(order)),
            )
        go_on.set()
        await until(lambda: len(answers) == 5)
        await until(lambda: len(order) > 1)
        assert journal.close()
        assert len(journal.open_transactions(EVSE)) == 5

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_step_that_fails_is_told_and_the_journal_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = _filled(tmp_path)

    def fails(*_: Any) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(retention.Sweep, "step", fails)

    async def scenario() -> None:
        journal = SqliteJournal(it.path, asyncio.get_running_loop())
        await until(lambda: "are not removed" in capsys.readouterr().out)
        assert await _append(journal, "new") is None
        assert journal.close()

    asyncio.run(scenario())
