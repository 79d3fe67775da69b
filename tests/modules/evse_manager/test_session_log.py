"""Session logs: a folder for each session, whole when the session is over, and never in the way of charging."""

from __future__ import annotations

import csv
import json
import threading
import time
import typing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import session_log, session_log_files
from evse_daemon.modules.evse_manager.session_log_files import COLUMNS, SessionLogFiles
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.mqtt.topics import api_var
from evse_daemon.types.authorization import IdToken, ProvidedIdToken
from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent
from evse_daemon.types.powermeter import TransactionStopResponse
from tests.modules.evse_manager.lives import EVSE, Life, Site
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, FAULT, TOKEN, meter
from tests.modules.evse_manager.test_crash_matrix import SESSION
from tests.system.processes import until

ROW = ("2026-03-04T10:15:00.000Z", "EVSE", "CAR", "Power", "on")


def logging_site(folder: Path, **options: Any) -> Site:
    return Site({"session_logging": True, "session_logging_path": str(folder), **options})


def finished(life: Life) -> None:
    """Waits for the writer."""
    life.manager.session_log.files.stop(10)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class Cells(HTMLParser):
    """The text of a page's table, and whether every tag that was opened was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_a_session_has_a_folder_with_its_whole_course(tmp_path: Path) -> None:
    site = logging_site(tmp_path)
    life = site.live()
    assert life.runs(*SESSION)
    finished(life)
    started = life.events[1]
    assert started.session_started is not None
    folder = Path(started.session_started.logging_path or "")
    assert folder == tmp_path / f"{started.timestamp}-{started.uuid}"
    assert sorted(file.name for file in folder.iterdir()) == ["eventlog.csv", "eventlog.html"]
    rows = read(folder / "eventlog.csv")
    assert [row["event"] for row in rows if row["event"] in typing.get_args(_EVENT_NAMES)] == life.names[1:]
    assert (rows[0]["event"], rows[-1]["event"]) == ("SessionStarted", "SessionFinished")
    said = [(row["origin"], row["event"], row["details"]) for row in rows]
    assert ("CAR", "Control pilot", "C") in said
    assert ("EVSE", "Power", "on") in said
    assert ("EVSE", "Charger state", "Charging") in said
    assert ("EVSE", "Pause requested", "") in said
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    page = Cells((folder / "eventlog.html").read_text("utf-8"))
    assert page.open == []
    assert page.rows[0] == list(COLUMNS)
    assert page.rows[1:] == [[row[name] for name in COLUMNS] for row in rows]


_EVENT_NAMES = SessionEvent.model_fields["event"].annotation


def test_no_file_and_no_message_has_a_whole_token(tmp_path: Path) -> None:
    life = logging_site(tmp_path).live()
    assert life.runs(*SESSION)
    finished(life)
    (folder,) = tmp_path.iterdir()
    told = life.world.mqtt.payloads(api_var(EVSE, "hlc_log"))
    for text in [file.read_text("utf-8") for file in folder.iterdir()] + told:
        assert TOKEN.id_token.value not in text
    assert any("…BEEF" in payload for payload in told)


def test_each_line_is_published_as_hlc_log(tmp_path: Path) -> None:
    life = logging_site(tmp_path).live()
    assert life.runs(*SESSION)
    finished(life)
    (folder,) = tmp_path.iterdir()
    told = [json.loads(payload) for payload in life.world.mqtt.payloads(api_var(EVSE, "hlc_log"))]
    assert len(told) == len(read(folder / "eventlog.csv"))
    assert told[0] == {
        "iso15118": False,
        "msg": "SessionStarted: EVConnected",
        "origin": "EVSE",
        "target": "CAR",
    }
    assert {line["origin"] for line in told} == {"CAR", "EVSE"}


def test_without_the_option_nothing_is_written_or_said(tmp_path: Path) -> None:
    life = Site({"session_logging_path": str(tmp_path)}).live()
    assert life.runs(*SESSION)
    assert list(tmp_path.iterdir()) == []
    assert life.world.mqtt.payloads(api_var(EVSE, "hlc_log")) == []
    started = life.events[1].session_started
    assert started is not None
    assert started.logging_path is None


def test_a_literal_suffix(tmp_path: Path) -> None:
    life = logging_site(tmp_path, logfile_suffix="garage/left").live()
    assert life.runs(*SESSION)
    finished(life)
    assert [folder.name.partition("Z-")[2] for folder in tmp_path.iterdir()] == ["garage_left"]


def test_ids_in_base_64_make_one_folder() -> None:
    config = KernelConfig(session_logging_path="/logs")
    assert session_log.path(config, "2026", "a/b+c") == "/logs/2026-a_b+c"


def test_a_crash_leaves_an_incomplete_log_and_the_next_session_has_its_own(tmp_path: Path) -> None:
    site = logging_site(tmp_path)
    life = site.live(dies_at=40)
    assert not life.runs(*SESSION)
    finished(life)
    (old,) = tmp_path.iterdir()
    assert sorted(file.name for file in old.iterdir()) == [
        "incomplete-eventlog.csv",
        "incomplete-eventlog.html",
    ]
    assert read(old / "incomplete-eventlog.csv")[0]["event"] == "SessionStarted"
    life = site.live()
    assert life.runs(*SESSION)
    finished(life)
    new = next(folder for folder in tmp_path.iterdir() if (folder / "eventlog.csv").exists())
    assert new != old


def test_lines_are_there_while_the_session_goes_on(tmp_path: Path) -> None:
    life = logging_site(tmp_path).live()
    assert life.runs(*SESSION[:7])
    until(
        lambda: any(
            "ChargingStarted" in log.read_text("utf-8") for log in tmp_path.glob("*/incomplete-eventlog.csv")
        )
    )
    finished(life)


def test_a_disk_that_cannot_be_written_changes_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    life = logging_site(tmp_path / "file").live()
    assert life.runs(*SESSION)
    finished(life)
    assert life.names[-1] == "SessionFinished"
    assert not life.world.errors((EVSE, "evse"))
    assert "cannot be written" in capsys.readouterr().out


class FullDisk:
    """A file that takes some text, then no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, text: str) -> int:
        self.room -= len(text)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return len(text)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_disk_that_gets_full_leaves_it_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "open", lambda *_args, **_named: FullDisk(1000))
    files = SessionLogFiles()
    files.open(tmp_path / "session")
    for _ in range(50):
        files.write(ROW)
    files.complete()
    files.stop(10)
    out = capsys.readouterr().out
    assert out.count("stays incomplete") == 1
    assert "No space left" in out


