"""What both journals promise."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.framework.module import Journal
from evse_daemon.store import MemoryJournal, SqliteJournal

AnyJournal = SqliteJournal | MemoryJournal
Scenario = Callable[[AnyJournal], Awaitable[None]]


async def append(journal: AnyJournal, kind: str, evse: str, **payload: Any) -> str | None:
    """Appends a record and waits for what comes of it."""
    answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    journal.append(kind, evse, payload, answer.set_result)
    return await asyncio.wait_for(answer, 5)


async def save(journal: AnyJournal, evse: str, settings: dict[str, Any]) -> str | None:
    answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    journal.save_settings(evse, settings, answer.set_result)
    return await asyncio.wait_for(answer, 5)


@pytest.fixture(params=["sqlite", "memory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario with a journal."""

    def runs(scenario: Scenario) -> None:
        async def with_journal() -> None:
            made: AnyJournal = MemoryJournal()
            if request.param == "sqlite":
                made = SqliteJournal(tmp_path / "journal.db", asyncio.get_running_loop())
            typed: Journal = made
            assert typed.settings("nobody") == {}
            try:
                await scenario(made)
            finally:
                assert made.close()

        asyncio.run(with_journal())

    return runs


Run = Callable[[Scenario], None]


def test_a_transaction_is_open_until_it_is_finished(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        assert await append(journal, "transaction_started", "evse_1", session_id="a", meter_Wh=1.5) is None
        assert await append(journal, "transaction_started", "evse_1", session_id="b") is None
        assert await append(journal, "transaction_started", "evse_2", session_id="a") is None
        assert await append(journal, "meter", "evse_1", session_id="a") is None
        assert journal.open_transactions("evse_1") == [
            {"session_id": "a", "meter_Wh": 1.5},
            {"session_id": "b"},
        ]
        assert await append(journal, "transaction_finished", "evse_1", session_id="a") is None
        assert journal.open_transactions("evse_1") == [{"session_id": "b"}]
        assert journal.open_transactions("evse_2") == [{"session_id": "a"}]
        assert journal.open_transactions("evse_3") == []

    run(scenario)


def test_starts_and_ends_that_are_told_twice(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        await append(journal, "transaction_finished", "evse_1", session_id="unknown")
        await append(journal, "transaction_started", "evse_1", session_id="a", first=True)
        await append(journal, "transaction_started", "evse_1", session_id="a", first=False)
        assert journal.open_transactions("evse_1") == [{"session_id": "a", "first": True}]
        await append(journal, "transaction_finished", "evse_1", session_id="a")
        await append(journal, "transaction_finished", "evse_1", session_id="a")
        assert journal.open_transactions("evse_1") == []

    run(scenario)


def test_a_consumer_reads_on_from_where_it_was(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        for number in range(5):
            await append(journal, "meter", "evse_1", number=number)
            await append(journal, "meter", "evse_2", number=-number)
        assert [record.sequence for record in journal.read_from("evse_1", 0)] == [1, 2, 3, 4, 5]
        assert [record.payload for record in journal.read_from("evse_1", 4)] == [{"number": 3}, {"number": 4}]
        assert [record.sequence for record in journal.read_from("evse_2", 2, limit=2)] == [2, 3]
        assert journal.read_from("evse_1", 6) == []

    run(scenario)


def test_settings_of_each_evse(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        assert await save(journal, "evse_1", {"enable": [1, {"source": "MobileApp"}]}) is None
        assert await save(journal, "evse_1", {"enable": []}) is None
        assert journal.settings("evse_1") == {"enable": []}
        assert journal.settings("evse_2") == {}

    run(scenario)


def test_what_is_stored_is_what_it_was_at_the_call(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        payload = {"session_id": "a", "values": [1]}
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        journal.append("transaction_started", "evse_1", payload, answer.set_result)
        payload["values"] = "changed"
        assert await answer is None
        assert journal.open_transactions("evse_1")[0]["values"] == [1]

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("meter", {"power_W": math.nan}),
        ("meter", {"power_W": math.inf}),
        ("meter", {"value": object()}),
        ("transaction_started", {}),
        ("transaction_finished", {"session_id": None}),
        ("transaction_started", {"session_id": ""}),
    ],
)
def test_what_cannot_be_stored_is_answered(run: Run, kind: str, payload: dict[str, Any]) -> None:
    async def scenario(journal: AnyJournal) -> None:
        assert "is not stored" in str(await append(journal, kind, "evse_1", **payload))
        assert journal.read_from("evse_1", 0) == []
        assert await append(journal, "meter", "evse_1", ok=True, text="ümläut \ud800") is None
        assert journal.read_from("evse_1", 0)[0].sequence == 1

    run(scenario)


def test_settings_that_cannot_be_stored(run: Run) -> None:
    async def scenario(journal: AnyJournal) -> None:
        assert "are not stored" in str(await save(journal, "evse_1", {"x": math.nan}))
        journal.save_settings("evse_1", {"x": math.nan})
        journal.save_settings("evse_1", {"x": 1})
        assert await save(journal, "evse_2", {}) is None
        assert journal.settings("evse_1") == {"x": 1}

    run(scenario)


def test_a_memory_journal_can_be_made_to_fail() -> None:
    journal = MemoryJournal()
    answers: list[str | None] = []
    journal.failure = "the disk is full"
    journal.append("transaction_started", "evse_1", {"session_id": "a"}, answers.append)
    journal.save_settings("evse_1", {"x": 1}, answers.append)
    journal.failure = None
    journal.append("transaction_started", "evse_1", {"session_id": "b"}, answers.append)
    assert answers == ["the disk is full", "the disk is full", None]
    assert journal.open_transactions("evse_1") == [{"session_id": "b"}]
    assert journal.settings("evse_1") == {}
