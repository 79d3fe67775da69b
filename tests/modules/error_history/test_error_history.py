"""The errors of a station and its former runs: what is kept, what is found, and files that cannot be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.errors import Error
from evse_daemon.interfaces.error_history import ErrorHistory as ErrorHistoryInterface
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.modules.error_history import history as history_module
from evse_daemon.modules.error_history.module import ErrorHistory
from evse_daemon.types.error_history import (
    ErrorObject,
    FilterArguments,
    ImplementationIdentifier,
    TimeperiodFilter,
)
from tests.support.harness import World

HISTORY = ("error_history", "error_history")
DIODE, VENDOR = "evse_board_support/DiodeFault", "evse_board_support/VendorWarning"
METER = "powermeter/CommunicationFault"


class Station:
    def __init__(self, file: Path) -> None:
        self.world = World()
        # It is the first module: those behind it raise errors when they are initialised.
        options = {"error_history": {"database_path": str(file)}}
        self.world.add(ErrorHistory, "error_history", impl_options=options)
        board = self.world.fake("board", board_support=EvseBoardSupport, powermeter=Powermeter)
        self.board, self.meter = board["board_support"], board["powermeter"]
        self.world.start()

    def raise_(self, type_: str, **how: Any) -> None:
        (self.meter if type_ == METER else self.board).raise_error(
            type_, how.pop("message", "a message"), **how
        )
        self.world.settle()

    def clear(self, type_: str, sub_type: str = "") -> None:
        (self.meter if type_ == METER else self.board).clear_error(type_, sub_type)
        self.world.settle()

    def find(self, **filters: Any) -> list[ErrorObject]:
        return self.world.call(HISTORY, ErrorHistoryInterface.get_errors, FilterArguments(**filters))

    def states(self, **filters: Any) -> list[tuple[str, str]]:
        return [(error.type.partition("/")[2], error.state) for error in self.find(**filters)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "error_history.db"


@pytest.fixture
def station(file: Path) -> Station:
    return Station(file)


def test_an_error_is_there_with_everything_while_it_lasts_and_afterwards(station: Station) -> None:
    station.raise_(DIODE, message="0.3 V", sub_type="D1", severity="Medium")
    (error,) = station.find()
    active = next(iter(station.world.active_errors(("board", "board_support"))))
    assert error == ErrorObject(
        type=DIODE,
        description="The car's control pilot diode is shorted.",
        message="0.3 V",
        severity="Medium",
        origin=ImplementationIdentifier(module_id="board", implementation_id="board_support"),
        timestamp="2026-03-04T10:15:00.000Z",
        uuid=active.uuid,
        state="Active",
        sub_type="D1",
    )
    station.clear(DIODE, "D1")
    assert station.find() == [error.model_copy(update={"state": "ClearedByModule"})]
    station.raise_(DIODE)
    assert station.states() == [("DiodeFault", "ClearedByModule"), ("DiodeFault", "Active")]


def test_what_is_active_at_the_end_of_a_run_is_cleared_by_reboot(file: Path) -> None:
    before = Station(file)
    before.raise_(DIODE)
    before.raise_(VENDOR)
    before.clear(VENDOR)
    after = Station(file)
    assert after.states() == [("DiodeFault", "ClearedByReboot"), ("VendorWarning", "ClearedByModule")]
    after.raise_(DIODE)
    assert after.states(state_filter="Active") == [("DiodeFault", "Active")]
    assert len(Station(file).find(state_filter="ClearedByReboot")) == 2


def test_filters_are_combined(station: Station) -> None:
    station.raise_(DIODE, severity="High")
    station.world.advance(60)
    station.raise_(VENDOR, severity="Low")
    station.world.advance(60)
    station.raise_(METER, severity="Medium")
    station.clear(VENDOR)
    high, low, medium = station.find()

    board = ImplementationIdentifier(module_id="board", implementation_id="board_support")
    cases: list[tuple[dict[str, Any], list[ErrorObject]]] = [
        ({"state_filter": "Active"}, [high, medium]),
        ({"state_filter": "ClearedByModule"}, [low]),
        ({"state_filter": "ClearedByReboot"}, []),
        ({"origin_filter": board}, [high, low]),
        ({"type_filter": METER}, [medium]),
        ({"type_filter": "CommunicationFault"}, []),
        ({"severity_filter": "HIGH_GE"}, [high]),
        ({"severity_filter": "MEDIUM_GE"}, [high, medium]),
        ({"severity_filter": "LOW_GE"}, [high, low, medium]),
        ({"handle_filter": low.uuid}, [low]),
        ({"state_filter": "Active", "origin_filter": board}, [high]),
        ({"severity_filter": "HIGH_GE", "type_filter": METER}, []),
    ]
    for filters, expected in cases:
        assert station.find(**filters) == expected, filters


def test_a_period_of_time_includes_its_ends_in_whichever_zone(station: Station) -> None:
    for _ in range(3):
        station.raise_(DIODE)
        station.clear(DIODE)
        station.world.advance(60)
    period = TimeperiodFilter(
        timestamp_from="2026-03-04T11:16:00+01:00", timestamp_to="2026-03-04T10:17:00.000Z"
    )
    assert [error.timestamp[11:16] for error in station.find(timeperiod_filter=period)] == ["10:16", "10:17"]


def test_the_file_is_everests(station: Station, file: Path) -> None:
    station.raise_(DIODE, message="0.3 V")
    connection = sqlite3.connect(file)
    columns = [
        (name, type_, notnull, key)
        for _, name, type_, notnull, _, key in connection.execute("PRAGMA table_info(errors)")
    ]
    names = [
        "uuid", "type", "description", "message", "origin_module", "origin_implementation", "timestamp", "severity",
        "state", "sub_type", "vendor_id",
    ]  # fmt: skip
    assert columns == [(name, "TEXT", 1, int(name == "uuid")) for name in names]
    (row,) = connection.execute("SELECT * FROM errors").fetchall()
    (error,) = station.find()
    assert row == (
        error.uuid, DIODE, error.description, "0.3 V", "board", "board_support", error.timestamp, "High", "Active", "",
        "everest",
    )  # fmt: skip


def test_rows_that_are_no_errors_are_left_out(file: Path) -> None:
    Station(file).raise_(DIODE)
    good = [
        "u",
        "a/B",
        "text",
        "text",
        "module",
        "main",
        "2026-03-04T10:15:00.000Z",
        "High",
        "ClearedByModule",
        "",
        "v",
    ]
    with sqlite3.connect(file) as connection:
        for number, (place, value) in enumerate([(6, "yesterday"), (7, "Terrible"), (8, "Gone"), (1, "")]):
            row = [*good]
            row[0], row[place] = f"uuid{number}", value
            connection.execute(f"INSERT INTO errors VALUES ({','.join('?' * 11)})", row)
    assert Station(file).states() == [("DiodeFault", "ClearedByReboot")]


def test_only_the_newest_are_kept_and_every_active_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MOST", 10)
    station = Station(file)
    station.raise_(DIODE)
    for number in range(30):
        station.raise_(VENDOR, message=f"number {number}")
        station.clear(VENDOR)
    messages = [error.message for error in station.find()]
    assert messages == ["a message", *(f"number {number}" for number in range(21, 30))]
    rows = sqlite3.connect(file).execute("SELECT message FROM errors ORDER BY rowid").fetchall()
    assert [message for (message,) in rows] == messages
    monkeypatch.setattr(history_module, "MOST", 5)
    assert len(Station(file).find()) == 5
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM errors").fetchone() == (5,)


def test_long_texts_are_cut_short_and_empty_ones_are_filled(station: Station) -> None:
    station.raise_(DIODE, message="x" * 9000)
    station.raise_(VENDOR, message="")
    cut, empty = station.find()
    assert len(cut.message) == history_module.LONGEST_TEXT
    assert len(empty.message) > 2


def test_a_time_that_is_none_is_replaced_by_the_present(station: Station) -> None:
    """As a standalone module may give it."""
    station.board.errors.raise_error(
        Error(DIODE, "message", "High", "board", "board_support", timestamp="yesterday", uuid="1")
    )
    station.world.settle()
    (error,) = station.find()
    assert error.timestamp == "2026-03-04T10:15:00.000Z"
    station.clear(DIODE)
    assert station.states() == [("DiodeFault", "ClearedByModule")]


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    Station(file).raise_(DIODE)
    assert Station(file).states() == [("DiodeFault", "ClearedByReboot")]
    assert len(list(file.parent.glob("error_history.db.damaged-*"))) == 1


def test_without_a_file_the_errors_of_this_run_are_known_and_written_when_there_is_one(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file in the place of the folder")
    station = Station(folder / "errors.db")
    station.raise_(DIODE)
    station.clear(DIODE)
    station.raise_(VENDOR)
    expected = [("DiodeFault", "ClearedByModule"), ("VendorWarning", "Active")]
    assert station.states() == expected
    folder.unlink()
    station.raise_(METER)
    assert station.states() == [*expected, ("CommunicationFault", "Active")]
    assert len(Station(folder / "errors.db").find()) == 3


def test_what_the_file_lacks_is_written_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file in the place of the folder")
    station = Station(folder / "errors.db")
    station.raise_(DIODE)
    folder.unlink()
    station.world.modules["error_history"].make_safe()
    assert Station(folder / "errors.db").states() == [("DiodeFault", "ClearedByReboot")]


def test_a_file_that_can_only_be_read_costs_nothing_but_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Station(file).raise_(DIODE)
    connect = sqlite3.connect

    def read_only(path: Path, **how: Any) -> Any:
        return connect(f"file:{path}?mode=ro", uri=True, **how)

    monkeypatch.setattr("evse_daemon.store.module_database.sqlite3.connect", read_only)
    with capture_logs() as logs:
        station = Station(file)
        station.raise_(VENDOR)
        station.clear(VENDOR)
    assert station.states() == [("VendorWarning", "ClearedByModule")]
    assert [entry["event"] for entry in logs] == ["the history of errors is not stored"]
    assert "readonly" in logs[0]["reason"]
