"""One daemon for each folder of durable state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse_daemon.store import holders as holders_module
from evse_daemon.store import lock
from evse_daemon.store.holders import Holder, holders, running
from evse_daemon.store.lock import FolderTaken, locked
from tests.system.processes import PROGRAM, clean_environment

HOLDS = """
import sys
from pathlib import Path
from evse_daemon.store.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds tmp_path."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_one_is_refused_and_told_who_has_it(
    holder: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_S", 0.0)
    with pytest.raises(FolderTaken) as refused, locked(tmp_path):
        pass
    assert str(refused.value).startswith(f"{tmp_path} is in use by another daemon (")
    assert f"pid {holder.pid})" in str(refused.value)
    assert "--state-dir" in str(refused.value)


def test_after_a_kill_the_next_one_has_it(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == [], "nothing is left behind that could go stale"


def test_one_that_ends_meanwhile_is_waited_for(
    holder: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_S", 30.0)
    monkeypatch.setattr("evse_daemon.store.lock.time.sleep", lambda _: holder.kill())
    with locked(tmp_path):
        pass


def test_parts_of_a_station_share_a_folder_and_no_daemon_has_it_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_S", 0.0)
    part = locked(tmp_path, shared=True)
    with part, locked(tmp_path, shared=True), pytest.raises(FolderTaken), locked(tmp_path):
        pass
    with locked(tmp_path), pytest.raises(FolderTaken), locked(tmp_path, shared=True):
        pass


JOIN = ("join", "--module", "board", "--broker", "127.0.0.1:1")


def test_who_joins_keeps_off_the_folder_of_a_daemon(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    command = [*PROGRAM, *JOIN, "--state-dir", str(tmp_path)]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.split("(")[0]) == (5, f"{tmp_path} is in use by another daemon "), (
        done
    )
    assert f"pid {holder.pid}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_who_joins_is_its_owners_alone(tmp_path: Path) -> None:
    command = [*PROGRAM, *JOIN, "--state-dir", str(tmp_path / "new")]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 4
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_it_is_let_go_with_the_context(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("evse_daemon.store.lock.fcntl.flock", no_locks)
    with locked(tmp_path):
        pass
    assert "cannot be locked" in capsys.readouterr().out


def process(proc: Path, pid: int, name: str, *, command: str, has: Path | None = None) -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(name + "\n")
    (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
    if has is not None:
        (folder / "fd" / "7").symlink_to(has)


def test_holders_are_found_by_what_they_have_open_and_never_by_their_arguments(tmp_path: Path) -> None:
    proc, device = tmp_path / "proc", tmp_path / "tty"
    device.write_text("")
    link = tmp_path / "by-id"
    link.symlink_to(device)
    process(proc, 30, "picocom", command="picocom -P secret", has=device)
    process(
        proc, 20, "python3", command="/usr/bin/python3 -I /usr/bin/evse-daemon run config.yaml", has=device
    )
    process(proc, 10, "ModemManager", command="/usr/sbin/ModemManager")
    (proc / "self").mkdir()
    assert holders(link, proc) == [Holder(20, "evse-daemon", True), Holder(30, "picocom", False)]
    assert str(holders(link, proc)[1]) == "picocom, pid 30"
    assert running(frozenset({"ModemManager"}), proc) == [Holder(10, "ModemManager", False)]
    assert holders(tmp_path / "not there", proc) == []


def test_a_machine_without_proc_has_no_holders(tmp_path: Path) -> None:
    assert holders_module.holders(tmp_path, tmp_path / "none") == []
