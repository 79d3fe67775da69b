"""The folder of the state, whose files are looked at and left as they are."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from evse_daemon.doctor import state
from evse_daemon.doctor.account import Account
from evse_daemon.doctor.state import file_system, look_at_files, look_at_folder
from evse_daemon.store.database import open_for_writing
from tests.doctor.fakes import WHO, Given, Unknown, machine, process, said

US = Account("us", os.geteuid(), os.getegid(), frozenset())


def folder(path: Path, root: Path, rights: Given | None = None, mounts: str = "") -> list[str]:
    return said(
        look_at_folder(path, "state", WHO, rights or Given(), machine(root, proc__self__mounts=mounts))
    )


def files(path: Path, root: Path, who: Account = US) -> list[str]:
    return said(look_at_files(path, "state", who, machine(root)))


def test_a_folder_with_room_is_fine_and_one_that_is_not_there_yet(tmp_path: Path) -> None:
    well, room = folder(tmp_path, tmp_path / "root")
    assert well == "ok: can be written"
    assert room.startswith("ok: ")
    assert room.endswith(" MiB free")
    assert folder(tmp_path / "new" / "er", tmp_path / "root")[0].startswith("ok: is not there yet")


def test_a_folder_that_systemd_makes_is_no_problem_before_the_first_start(tmp_path: Path) -> None:
    new = Path("/var/lib/evse-daemon/not-there")
    found = folder(new, tmp_path, Given("/var/lib", "/var/lib/evse-daemon"))
    assert found[0] == "ok: is not there yet: systemd makes it with the first start"


def test_a_folder_of_somebody_else_comes_with_the_command_that_helps(tmp_path: Path) -> None:
    found = folder(tmp_path, tmp_path, Given(str(tmp_path)))
    assert found[0] == f"problem: evse-daemon may not write {tmp_path} → chown -R evse-daemon: {tmp_path}"
    found = folder(tmp_path, tmp_path, Unknown())
    assert found[0] == "warning: whether evse-daemon may use it could not be found out → run this as root"
    assert files(tmp_path / "none", tmp_path) == [], "nothing is there yet"
    (tmp_path / "file").touch()
    assert folder(tmp_path / "file", tmp_path) == ["problem: it is no folder → name another state_dir"]


def test_a_disk_in_memory_is_a_problem(tmp_path: Path) -> None:
    mounts = f"/dev/root / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n"
    found = folder(tmp_path, tmp_path, mounts=mounts)
    assert any("it is in memory (tmpfs): a reboot forgets every transaction" in line for line in found)
    assert file_system(Path("/"), machine(tmp_path, proc__self__mounts=mounts)) == "ext4"


class _Disk:
    f_frsize = 4096
    f_files = 1000
    f_flag = 0

    def __init__(self, mib: int, files: int = 1000, flag: int = 0) -> None:
        self.f_bavail = mib * 256
        self.f_favail = files
        self.f_flag = flag


@pytest.mark.parametrize(
    ("disk", "said_of_it"),
    [
        (_Disk(0), "problem: the disk is full (0 MiB free): no transaction can start"),
        (_Disk(50), "warning: the disk is nearly full: 50 MiB free, below 100 MiB"),
        (_Disk(500, files=3), "problem: the disk takes only 3 more files"),
        (_Disk(500, flag=os.ST_RDONLY), "problem: the disk is read-only: no transaction can start"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: _Disk, said_of_it: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert any(line.startswith(said_of_it) for line in folder(tmp_path, tmp_path))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal that was closed."""
    path = tmp_path / "state" / "journal.db"
    open_for_writing(path).close()
    return path


def listing(path: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mtime_ns for each in path.parent.iterdir()}


def test_whole_files_are_fine_and_nothing_is_written_beside_them(journal: Path, tmp_path: Path) -> None:
    before = listing(journal)
    assert files(journal.parent, tmp_path) == ["ok: whole"]
    assert listing(journal) == before


def test_a_log_that_a_crash_left_is_read_too_and_stays(journal: Path, tmp_path: Path) -> None:
    """SQLite itself would make a file beside it, root's perhaps, that the daemon could not open."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    connection = open_for_writing(journal)
    connection.execute("CREATE TABLE more (x)")
    for name in ("journal.db", "journal.db-wal"):
        (crashed / name).write_bytes((journal.parent / name).read_bytes())
    connection.close()
    before = listing(crashed / "journal.db")
    assert files(crashed, tmp_path) == ["ok: whole"]
    assert listing(crashed / "journal.db") == before
    assert set(before) == {"journal.db", "journal.db-wal"}


def test_a_log_too_large_to_copy_is_left_alone(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.with_name("journal.db-wal").write_bytes(b"x")
    monkeypatch.setattr(state, "MOST_COPIED_BYTES", 1)
    assert files(journal.parent, tmp_path)[0].startswith(
        "warning: it is too large to be checked beside its log"
    )


def test_damage_is_named(journal: Path, tmp_path: Path) -> None:
    content = bytearray(journal.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    journal.write_bytes(content)
    (found,) = files(journal.parent, tmp_path)
    assert found.startswith("problem: it ")
    journal.write_bytes(b"no database at all" * 100)
    (found,) = files(journal.parent, tmp_path)
    assert found.startswith("problem: it cannot be read: file is not a database")
    aside = journal.with_name("journal.db.damaged-20261121T000000Z")
    aside.touch()
    aside.with_name(aside.name + "-wal").touch()
    assert sum("was put aside" in line for line in files(journal.parent, tmp_path)) == 1


def test_a_file_of_a_newer_version_is_named(journal: Path, tmp_path: Path) -> None:
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    (found,) = files(journal.parent, tmp_path)
    assert found.startswith("problem: a newer evse-daemon wrote it (schema 999; this version knows ")


def test_files_of_another_user_and_of_the_future_are_named(journal: Path, tmp_path: Path) -> None:
    tomorrow = time.time() + 3 * 86400
    os.utime(journal, (tomorrow, tomorrow))
    owner, whole, future = files(journal.parent, tmp_path, WHO)
    assert owner == f"problem: it does not belong to evse-daemon → chown -R evse-daemon: {journal.parent}"
    assert whole == "ok: whole"
    assert future.startswith("warning: they were written in the future")


def test_files_that_the_daemon_has_open_are_left_to_it(journal: Path, tmp_path: Path) -> None:
    process(tmp_path, 3, "python3", has=str(journal.parent), command="evse-daemon run")
    journal.write_bytes(b"nobody looks")
    assert files(journal.parent, tmp_path) == [
        "ok: in use by the daemon, which has checked them at its start"
    ]


def test_a_real_full_disk_is_named(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT TESTED: only root can mount a small disk")
    try:
        found = said(look_at_folder(small, "state", WHO, Given(), machine(Path("/"))))
        assert any("it is in memory (tmpfs)" in line for line in found)
        assert any(line.startswith("problem: the disk is full") for line in found)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        found = said(look_at_folder(small, "state", WHO, Given(), machine(Path("/"))))
        assert any(line.startswith("problem: the disk is read-only") for line in found)
    finally:
        subprocess.run(["umount", "-l", small], check=True)
