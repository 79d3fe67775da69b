"""What a benchmark found, as a table for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.brokers import mosquitto_binary

BROKER_SETTINGS = "set_tcp_nodelay true where not said otherwise, no persistence, no log"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Args:
        name: what was measured.
        value: how much.
        unit: of the value and the aim.
        aim: the bound; None where the figure is only for information.
        at_least: the aim is a lower bound.
        note: how it was measured, other quantiles.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.aim is None:
            return ""
        good = self.value >= self.aim if self.at_least else self.value <= self.aim
        return "ok" if good else "misses"

    def cells(self) -> tuple[str, str, str, str, str]:
        aim = "" if self.aim is None else f"{'≥' if self.at_least else '≤'} {_figure(self.aim)} {self.unit}"
        return self.name, f"{_figure(self.value)} {self.unit}", aim.strip(), self.verdict, self.note


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which that part of the values lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def machine() -> dict[str, str]:
    """Where it was measured: figures of two machines, or of a busy one, do not compare."""
    return {
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "broker": f"{_broker_version()} on 127.0.0.1 and a unix socket; {BROKER_SETTINGS}",
    }


def table(rows: Sequence[Row]) -> str:
    head = ("what", "value", "aim", "", "note")
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            f"{cell:>{width}}" if column in (1, 2) else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def write_json(path: Path, facts: dict[str, str], rows: Sequence[Row]) -> None:
    found: dict[str, Any] = {
        "machine": facts,
        "rows": [{**dataclasses.asdict(row), "verdict": row.verdict} for row in rows],
    }
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _figure(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _broker_version() -> str:
    binary = mosquitto_binary()
    if binary is None:
        return "no mosquitto"
    done = subprocess.run([binary, "-h"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].replace("version ", "").strip()
