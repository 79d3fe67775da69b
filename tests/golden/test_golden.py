"""Recordings of the real EVerest, replayed in virtual time: the same session events, the same board commands."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config import load_text
from tests.support.memory_wire import over_memory
from tests.support.virtual_station import VirtualStation

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared"
RUNS = (
    "01_ac_full_session",
    "01b_ac_full_session_nodelay",
    "02_evse_pause_resume",
    "03_ev_pause_resume",
    "04_disable_enable",
    "05_error_rcd",
    "08_stop_transaction",
    "09_auth_manual",
)

pytestmark = pytest.mark.skipif(
    not (SHARED / "golden").is_dir(), reason="the recordings of the real EVerest are not beside this checkout"
)


def configuration(dialect: str, state_dir: Path) -> str:
    """The configuration of the recordings."""
    document = yaml.safe_load((SHARED / "golden" / "config-sil-ac.yaml").read_text())
    document["daemon"] = {"mqtt_dialect": dialect}
    return yaml.safe_dump(document).replace("STATE_DIR", str(state_dir))


def stimuli(run: str) -> list[tuple[float, str, str]]:
    """What the run was driven with: seconds since ready, topic, payload."""
    with gzip.open(SHARED / "golden" / f"{run}.stimuli.jsonl.gz", "rt") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    ready = next(row["t"] for row in rows if row["what"] == "everest/ready seen")
    found = [(row["t"] - ready, row["topic"], row["payload"]) for row in rows if row["what"] == "publish"]
    return [*found, (rows[-1]["t"] - ready, "", "")]


def replay(run: str, dialect: str, path: Path, *, serial: bool = False) -> None:
    """Records a run; with ``serial`` YetiDriver and the board's firmware take the simulator's place."""
    config = load_text(configuration(dialect, path.parent))
    station = VirtualStation(over_memory(config) if serial else config)
    station.begin()
    for at_s, topic, payload in stimuli(run):
        station.advance(max(0.0, at_s - station.clock.now_s()))
        if topic:
            station.send(topic, payload)
    station.save(path)


def check(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SHARED / "check" / program), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def hold_against_everest(run: str, recording: Path, *only: str) -> None:
    """A recording is that of the real EVerest, as a whole or in some of what compare.py knows."""
    permitted = recording.with_name("permitted.txt")
    accepted = [HERE / "permitted" / f"{name}.txt" for name in ("all_runs", run)]
    permitted.write_text("".join(file.read_text("utf-8") for file in accepted if file.exists()), "utf-8")
    golden = str(SHARED / "golden" / f"{run}.jsonl.gz")
    chosen = [argument for name in only for argument in ("--only", name)]
    result = check("compare.py", str(recording), golden, *chosen, "--permitted", str(permitted))
    assert result.returncode == 0, result.stdout + result.stderr


ON_ANY_BOARD = ("events", "board", "states")


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_that_of_the_real_everest(run: str, tmp_path: Path) -> None:
    """Topics, session events, what the board was told, states, the shapes of everest_api: all that compare.py knows."""
    recording = tmp_path / "run.jsonl"
    replay(run, "everest", recording)
    hold_against_everest(run, recording)


ON_A_WIRE = [run for run in RUNS if run not in ("01b_ac_full_session_nodelay", "05_error_rcd")]


@pytest.mark.parametrize("run", ON_A_WIRE)
def test_a_board_on_a_serial_line_makes_the_same(run: str, tmp_path: Path) -> None:
    recording = tmp_path / "run.jsonl"
    replay(run, "everest", recording, serial=True)
    hold_against_everest(run, recording, *ON_ANY_BOARD)


A_RESIDUAL_CURRENT_ON_A_YETI = [
    "Enabled",
    "SessionStarted",
    "AuthRequired",
    "Authorized",
    "TransactionStarted",
    "PrepareCharging",
    "ChargingStarted",
    "evse_board_support/MREC2GroundFailure Active",
    "evse_manager/Inoperative Active",
    "StoppingCharging",
    "ChargingPausedEVSE",
    "evse_board_support/MREC2GroundFailure ClearedByModule",
    "StoppingCharging",
    "evse_manager/Inoperative ClearedByModule",
    "ChargingFinished",
    "TransactionFinished",
    "SessionFinished",
]
"""Of run 05: a Yeti reports another error than EVerest's simulator (drivers.md §3.6), and does not close again (§4)."""


def test_a_residual_current_on_a_serial_line_is_a_ground_failure_until_the_car_has_left(
    tmp_path: Path,
) -> None:
    recording = tmp_path / "run.jsonl"
    replay("05_error_rcd", "everest", recording, serial=True)
    assert events_and_errors(recording) == A_RESIDUAL_CURRENT_ON_A_YETI


def events_and_errors(recording: Path) -> list[str]:
    """The session events of a recording, and its errors, in their order."""
    return [
        found
        for row in map(json.loads, recording.read_text().splitlines())
        if (found := event_or_error(row["topic"], row["payload"]))
    ]


def event_or_error(topic: str, payload: str) -> str:
    """The name of a session event, or an error with its state; empty for all else."""
    if topic.endswith("/var/session_event"):
        return str(json.loads(payload)["data"]["data"]["event"])
    _, found, type_ = topic.partition("/error/")
    return f"{type_} {json.loads(payload)['data']['state']}" if found else ""


@pytest.mark.parametrize("dialect", ["documented", "everest", "classic"])
def test_everything_on_the_tree_conforms_to_everests_interfaces(dialect: str, tmp_path: Path) -> None:
    recording, config = tmp_path / "run.jsonl", tmp_path / "run.yaml"
    replay("02_evse_pause_resume", dialect, recording)
    config.write_text(configuration(dialect, tmp_path))
    result = check("conform.py", str(recording), "--config", str(config), "--dialect", dialect)
    assert result.returncode == 0, result.stdout + result.stderr
