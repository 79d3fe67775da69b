"""Recordings of the real EVerest, where the shared folder is beside the repository."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "golden"
EVSE = "connector_1"


@dataclass(frozen=True, slots=True)
class Row:
    at_s: float
    topic: str
    payload: str

    def var(self) -> Any:
        """The value in the envelope of a variable."""
        return json.loads(self.payload)["data"]["data"]


def runs() -> list[str]:
    return sorted(
        path.name.removesuffix(".jsonl.gz")
        for path in FOLDER.glob("*.jsonl.gz")
        if ".stimuli" not in path.name
    )


def rows(run: str) -> Iterator[Row]:
    with gzip.open(FOLDER / f"{run}.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            yield Row(row["dt"], row["topic"], row["payload"])


def evse_var(name: str) -> str:
    return f"everest/modules/{EVSE}/impl/evse/var/{name}"


def api_var(name: str) -> str:
    return f"everest_api/{EVSE}/var/{name}"
