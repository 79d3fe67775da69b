"""Records for systemd's journal: fields of their own, nothing lost while it restarts, nobody waits."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from evse_daemon.framework import journald
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.rate_limit import RateLimitedLog
from tests.support.journal_socket import FakeJournal, parse


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeJournal]:
    made = FakeJournal(tmp_path)
    monkeypatch.setattr(journald, "AWAY_S", 0.01)
    yield made
    made.close()


def begin(
    journal: FakeJournal,
    stderr: TextIO,
    format_: logging_setup.Format = "journal",
    level: str = "info",
    environ: dict[str, str] | None = None,
) -> logging_setup.Writer[Any]:
    return logging_setup.configure(level, format_, stderr, environ or {}, str(journal.path))


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log's settings are the process's."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def stderr(tmp_path: Path) -> Iterator[TextIO]:
    """What systemd has connected to the journal, and says so in JOURNAL_STREAM."""
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        yield stream


def stream_of(stream: TextIO) -> dict[str, str]:
    found = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def test_a_record_has_the_fields_that_one_looks_for(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr, "auto", environ=stream_of(stderr))
    log = structlog.get_logger("x").bind(module="evse_manager")
    log.warning(
        "charging is prevented",
        evse=1,
        connector=1,
        error_type="evse_board_support/MREC14PilotFault",
        session="4b3e",
        reason="state F",
    )
    record = journal.next()
    assert record["MESSAGE"] == (
        "charging is prevented module=evse_manager evse=1 connector=1"
        " error_type=evse_board_support/MREC14PilotFault session=4b3e reason='state F'"
    )
    assert record["PRIORITY"] == "4"
    assert record["SYSLOG_IDENTIFIER"] == "evse-daemon"
    assert record["EVSE_MODULE"] == "evse_manager"
    assert (record["EVSE_ID"], record["CONNECTOR"], record["SESSION"]) == ("1", "1", "4b3e")
    assert record["ERROR_TYPE"] == "evse_board_support/MREC14PilotFault"
    assert record["EVSE_REASON"] == "state F"
    assert record["CODE_FILE"] == __file__
    assert record["CODE_FUNC"] == "test_a_record_has_the_fields_that_one_looks_for"
    assert record["CODE_LINE"].isdigit()
    writer.close()
    assert Path(stderr.name).read_text("utf-8") == ""


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")],
)
def test_levels_are_syslogs(journal: FakeJournal, stderr: TextIO, level: str, priority: str) -> None:
    writer = begin(journal, stderr, level="debug")
    getattr(structlog.get_logger("x"), level)("it happened")
    assert journal.next()["PRIORITY"] == priority
    writer.close()


def test_an_exception_is_one_record_with_its_lines(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    try:
        int("no number")
    except ValueError:
        structlog.get_logger("x").exception("a module failed", module="auth")
    record = journal.next()
    assert record["PRIORITY"] == "3"
    assert record["MESSAGE"].startswith("a module failed module=auth\nTraceback (most recent call last):\n")
    assert record["MESSAGE"].endswith("base 10: 'no number'")
    writer.close()


def test_who_logs_seldom_is_named_not_the_limiter(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    RateLimitedLog(structlog.get_logger("x")).warning("k", "bad input")
    assert journal.next()["CODE_FILE"] == __file__
    logging.getLogger("a library").warning("so it is")
    assert journal.next()["CODE_FILE"] == __file__
    writer.close()


def test_a_library_that_logs_wrongly_is_not_ended_by_it(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    logging.getLogger("a library").warning("%d bytes of %s", "many")  # noqa: PLE1206 - the mistake is the test
    assert journal.next()["MESSAGE"].startswith("%d bytes of %s (its values do not fit")
    writer.close()


def test_what_asyncio_tells_of_a_task_that_failed_says_where(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)

    async def forgotten() -> None:
        raise RuntimeError("so it is")

    async def main() -> None:
        task = asyncio.create_task(forgotten())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(main())
    assert f'File "{__file__}"' in journal.next()["MESSAGE"]
    writer.close()


HOSTILE: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"payload": "a\nPRIORITY=0\nMESSAGE=b"}, {"EVSE_PAYLOAD": "a\nPRIORITY=0\nMESSAGE=b", "PRIORITY": "6"}),
    ({"payload": "\n"}, {"EVSE_PAYLOAD": "\n"}),
    ({"payload": ""}, {"EVSE_PAYLOAD": "", "MESSAGE": "e payload=''"}),
    ({"payload": "a=b"}, {"EVSE_PAYLOAD": "a=b"}),
    ({"payload": "\ud800 é"}, {"EVSE_PAYLOAD": "? é"}),
    ({"_PID=1\nx": 1}, {"EVSE__PID_1_X": "1"}),
    ({"é" * 100: 1}, {"EVSE_" + "_" * 59: "1"}),
    ({"message": "x", "priority": 0}, {"EVSE_MESSAGE": "x", "EVSE_PRIORITY": "0", "PRIORITY": "6"}),
    ({"nothing": None, "number": 1.5}, {"EVSE_NUMBER": "1.5", "MESSAGE": "e number=1.5"}),
]


@pytest.mark.parametrize(("fields", "expected"), HOSTILE)
def test_nobody_forges_a_field(fields: dict[str, Any], expected: dict[str, str]) -> None:
    record = parse(journald.datagram({"event": "e", "level": "info", **fields}))
    assert expected.items() <= record.items()


def test_a_value_of_several_lines_has_its_length_before_it() -> None:
    data = journald.datagram({"event": "a\nb", "level": "info"})
    assert data == b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=6\nSYSLOG_IDENTIFIER=evse-daemon\n"


def test_what_is_too_long_for_a_datagram_goes_as_a_sealed_file(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    structlog.get_logger("x").info("long", payload="x" * 3_000_000)
    assert len(journal.next()["EVSE_PAYLOAD"]) == 3_000_000
    assert journal.files == 1
    writer.close()


def test_a_journal_that_restarts_loses_nothing(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    log = structlog.get_logger("x")
    log.info("before")
    assert journal.next()["MESSAGE"] == "before"
    journal.go_away()
    for number in range(100):
        log.info("meanwhile", number=number)
    journal.come_back()
    assert [journal.next()["EVSE_NUMBER"] for _ in range(100)] == [str(number) for number in range(100)]
    writer.close()


def test_a_journal_that_takes_nothing_is_not_waited_for_and_the_lost_are_counted_once(
    journal: FakeJournal, stderr: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging_setup, "QUEUE_LINES", 50)
    writer = begin(journal, stderr)
    journal.go_away()
    log = structlog.get_logger("x")
    for number in range(1000):
        log.info("meanwhile", number=number)
    assert writer.dropped >= 949
    journal.come_back()
    dropped = writer.dropped
    records = [journal.next() for _ in range(1000 - dropped + 1)]
    assert [record["MESSAGE"] for record in records if "dropped" in record["MESSAGE"]] == [
        f"{dropped} records were dropped: the journal was blocked or away"
    ]
    writer.close()
    assert journal.silent()


def test_a_journal_whose_queue_is_full_takes_all_in_time(journal: FakeJournal, stderr: TextIO) -> None:
    writer = begin(journal, stderr)
    log = structlog.get_logger("x")
    for number in range(3000):  # the kernel keeps about a dozen for a reader
        log.info("many", number=number)
    assert [journal.next()["EVSE_NUMBER"] for _ in range(3000)] == [str(number) for number in range(3000)]
    writer.close()


def test_a_record_that_can_never_be_sent_is_counted_and_the_next_goes_on(
    journal: FakeJournal, stderr: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> int:
        raise PermissionError(1, "memfd_create")

    monkeypatch.setattr(os, "memfd_create", refused)
    writer = begin(journal, stderr)
    structlog.get_logger("x").info("long", payload="x" * 3_000_000)
    structlog.get_logger("x").info("short")
    messages = [journal.next()["MESSAGE"] for _ in range(2)]
    assert messages == ["1 records were dropped: the journal was blocked or away", "short"]
    writer.close()


def test_without_systemd_lines_are_for_people(journal: FakeJournal, stderr: TextIO) -> None:
    for environ in ({}, {"JOURNAL_STREAM": "1:1"}, {"JOURNAL_STREAM": "x"}, {"JOURNAL_STREAM": ":"}):
        writer = begin(journal, stderr, "auto", environ=environ)
        structlog.get_logger("x").info("a line", number=len(environ))
        writer.close()
    assert Path(stderr.name).read_text("utf-8").count("a line") == 4
    assert journal.silent()


@pytest.mark.parametrize("format_", ["console", "json"])
def test_who_wants_lines_under_systemd_gets_them(
    journal: FakeJournal, stderr: TextIO, format_: logging_setup.Format
) -> None:
    writer = begin(journal, stderr, format_, environ=stream_of(stderr))
    structlog.get_logger("x").info("a line")
    writer.close()
    assert "a line" in Path(stderr.name).read_text("utf-8")
    assert journal.silent()


def test_a_journal_that_is_asked_for_and_not_there_is_said(journal: FakeJournal, stderr: TextIO) -> None:
    journal.go_away()
    writer = begin(journal, stderr)
    structlog.get_logger("x").info("a line")
    writer.close()
    stderr.flush()
    text = Path(stderr.name).read_text("utf-8")
    assert "a line" in text
    assert f"there is no {journal.path}" in text


def test_a_socket_is_no_stream_of_ours() -> None:
    with socket.socket() as other, other.makefile("w") as stream:
        assert not journald.is_ours(stream, {"JOURNAL_STREAM": "0:0"})
    assert not journald.is_ours(sys.stderr, {})
