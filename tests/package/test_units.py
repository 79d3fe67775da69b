"""The systemd units: what they call exists, systemd understands them, and they are hardened."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evse_daemon.cli.main import parser
from evse_daemon.config.model import DaemonSettings
from evse_daemon.exit_codes import ExitCode
from evse_daemon.station import END_S

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
MOST_EXPOSED = 20
"""Tenths of systemd-analyze's points: from 0, safe, to 100."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="NOT TESTED: no systemd-analyze (apt install systemd)"
)
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", unit.read_text("utf-8")):
        found.setdefault(name, []).append(value)
    return found


def installed(unit: Path, folder: Path) -> Path:
    """The unit with programs that this machine has, and as an instance where it is a template."""
    text = unit.read_text("utf-8").replace("/usr/bin/evse-daemon", sys.executable)
    made = folder / unit.name.replace("@.", "@left.")
    made.write_text(text, "utf-8")
    return made


def test_there_are_two() -> None:
    assert [unit.name for unit in UNITS] == ["evse-daemon.service", "evse-daemon@.service"]


def test_they_differ_in_the_name_of_the_station_alone() -> None:
    one, template = (unit.read_text("utf-8") for unit in UNITS)
    made_one = (
        template.replace("/%i.yaml", "/config.yaml")
        .replace(" %i ", " ")
        .replace("evse-daemon/%i", "evse-daemon")
    )
    assert made_one == one


@each_unit
def test_it_calls_commands_that_there_are(unit: Path) -> None:
    found = settings(unit)
    check, tell = found["ExecReload"]
    assert tell == '/bin/sh -c "kill -HUP $MAINPID"'
    for line in (*found["ExecStart"], check, *found["ExecStopPost"]):
        program, *arguments = shlex.split(line.lstrip("-"))
        assert program == "/usr/bin/evse-daemon"
        parser().parse_args(arguments)


@each_unit
def test_its_times_fit_the_daemons(unit: Path) -> None:
    found = settings(unit)
    assert float(found["TimeoutStopSec"][0]) > END_S, (
        "a transaction is brought to its end before it is killed"
    )
    longest_s = next(
        each.le for each in DaemonSettings.model_fields["ready_within_s"].metadata if hasattr(each, "le")
    )
    assert float(found["TimeoutStartSec"][0]) > float(longest_s)
    assert {*found["RestartPreventExitStatus"][0].split()} == {
        str(ExitCode.USAGE.value),
        str(ExitCode.CONFIGURATION.value),
    }


@each_unit
@needs_systemd
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", installed(unit, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "evse-daemon" in line]
    assert ours == []
    assert done.returncode == 0


@needs_systemd
def test_a_word_that_systemd_does_not_know_is_found(tmp_path: Path) -> None:
    """Else the test above shows nothing."""
    made = installed(UNITS[0], tmp_path)
    made.write_text(made.read_text("utf-8").replace("NoNewPrivileges=", "NoNewPriviliges="), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", made],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NoNewPriviliges" in done.stdout + done.stderr


@each_unit
@needs_systemd
def test_it_is_hardened(unit: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={MOST_EXPOSED}",
            installed(unit, tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
