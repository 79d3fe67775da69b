"""Values that survive a restart, in a file that EVerest reads, too; and files that cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.modules.persistent_store.module import PersistentStore
from evse_daemon.store import module_database
from evse_daemon.store.module_database import ModuleDatabase
from evse_daemon.store.record import StoreError
from tests.support.harness import World
from tests.support.waiting import run, until

STORE = ("store", "main")
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -7,
    2.5,
    1e300,
    "",
    "text",
    "ä\n'\"",
    [],
    [1, "a", None],
    {},
    {"a": {"b": [1.5]}},
]


def world(file: Path) -> World:
    found = World()
    found.add(PersistentStore, "store", {"sqlite_db_file_path": str(file)})
    found.start()
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "kvs.db"


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_of_any_kind_is_there_after_a_restart(file: Path, value: Any) -> None:
    world(file).call(STORE, Kvs.store, "my.key", value)
    found = world(file).call(STORE, Kvs.load, "my.key")
    assert (found, type(found)) == (value, type(value))


def test_what_is_not_there_is_null_and_does_not_exist(file: Path) -> None:
    store = world(file)
    assert store.call(STORE, Kvs.load, "key") is None
    assert store.call(STORE, Kvs.exists, "key") is False
    store.call(STORE, Kvs.delete, "key")
    store.call(STORE, Kvs.store, "key", None)
    assert store.call(STORE, Kvs.exists, "key") is True
    store.call(STORE, Kvs.store, "key", 2)
    store.call(STORE, Kvs.store, "other", 3)
    assert store.call(STORE, Kvs.load, "key") == 2
    store.call(STORE, Kvs.delete, "key")
    assert store.call(STORE, Kvs.exists, "key") is False
    assert store.call(STORE, Kvs.load, "other") == 3


def test_the_file_is_everests(file: Path) -> None:
    store = world(file)
    values: list[Any] = [None, True, 5, 2.5, "text", [1, 2], {"a": 1}]
    for number, value in enumerate(values):
        store.call(STORE, Kvs.store, str(number), value)
    rows = sqlite3.connect(file).execute("SELECT KEY, VALUE, TYPE FROM KVS ORDER BY KEY").fetchall()
    assert rows == [
        ("0", "", "nullptr_t"),
        ("1", "true", "bool"),
        ("2", "5", "int"),
        ("3", "2.5", "double"),
        ("4", "text", "std::string"),
        ("5", "[1,2]", "Array"),
        ("6", '{"a":1}', "Object"),
    ]


@pytest.mark.parametrize(
    ("text", "type_"),
    [("x", "int"), ("nan", "double"), ("{", "Object"), ("[]", "Object"), ("1", "float"), (None, "int")],
)
def test_a_value_that_cannot_be_read_is_an_error_and_the_others_are_read(
    file: Path, text: str | None, type_: str
) -> None:
    store = world(file)
    store.call(STORE, Kvs.store, "good", 1)
    with sqlite3.connect(file) as other:
        other.execute("INSERT INTO KVS VALUES ('bad', ?, ?)", (text, type_))
    with pytest.raises(CallError, match="bad cannot be read"):
        store.call(STORE, Kvs.load, "bad")
    assert store.call(STORE, Kvs.load, "good") == 1


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    store = world(file)
    store.call(STORE, Kvs.store, "key", 1)
    assert world(file).call(STORE, Kvs.load, "key") == 1
    (aside,) = file.parent.glob("kvs.db.damaged-*")
    assert aside.read_bytes().startswith(b"no database")


def test_a_place_that_cannot_be_written_fails_the_commands_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file in the place of the folder")
    store = world(tmp_path / "folder" / "kvs.db")
    for _ in range(5):
        with pytest.raises(CallError, match="folder"):
            store.call(STORE, Kvs.store, "key", 1)
    (tmp_path / "folder").unlink()
    store.call(STORE, Kvs.store, "key", 1)
    assert store.call(STORE, Kvs.load, "key") == 1


def test_a_file_that_is_full_refuses_more_and_keeps_what_it_has(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evse_daemon.modules.persistent_store.module.MOST_BYTES", 64 * 1024)
    store = world(file)
    store.call(STORE, Kvs.store, "first", "x" * 1000)
    for number in range(5):
        store.call(STORE, Kvs.store, f"key{number}", "x" * 5000)
    with pytest.raises(CallError, match="full"):
        store.call(STORE, Kvs.store, "more", "x" * 60_000)
    assert store.call(STORE, Kvs.load, "first") == "x" * 1000
    assert file.stat().st_size <= 128 * 1024
    store.call(STORE, Kvs.delete, "key0")
    store.call(STORE, Kvs.store, "again", "x" * 1000)


# In a daemon: a thread does the work.


def test_the_thread_does_the_work_in_order_and_answers_in_the_event_loop(file: Path) -> None:
    async def scenario() -> None:
        database = ModuleDatabase(file, "CREATE TABLE IF NOT EXISTS t (n INT)", 10**6)
        database.now(lambda _: None)
        done: list[tuple[Any, int]] = []
        threads: set[int] = set()

        def work(number: int, connection: sqlite3.Connection) -> int:
            threads.add(threading.get_ident())
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            return number

        for number in range(50):
            database.later(
                lambda connection, number=number: work(number, connection),  # type: ignore[misc]
                lambda outcome: done.append((outcome, threading.get_ident())),
            )
        assert done == []
        await until(lambda: len(done) == 50)
        here = threading.get_ident()
        assert done == [(number, here) for number in range(50)]
        assert here not in threads
        database.later(
            lambda connection: connection.execute("nonsense"), lambda outcome: done.append((outcome, 0))
        )
        database.later(lambda _: "goes on", lambda outcome: done.append((outcome, 0)))
        await until(lambda: len(done) == 52)
        assert isinstance(done[50][0], StoreError)
        assert done[51][0] == "goes on"
        database.close()
        database.later(lambda _: None, lambda outcome: done.append((outcome, 0)))
        await until(lambda: len(done) == 53)
        assert isinstance(done[52][0], StoreError)

    run(scenario())


def test_a_disk_that_hangs_holds_up_nobody_and_what_waits_is_bounded(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_database, "MOST_WAITING", 10)

    async def scenario() -> None:
        database = ModuleDatabase(file, "", 10**6)
        goes_on = threading.Event()
        outcomes: list[Any] = []
        database.later(lambda _: goes_on.wait(10), outcomes.append)
        for _ in range(30):
            database.later(lambda _: None, outcomes.append)
        await until(lambda: len(outcomes) >= 15)
        assert all(isinstance(outcome, StoreError) for outcome in outcomes)
        goes_on.set()
        await until(lambda: len(outcomes) == 31)
        taken = sum(not isinstance(outcome, StoreError) for outcome in outcomes)
        assert taken in (10, 11)  # one may be at work already
        database.close()

    run(scenario())


def test_what_was_given_before_the_end_is_written(file: Path) -> None:
    async def scenario() -> None:
        database = ModuleDatabase(file, "CREATE TABLE IF NOT EXISTS t (n INT)", 10**6)
        for number in range(20):
            database.later(
                lambda connection, number=number: connection.execute("INSERT INTO t VALUES (?)", (number,)),  # type: ignore[misc]
                lambda _: None,
            )
        database.finish()
        await asyncio.sleep(0)
        database.close()

    run(scenario())
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM t").fetchone() == (20,)


@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED as root, who may write to every file")
def test_a_read_only_file_fails_the_commands_that_store(file: Path) -> None:
    world(file).call(STORE, Kvs.store, "key", 1)
    file.chmod(0o400)
    file.parent.chmod(0o500)
    with pytest.raises(CallError):
        world(file).call(STORE, Kvs.store, "key", 2)
