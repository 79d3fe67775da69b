"""What happens to the journal's file: kill -9, damage, a full, locked or read-only disk."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from evse_daemon.store import SqliteJournal, StoreError, database
from evse_daemon.store import journal as journal_module
from tests.store.test_journal import append, save

WRITER = """
import asyncio, sys
from pathlib import Path
from evse_daemon.store import SqliteJournal

async def main():
    loop = asyncio.get_running_loop()
    journal = SqliteJournal(Path(sys.argv[1]), loop)
    def write(number):
        def done(problem):
            assert problem is None, problem
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
            write(number + 1)
        journal.append("transaction_started", "evse_1", {"session_id": str(number)}, done)
    write(1)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def with_journal(path: Path, scenario: Callable[[SqliteJournal], Awaitable[None]]) -> None:
    async def run() -> None:
        journal = SqliteJournal(path, asyncio.get_running_loop())
        try:
            await scenario(journal)
        finally:
            assert journal.close()

    asyncio.run(run())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def test_kill_9_in_mid_stream_loses_nothing_that_was_acknowledged(file: Path) -> None:
    for round_ in range(3):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(20 + round_)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().decode().splitlines() if line]
        child.wait()
        child.stdout.close()

        async def scenario(journal: SqliteJournal, last: int = acknowledged[-1]) -> None:
            sessions = {int(payload["session_id"]) for payload in journal.open_transactions("evse_1")}
            assert sessions >= set(range(1, last + 1))
            records = journal.read_from("evse_1", 0, limit=1_000_000)
            assert [record.sequence for record in records] == list(range(1, len(records) + 1))

        with_journal(file, scenario)


def test_it_reads_on_after_a_restart(file: Path) -> None:
    async def first(journal: SqliteJournal) -> None:
        await append(journal, "transaction_started", "evse_1", session_id="a")
        await append(journal, "meter", "evse_1", session_id="a")
        assert await save(journal, "evse_1", {"disabled_by": "MobileApp"}) is None

    async def second(journal: SqliteJournal) -> None:
        assert journal.open_transactions("evse_1") == [{"session_id": "a"}]
        assert journal.problem is None
        assert journal.settings("evse_1") == {"disabled_by": "MobileApp"}
        await append(journal, "transaction_finished", "evse_1", session_id="a")
        assert [record.sequence for record in journal.read_from("evse_1", 0)] == [1, 2, 3]

    with_journal(file, first)
    with_journal(file, second)


def test_a_number_is_not_used_again_even_where_records_were_removed(file: Path) -> None:
    async def first(journal: SqliteJournal) -> None:
        await append(journal, "meter", "evse_1")
        await append(journal, "meter", "evse_1")

    async def second(journal: SqliteJournal) -> None:
        await append(journal, "meter", "evse_1")
        assert [record.sequence for record in journal.read_from("evse_1", 0)] == [3]

    with_journal(file, first)
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM record")
    connection.close()
    with_journal(file, second)


def test_commits_are_durable(file: Path) -> None:
    connection = database.open_for_writing(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"
    assert connection.execute("PRAGMA user_version").fetchone() == (len(database.migrations()),)
    connection.close()
    assert file.parent.stat().st_mode & 0o077 == 0, "tokens are nobody else's business"


@pytest.mark.parametrize("damage", ["not a database", "a damaged page"])
def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(
    file: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def first(journal: SqliteJournal) -> None:
        for number in range(200):
            journal.append("meter", "evse_1", {"number": number, "text": "x" * 200}, lambda _: None)
        await append(journal, "transaction_started", "evse_1", session_id="a")

    async def second(journal: SqliteJournal) -> None:
        assert journal.open_transactions("evse_1") == []
        assert await append(journal, "meter", "evse_1") is None
        (record,) = journal.read_from("evse_1", 202)
        assert record.sequence > time.time() - 60, "above every number of the damaged file"

    with_journal(file, first)
    if damage == "not a database":
        file.write_bytes(b"\xff" * 9000)
    else:
        content = bytearray(file.read_bytes())
        content[4096 * 3 : 4096 * 5] = os.urandom(4096 * 2)
        file.write_bytes(content)
    before = file.read_bytes()
    with_journal(file, second)
    (aside,) = file.parent.glob("journal.db.damaged-*Z")
    assert aside.read_bytes() == before
    assert "the journal is damaged: it is kept aside" in capsys.readouterr().out


def test_a_damaged_file_takes_its_write_ahead_log_along(file: Path) -> None:
    file.parent.mkdir()
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).write_text(suffix)
    aside = database.move_aside(file)
    assert {path.name.removeprefix(aside.name) for path in file.parent.iterdir()} == {"", "-wal", "-shm"}


def test_the_file_of_a_newer_version_is_left_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database.open_for_writing(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()

    async def scenario(journal: SqliteJournal) -> None:
        assert "a newer evse-daemon wrote this file (schema 99" in str(
            await append(journal, "meter", "evse_1")
        )

    with_journal(file, scenario)
    assert file.read_bytes() == before
    assert "no transaction can be started until the journal can be written" in capsys.readouterr().out


def test_a_migration_that_fails_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.open_for_writing(file).close()
    scripts = database.migrations()
    monkeypatch.setattr(
        database, "migrations", lambda: [*scripts, "CREATE TABLE more (x); CREATE TABLE more (x);"]
    )
    with pytest.raises(sqlite3.Error, match="already exists"):
        database.open_for_writing(file)
    monkeypatch.setattr(database, "migrations", lambda: [*scripts, "CREATE TABLE more (x);"])
    connection = database.open_for_writing(file)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts) + 1,)
    connection.close()


