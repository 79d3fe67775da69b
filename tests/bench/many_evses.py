"""Many EVSEs in one daemon, all of them charging: what that takes of a core and of memory, and a round of the energy manager."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.report import Row
from tests.support.brokers import Mosquitto

ROOT = Path(__file__).resolve().parents[2]

CASES = ((50, "documented"), (100, "documented"), (200, "documented"), (50, "everest"), (200, "everest"))
AIMS = {100: (50.0, 150.0)}
"""By EVSEs, in the documented dialect: % of a core, MB of PSS."""

WITHIN_S = 180


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    for evses, dialect in CASES:
        own = folder / f"{dialect}_{evses}"
        own.mkdir()
        found = _measured(evses, dialect, broker, own)
        assert found["charging"] == evses, f"{found['charging']} of {evses} charge"
        aims = AIMS.get(evses, (None, None)) if dialect == "documented" else (None, None)
        what = f"{evses} EVSEs, {dialect}"
        yield Row(
            f"{what}: of a core", found["cpu_percent"], "%", aims[0], note="all charging, meters at 1 Hz"
        )
        yield Row(f"{what}: PSS", found["pss_mb"], "MB", aims[1])
        yield Row(
            f"{what}: energy round",
            found["round_ms"],
            "ms",
            note=f"CPU time, median of {found['rounds']:g} with nothing changed, the calls to all EVSEs included; "
            f"worst {found['worst_round_ms']:.1f}; {found['changed_round_ms']:.1f} where everything changed",
        )


def _measured(evses: int, dialect: str, broker: Mosquitto, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.charging_station", str(evses), dialect]
    done = subprocess.run(
        [*command, broker.host, str(broker.port), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
