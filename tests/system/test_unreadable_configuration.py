"""A configuration that cannot be used: one sentence with the reason, exit status 3, and the board stays off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evse_daemon.config.remembered import FILE_NAME, remember, remembered
from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary
from tests.system.clients import Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, START_S, clean_environment
from tests.system.test_make_safe import board, measured_A
from tests.system.test_over_serial import LONG, BoardProgram, with_driver

__all__ = ["board"]

NOBODY = 65534

AS_NOBODY = f"""
import os, sys
from evse_daemon.cli import main, run, check_config
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sys.exit(main.main(sys.argv[1:]))
"""


def a_folder(file: Path) -> None:
    file.mkdir()


def a_link_to_nothing(file: Path) -> None:
    file.symlink_to(file.with_name("gone.yaml"))


def a_bomb(file: Path) -> None:
    """A few lines that stand for billions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    file.write_text("\n".join(lines), "utf-8")


def holding(content: bytes) -> Callable[[Path], None]:
    def made(file: Path) -> None:
        file.write_bytes(content)

    return made


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda _: None, ": the configuration cannot be read: No such file or directory"),
    "a folder": (a_folder, ": the configuration cannot be read: Is a directory"),
    "a link to nothing": (
        a_link_to_nothing,
        ": the configuration cannot be read: No such file or directory",
    ),
    "an empty file": (holding(b""), ": the file is empty"),
    "no text": (holding(b"\xff\xfe\x00"), ":1: this is not a text in UTF-8"),
    "10 MB": (
        holding(b"# " + b"x" * 10_000_000),
        ": the file is larger than 1 MiB; this cannot be a configuration",
    ),
    "a bomb": (a_bomb, ": the file holds more than 50000 values; this cannot be a configuration"),
    "no YAML": (holding(b"active_modules: ]"), ":1: this is not YAML: "),
}


@pytest.mark.parametrize(("made", "told"), CASES.values(), ids=CASES)
def test_one_sentence_says_what_is_wrong(
    made: Callable[[Path], None], told: str, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    made(file)
    daemon = start(["run", str(file), "--state-dir", str(tmp_path / "state")])
    assert daemon.ended() == 3
    assert daemon.err.startswith(f"{file}{told}"), daemon.err
    assert len(daemon.err.splitlines()) <= 2
    assert not (tmp_path / "state").exists(), "nothing was begun"


def test_a_file_of_another_user_is_named(start: Start, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("NOT TESTED: only root can be another user")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    file = tmp_path / "config.yaml"
    file.write_text("active_modules: {}")
    file.chmod(0o600)
    daemon = start(["run", str(file)], program=(sys.executable, "-c", AS_NOBODY))
    assert daemon.ended() == 3
    assert daemon.err == f"{file}: the configuration cannot be read: Permission denied\n"


def make_safe(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "make-safe", str(tmp_path / "charger.yaml"), *more],
        env=clean_environment({"SERVICE_RESULT": "signal"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@pytest.mark.skipif(mosquitto_binary() is None, reason=MISSING)
def test_a_daemon_dies_after_its_configuration_was_broken_and_power_is_off_all_the_same(
    mosquitto: Mosquitto, start: Start, board: BoardProgram, tmp_path: Path
) -> None:
    """Somebody edits the file while a car charges, and the daemon dies before the mistake is found."""
    board.says("Board: ")
    file, state = tmp_path / "charger.yaml", ("--state-dir", str(tmp_path / "state"))
    with Client(mosquitto.port, "#") as client:
        daemon = start(with_driver(tmp_path, mosquitto))
        client.wait_event("Enabled", timeout_s=START_S)
        board.tell(LONG)
        client.wait_event("ChargingStarted")
        file.write_text("active_modules: ]")
        daemon.kill()
    assert measured_A(tmp_path / "yeti") > 10, "this board goes on without its host: else nothing is shown"
    without = make_safe(tmp_path)
    assert without.returncode == 3
    assert without.stderr.startswith(
        f"make-safe: no board could be commanded off: {file}:1: this is not YAML"
    )
    done = make_safe(tmp_path, *state)
    assert done.stdout == "make-safe: yeti_driver: told to switch off, and restarted: power is off\n", done
    assert done.returncode == 0
    assert measured_A(tmp_path / "yeti") == 0
    again = start(["run", str(file), *state])
    assert again.ended() == 3
    assert again.err.startswith(f"{file}:1: this is not YAML")
    assert measured_A(tmp_path / "yeti") == 0


def test_what_was_kept_is_never_older_than_the_last_start(tmp_path: Path) -> None:
    file, folder = tmp_path / "config.yaml", tmp_path / "state"
    folder.mkdir()
    assert remembered(folder) is None
    assert remembered(None) is None
    file.write_text("first")
    remember(file, folder)
    kept = remembered(folder)
    assert kept is not None
    assert kept.read_text() == "first"
    assert kept.stat().st_mode & 0o777 == 0o600
    file.unlink()
    remember(file, folder)
    assert remembered(folder) is None, "rather none than an old one"
    assert list(folder.iterdir()) == []
    remember(file, tmp_path / "none")
    (folder / FILE_NAME).write_text("}{")
    assert make_safe(tmp_path, "--state-dir", str(folder)).returncode == 3


def test_what_was_kept_is_never_readable_for_others_not_even_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("settings: {mqtt_broker_host: 'user:password@broker'}")
    (tmp_path / f"{FILE_NAME}.new").write_text("left by one that was killed")
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # rights that come afterwards come too late
    before = os.umask(0)
    try:
        remember(file, tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FILE_NAME).read_text() == file.read_text()
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".new")] == []