def test_a_folder_that_cannot_be_made_is_answered_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    async def scenario(journal: SqliteJournal) -> None:
        assert "cannot be written" in str(journal.problem)
        assert "cannot be written" in str(await append(journal, "meter", "evse_1"))
        with pytest.raises(StoreError, match="cannot be read"):
            journal.open_transactions("evse_1")
        (tmp_path / "state").unlink()
        assert await append(journal, "meter", "evse_1") is None
        assert len(journal.read_from("evse_1", 0)) == 1

    with_journal(tmp_path / "state" / "journal.db", scenario)


def test_a_locked_file_is_answered_and_tried_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)

    async def scenario(journal: SqliteJournal) -> None:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked" in str(await append(journal, "meter", "evse_1", lost=True))
        assert "database is locked" in str(await save(journal, "evse_1", {}))
        assert journal.open_transactions("evse_1") == [], "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        assert await append(journal, "meter", "evse_1", lost=False) is None
        assert [record.payload for record in journal.read_from("evse_1", 0)] == [{"lost": False}]

    with_journal(file, scenario)


def test_a_full_disk_is_answered_and_tried_again(file: Path) -> None:
    async def scenario(journal: SqliteJournal) -> None:
        assert await append(journal, "meter", "evse_1") is None
        connection = journal._connection
        assert connection is not None
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        assert "full" in str(await append(journal, "meter", "evse_1", text="x" * 9000))
        assert journal._connection is connection
        connection.execute("PRAGMA max_page_count = 1000000")
        assert await append(journal, "meter", "evse_1", text="x" * 9000) is None
        assert [record.sequence for record in journal.read_from("evse_1", 0)] == [1, 2]

    with_journal(file, scenario)


def test_a_fault_of_any_kind_is_answered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(journal: SqliteJournal) -> None:
        for error in (
            sqlite3.OperationalError("disk I/O error"),
            MemoryError("no memory"),
            RuntimeError("a bug"),
        ):

            def fails(*_: object, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(journal_module, "_insert", fails)
            assert str(error) in str(await append(journal, "meter", "evse_1"))
        monkeypatch.undo()
        assert await append(journal, "meter", "evse_1") is None

    with_journal(file, scenario)


def test_a_disk_that_hangs_is_not_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MOST_WAITING", 3)

    async def run() -> None:
        journal = SqliteJournal(file, asyncio.get_running_loop())
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers: list[str | None] = []
        for number in range(20):
            journal.append("meter", "evse_1", {"number": number}, answers.append)
        await asyncio.sleep(0)
        assert answers, "what is too much is refused at once"
        assert all(answer == "the disk does not answer: 3 records wait" for answer in answers)
        assert journal.close(timeout_s=0.05) is False
        other.execute("ROLLBACK")
        other.close()
        assert journal.close(), "what waited is committed all the same"
        await asyncio.sleep(0)
        assert len(answers) == 20
        assert len(journal.read_from("evse_1", 0)) == answers.count(None) > 0

    asyncio.run(run())


def test_after_close_records_are_refused(file: Path) -> None:
    async def run() -> None:
        journal = SqliteJournal(file, asyncio.get_running_loop())
        answers: list[str | None] = []
        for _ in range(10):
            journal.append("meter", "evse_1", {}, answers.append)
        assert journal.close()
        assert journal.close()
        assert await append(journal, "meter", "evse_1") == "the journal is closed"
        assert answers == [None] * 10, "close commits what waits"
        assert len(journal.read_from("evse_1", 0)) == 10

    asyncio.run(run())


def test_answers_to_a_loop_that_has_ended_are_dropped(file: Path) -> None:
    async def run() -> SqliteJournal:
        return SqliteJournal(file, asyncio.get_running_loop())

    journal = asyncio.run(run())
    journal.append("meter", "evse_1", {}, lambda _: None)
    assert journal.close()
    assert len(journal.read_from("evse_1", 0)) == 1
