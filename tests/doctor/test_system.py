"""Clock, unit, log, rights of another user, and how checks are run."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse_daemon.cli.run import RELEASED
from evse_daemon.doctor import account as account_module
from evse_daemon.doctor.account import Account, Looked, account
from evse_daemon.doctor.clock import look_at_clock, possible_error_us
from evse_daemon.doctor.findings import Check, Finding, exit_status, ok, problem, run_checks, warning
from evse_daemon.doctor.machine import Machine, ask
from evse_daemon.doctor.system import look_at_system
from evse_daemon.exit_codes import ExitCode
from tests.doctor.fakes import machine, said

TODAY = dt.date(2027, 3, 4)


def clock(today: dt.date, error_us: int | None = 500) -> list[str]:
    return said(look_at_clock(today, RELEASED, lambda: error_us))


def test_the_clock() -> None:
    assert clock(TODAY) == ["ok: it says 2027-03-04, and is set by a time server"]
    (found,) = clock(dt.date(1970, 1, 1))
    assert found.startswith(
        "problem: it says 1970-01-01: cars charge, with wrong times in their transactions"
    )
    (found,) = clock(TODAY, 16_000_000)
    assert found.startswith("warning: it says 2027-03-04, and no time server sets it → timedatectl set-ntp")
    assert "is not known" in clock(TODAY, None)[0]
    kernel = possible_error_us()
    assert kernel is None or kernel >= 0


UNIT = "LoadState=loaded\nUnitFileState={}\nActiveState={}\nResult=exit-code\nNRestarts={}\n"


def system(root: Path, unit: str | None = None, **files: str) -> list[str]:
    programs = {} if unit is None else {"systemctl": unit}
    return said(look_at_system(machine(root, programs, **files), "evse-daemon.service"))


def test_a_machine_without_systemd_has_no_unit(tmp_path: Path) -> None:
    (found,) = system(tmp_path, UNIT.format("disabled", "failed", 0))
    assert found.startswith("ok: evse-daemon ")
    assert ", Python 3." in found


@pytest.mark.parametrize(
    ("unit", "said_of_it"),
    [
        (("enabled", "active", 0), "ok: active"),
        (("disabled", "inactive", 0), "warning: inactive, and not started at boot → systemctl enable --now"),
        (
            ("enabled", "failed", 0),
            "problem: it has failed (exit-code) → journalctl -u evse-daemon.service -e",
        ),
        (("enabled", "activating", 9), "problem: it has been started 9 times and fails"),
    ],
)
def test_the_unit(tmp_path: Path, unit: tuple[str, str, int], said_of_it: str) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    _, found, log = system(tmp_path, UNIT.format(*unit))
    assert found.startswith(said_of_it)
    assert log.startswith("warning: a reboot empties it")
    (tmp_path / "var/log/journal").mkdir(parents=True)
    assert system(tmp_path, "LoadState=not-found\n")[1:] == ["ok: it lasts over a reboot"]


def test_little_memory_is_warned_of(tmp_path: Path) -> None:
    found = system(tmp_path, proc__meminfo="MemTotal: 99 kB\nMemAvailable:    20480 kB\n")
    assert found[1].startswith("warning: only 20 MiB of memory are at hand")


def test_programs_that_are_not_there_or_fail_tell_nothing() -> None:
    assert ask(("no-such-program-at-all",)) is None
    assert ask(("false",)) is None
    assert ask(("echo", "yes")) == "yes\n"
    assert Machine().read("no/such/file") is None


# Rights.


FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
"""The tests' process has threads; that of the command has one."""


@FORKS
def test_the_rights_of_another_user_are_those_that_the_system_gives(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("NOT TESTED: only root can ask for another user")
    nobody = account("nobody")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        if not parent.stat().st_mode & 1 and parent != Path("/tmp"):
            parent.chmod(0o711)
    shared, own = tmp_path / "shared", tmp_path / "own"
    for file, mode in ((shared, 0o644), (own, 0o600)):
        file.touch()
        file.chmod(mode)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "open").touch()
    questions = [
        (str(shared), os.R_OK),
        (str(shared), os.R_OK | os.W_OK),
        (str(own), os.R_OK),
        (str(closed / "open"), os.R_OK),
    ]
    rights = Looked(nobody, questions)
    assert [rights.may(*each) for each in questions] == [True, False, False, False]
    assert rights.may("/somewhere/else", os.R_OK) is None, "that was not asked"
    group = Account("nobody", nobody.uid, nobody.gid, frozenset({0}))
    own.chmod(0o640)
    assert Looked(group, questions[2:3]).may(str(own), os.R_OK), "through a group"


@FORKS
def test_a_file_system_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("NOT TESTED: only root can ask for another user")
    monkeypatch.setattr(account_module, "LOOK_S", 0.05)
    ends = threading.Event()
    monkeypatch.setattr(os, "access", lambda *_: ends.wait(60))
    assert Looked(account("nobody"), [("/", os.R_OK)]).may("/", os.R_OK) is None


def test_who_runs_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert account("root").uid == 0
    with pytest.raises(KeyError):
        account("no-such-user-at-all")
    monkeypatch.setattr(account_module, "SERVICE_USER", "no-such-user-at-all")
    assert account().uid == os.geteuid()
    if os.geteuid() == 0:
        monkeypatch.setattr(account_module, "SERVICE_USER", "nobody")
        assert account().name == "nobody"


# How checks are run.


def test_a_check_that_fails_does_not_end_the_others() -> None:
    def fails() -> Iterator[Finding]:
        yield ok("first", "seen")
        raise ValueError("bad luck")

    found = run_checks([Check("bad", fails), Check("good", lambda: [ok("good", "fine")])])
    assert [each.message for each in found] == [
        "seen",
        "this could not be looked at: ValueError: bad luck",
        "fine",
    ]


def test_a_check_that_hangs_is_not_waited_for_and_the_others_are_told() -> None:
    ends = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield ok("slow", "seen")
        ends.wait()

    found = run_checks([Check("slow", hangs), Check("good", lambda: [ok("good", "fine")])], 0.3)
    ends.set()
    assert [each.message for each in found] == [
        "seen",
        "this did not end within 0.3 s, and was not waited for",
        "fine",
    ]


def test_the_exit_status_tells_what_kind_of_problem_there_is() -> None:
    broker = problem("b", "", status=ExitCode.BROKER)
    assert exit_status([ok("a", ""), warning("a", "")]) == ExitCode.OK
    assert exit_status([broker, broker]) == ExitCode.BROKER
    assert exit_status([broker, problem("a", "")]) == ExitCode.FAILED
    assert exit_status([broker, problem("a", "", status=ExitCode.CONFIGURATION)]) == ExitCode.CONFIGURATION