def test_a_page_that_cannot_be_made_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "incomplete-eventlog.html").mkdir(parents=True)
    files = SessionLogFiles()
    files.open(tmp_path)
    files.write(ROW)
    files.complete()
    files.stop(10)
    assert not (tmp_path / "eventlog.csv").exists()


def test_a_disk_that_hangs_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(session_log_files, "MOST_WAITING", 10)
    monkeypatch.setattr(SessionLogFiles, "_do", lambda *_: hangs.wait(10))
    files = SessionLogFiles()
    begun_s = time.monotonic()
    files.open(tmp_path)
    for _ in range(100):
        files.write(ROW)
    files.complete()
    files.stop(0.05)
    assert time.monotonic() - begun_s < 1.0
    assert capsys.readouterr().out.count("are dropped") == 1
    hangs.set()


def test_what_is_not_begun_needs_no_end(tmp_path: Path) -> None:
    files = SessionLogFiles()
    files.write(ROW)
    files.complete()
    files.stop()
    files.open(tmp_path / "a")
    files.write(ROW)
    files.open(tmp_path / "b")
    files.complete()
    files.stop(10)
    assert (tmp_path / "a" / "incomplete-eventlog.csv").exists()
    assert (tmp_path / "b" / "eventlog.csv").exists()


def test_markup_and_separators_in_a_text_stay_text(tmp_path: Path) -> None:
    nasty = ('<script>alert("x")</script>', "a,b;c", 'say "x"', "two\nlines", "&amp;")
    row = ("t", "EVSE", "CAR", nasty[0], "|".join(nasty[1:]))
    files = SessionLogFiles()
    files.open(tmp_path / "x")
    files.write(row)
    files.complete()
    files.stop(10)
    assert read(tmp_path / "x" / "eventlog.csv") == [dict(zip(COLUMNS, row, strict=True))]
    assert Cells((tmp_path / "x" / "eventlog.html").read_text("utf-8")).rows[1] == list(row)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("DEADBEEF", "…BEEF"),
        ("04A1B2C3D4E5F6", "…E5F6"),
        ("1234", "…34"),
        ("123", "…3"),
        ("1", "…"),
        ("", "…"),
    ],
)
def test_a_token_is_shown_by_its_end(token: str, shown: str) -> None:
    assert session_log.masked(token) == shown


SHORT = ProvidedIdToken(id_token=IdToken(value="AB12CD34", type="ISO14443"), authorization_type="RFID")
SOURCE = EnableDisableSource(enable_source="CSMS", enable_state="Disable", enable_priority=5000)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (ev.CpChanged(None), "Control pilot: unknown"),
        (ev.ContactorChanged(closed=False), "Contactor: open"),
        (ev.ProximityChanged(None), "Cable: none"),
        (ev.ProximityChanged(20.0), "Cable: 20 A"),
        (ev.LimitChanged(16.5, 1.0), "Limit: 16.5 A"),
        (ev.CausesChanged((FAULT,)), "Errors: ac_rcd/DC (High)"),
        (ev.CausesChanged(()), "Errors: none"),
        (ev.BoardFailed("no answer"), "Board failed: no answer"),
        (ev.Authorize(SHORT, ACCEPTED), "Authorization: token …CD34 (ISO14443)"),
        (ev.Stop("Local", SHORT), "Stop requested: Local token …CD34 (ISO14443)"),
        (ev.Stop("Remote"), "Stop requested: Remote"),
        (ev.EnableDisable(1, SOURCE), "Enable or disable: Disable by CSMS"),
        (ev.LockDone(1, "jammed"), "Connector lock failed: jammed"),
        (ev.MeterStarted(1, None), "Meter began: no answer"),
        (ev.MeterStopped(1, TransactionStopResponse(status="OK")), "Meter ended: OK"),
        (ev.Committed(1, "the disk is full"), "Storing failed: the disk is full"),
        (ev.StationEnds(), "The charger's software is told to end"),
    ],
    ids=str,
)
def test_what_is_said_of_an_event(event: ev.Event, message: str) -> None:
    line = session_log.of_event(event)
    assert line is not None
    assert line.message == message


@pytest.mark.parametrize(
    "event",
    [
        ev.MeterSample(meter(1.0)),
        ev.Tick(),
        ev.Boot(),
        ev.CapabilitiesChanged(CAPABILITIES),
        ev.LockDone(1),
        ev.Committed(1),
    ],
    ids=str,
)
def test_what_happens_all_the_time_is_not_said(event: ev.Event) -> None:
    assert session_log.of_event(event) is None


def test_an_event_for_which_there_are_no_words_is_said_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(session_log.EVENTS, ev.ForceUnlock)
    assert session_log.of_event(ev.ForceUnlock()) == session_log.Line("EVSE", "ForceUnlock")
    assert session_log.of_effect(fx.SetOvercurrentLimit(6.0)) is None
