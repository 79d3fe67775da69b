"""What the journal keeps of transactions: once, in order, readable from any number, through a crash."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.store import Record, SqliteJournal, database
from evse_daemon.store.journal import OF_SESSION
from evse_daemon.store.records import (
    MODELS,
    MeterValueRecord,
    OpenTransaction,
    TransactionFinishedRecord,
    parse,
)
from tests.store.test_durability import with_journal
from tests.store.test_journal import AnyJournal, Run, run

__all__ = ["run"]

JOURNAL_MD = Path(__file__).parents[2] / "docs" / "journal.md"
WHEN = "2026-03-04T10:15:00.000Z"


def meter(total_wh: float) -> dict[str, Any]:
    return {"timestamp": WHEN, "energy_Wh_import": {"total": total_wh}}


def common(session_id: str, total_wh: float) -> dict[str, Any]:
    return {"session_id": session_id, "evse": 1, "timestamp": WHEN, "meter_value": meter(total_wh)}


TOKEN = {"id_token": {"value": "DEADBEEF", "type": "ISO14443"}, "authorization_type": "RFID"}


async def put(journal: AnyJournal, kind: str, payload: dict[str, Any]) -> None:
    answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    journal.append(kind, "e", payload, answer.set_result)
    assert await asyncio.wait_for(answer, 5) is None


async def start(journal: AnyJournal, session_id: str, total_wh: float = 0.0) -> None:
    await put(journal, "transaction_started", {**common(session_id, total_wh), "id_tag": TOKEN})


async def measure(journal: AnyJournal, session_id: str, total_wh: float) -> None:
    await put(journal, "meter_value", common(session_id, total_wh))


async def finish(journal: AnyJournal, session_id: str, total_wh: float = 0.0, **more: Any) -> None:
    await put(journal, "transaction_finished", {**common(session_id, total_wh), "reason": "Local", **more})


def kinds(journal: AnyJournal) -> list[tuple[int, str]]:
    return [(record.sequence, record.kind) for record in journal.read_from("e", 0)]


def test_an_open_transaction_has_its_newest_meter_value(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        await start(journal, "a", 10.0)
        assert "last_meter_value" not in journal.open_transactions("e")[0]
        await measure(journal, "a", 20.0)
        await measure(journal, "a", 30.0)
        (left,) = journal.open_transactions("e")
        assert left["meter_value"] == meter(10.0)
        assert left["last_meter_value"] == meter(30.0)
        assert OpenTransaction.model_validate(left).last_meter_value is not None
        await finish(journal, "a", 40.0)
        await measure(journal, "a", 50.0)
        assert journal.open_transactions("e") == []
        assert kinds(journal) == [
            (1, "transaction_started"),
            (2, "meter_value"),
            (3, "meter_value"),
            (4, "transaction_finished"),
        ]

    run(scenario)


def test_a_start_and_an_end_are_recorded_once_however_often_they_are_told(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        for _ in range(3):
            await start(journal, "a")
        for _ in range(3):
            await finish(journal, "a")
        await start(journal, "a")
        assert kinds(journal) == [(1, "transaction_started"), (2, "transaction_finished")]
        assert journal.open_transactions("e") == []

    run(scenario)


def test_an_end_whose_start_was_lost_is_recorded(run: Run) -> None:
    """The file that had the start was damaged and moved aside."""

    async def scenario(journal: AnyJournal) -> None:
        await finish(journal, "a")
        assert kinds(journal) == [(1, "transaction_finished")]

    run(scenario)


def test_a_void_end_is_recorded_only_where_its_start_is(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        await finish(journal, "never stored", void=True)
        assert kinds(journal) == []
        await start(journal, "stored late")
        await finish(journal, "stored late", void=True)
        await finish(journal, "stored late", void=True)
        assert len(kinds(journal)) == 2
        assert journal.open_transactions("e") == []
        assert journal.untold_ends("e") == [], "nobody was told of it"

    run(scenario)


def test_an_end_is_untold_until_somebody_says_that_it_was_told(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        await start(journal, "a")
        await finish(journal, "a", 7.0)
        await start(journal, "b")
        assert [end["meter_value"] for end in journal.untold_ends("e")] == [meter(7.0)]
        assert journal.untold_ends("another") == []
        journal.told("another", "a")
        journal.told("e", "b")
        journal.told("e", "a")
        await finish(journal, "a")
        assert journal.untold_ends("e") == []

    run(scenario)


def test_what_was_told_survives_the_process(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"

    async def first(journal: SqliteJournal) -> None:
        await start(journal, "a")
        await finish(journal, "a")
        await start(journal, "b")
        await finish(journal, "b", 9.0)
        journal.told("e", "a")

    async def second(journal: SqliteJournal) -> None:
        assert [end["session_id"] for end in journal.untold_ends("e")] == ["b"]

    with_journal(file, first)
    with_journal(file, second)


def test_a_closed_journal_is_told_in_vain_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        journal = SqliteJournal(tmp_path / "journal.db", asyncio.get_running_loop())
        journal.close()
        journal.told("e", "a")
        await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert "may be told again" in capsys.readouterr().out


def test_what_follows_a_record_without_wait_is_durable_again(tmp_path: Path) -> None:
    """A start waits for the disk; that what was told does not must not change it."""

    async def scenario(journal: SqliteJournal) -> None:
        journal.told("e", "a")
        await start(journal, "b")
        assert journal._connection is not None
        assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"

    with_journal(tmp_path / "journal.db", scenario)


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    first = database.migrations()[0]
    with sqlite3.connect(file) as connection:
        connection.executescript(first + "PRAGMA user_version = 1;")
        for number, kind in enumerate(
            ["transaction_started", "transaction_finished", "transaction_finished"], 1
        ):
            connection.execute(
                "INSERT INTO record VALUES ('e', ?, ?, '{\"session_id\": \"a\"}')", (number, kind)
            )
        connection.execute(
            "INSERT INTO record VALUES ('e', 4, 'transaction_started', '{\"session_id\": \"b\"}')"
        )
        connection.execute("INSERT INTO open_transaction VALUES ('e', 'b', 4)")
        connection.execute("INSERT INTO sequence VALUES ('e', 4)")
    connection.close()

    async def scenario(journal: SqliteJournal) -> None:
        assert journal.problem is None
        assert journal.open_transactions("e") == [{"session_id": "b"}]
        assert journal.untold_ends("e") == [], "what an older version announced is not told again"
        await finish(journal, "a")
        await measure(journal, "b", 5.0)
        assert journal.open_transactions("e")[0]["last_meter_value"] == meter(5.0)
        assert kinds(journal)[-1] == (5, "meter_value")

    with_journal(file, scenario)


def test_finding_a_session_uses_an_index(tmp_path: Path) -> None:
    connection = database.open_for_writing(tmp_path / "journal.db")
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN {OF_SESSION}", ("e", "transaction_started", "a")
    ).fetchall()
    connection.close()
    assert "record_of_session" in str(plan)


def test_a_consumer_reads_on_and_knows_the_records_by_their_kinds(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        await start(journal, "a", 1.0)
        await measure(journal, "a", 2.0)
        await finish(journal, "a", 3.0, from_a_newer_version=1)
        found = [parse(record) for record in journal.read_from("e", 2)]
        assert [type(record) for record in found] == [MeterValueRecord, TransactionFinishedRecord]
        assert parse(Record("e", 4, "something else", {})) is None
        with pytest.raises(ValueError, match="id_tag"):
            parse(Record("e", 4, "transaction_started", common("b", 0.0)))

    run(scenario)


@pytest.mark.parametrize("kind", MODELS)
def test_the_documentation_names_each_kind_and_field(kind: str) -> None:
    text = JOURNAL_MD.read_text("utf-8")
    section = re.split(r"^### ", text.split("## Once")[0], flags=re.MULTILINE)
    own = next(part for part in section if part.startswith(f"`{kind}`"))
    said = set(re.findall(r"`(\w+)`", own))
    fields = set(MODELS[kind].model_fields)
    assert fields <= said, f"docs/journal.md does not name {fields - said}"
