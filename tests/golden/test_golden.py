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


def replay(run: str, dialect: str, path: Path) -> None:
    station = VirtualStation(load_text(configuration(dialect, path.parent)))
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


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_that_of_the_real_everest(run: str, tmp_path: Path) -> None:
    """Topics, session events, what the board was told, states, the shapes of everest_api: all that compare.py knows."""
    recording, permitted = tmp_path / "run.jsonl", tmp_path / "permitted.txt"
    replay(run, "everest", recording)
    golden = str(SHARED / "golden" / f"{run}.jsonl.gz")
    accepted = [HERE / "permitted" / f"{name}.txt" for name in ("all_runs", run)]
    permitted.write_text("".join(file.read_text("utf-8") for file in accepted if file.exists()), "utf-8")
    result = check("compare.py", str(recording), golden, "--permitted", str(permitted))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("dialect", ["documented", "everest", "classic"])
def test_everything_on_the_tree_conforms_to_everests_interfaces(dialect: str, tmp_path: Path) -> None:
    recording, config = tmp_path / "run.jsonl", tmp_path / "run.yaml"
    replay("02_evse_pause_resume", dialect, recording)
    config.write_text(configuration(dialect, tmp_path))
    result = check("conform.py", str(recording), "--config", str(config), "--dialect", dialect)
    assert result.returncode == 0, result.stdout + result.stderr
