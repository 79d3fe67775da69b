"""Years of sessions in a journal, and how large it gets: `python3 -m tests.soak.journal_years` (ten years, some minutes).

Records are written as the journal's thread writes them, a day in one commit, and now and then a round of what is
forgotten runs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evse_daemon.store import METER_VALUE, TRANSACTION_FINISHED, TRANSACTION_STARTED, retention
from evse_daemon.store.database import open_for_writing
from evse_daemon.store.journal import _follow, _insert

BEGIN = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
EVSE = "evse_manager"
PHASES = {"total": 11012.5, "L1": 3670.5, "L2": 3671.25, "L3": 3670.75}


@dataclass
class Years:
    """One journal; ``day`` adds a day to it."""

    path: Path
    limits: retention.Limits
    sessions: int
    meter_values: int
    largest: int = 0
    """Bytes of the file."""
    steps: list[float] = field(default_factory=list)
    """Seconds that each step took."""
    number: int = 0

    def __post_init__(self) -> None:
        self.now = BEGIN
        self.connection = open_for_writing(self.path)
        self.sweep = retention.Sweep(self.limits, lambda: self.now)

    def day(self, *, forget: bool = True) -> None:
        self.connection.execute("PRAGMA synchronous = OFF")  # the test's disk is not what is tested
        self.connection.execute("BEGIN")
        for _ in range(self.sessions):
            self.session()
        self.connection.execute("COMMIT")
        self.now += dt.timedelta(1)
        more = forget
        while more:
            begin_s = time.perf_counter()
            self.connection.execute("BEGIN")
            more = self.sweep.step(self.connection)
            self.connection.execute("COMMIT")
            self.steps.append(time.perf_counter() - begin_s)
        self.largest = max(self.largest, self.path.stat().st_size)

    def session(self, *, ends: bool = True, told: bool = True) -> str:
        self.number += 1
        session_id = f"{self.number:08x}-5c1f-4bbb-8ccc-0123456789ab"
        id_tag = {
            "id_token": {"value": f"{self.number:014X}", "type": "ISO14443"},
            "authorization_type": "RFID",
        }
        self.put(TRANSACTION_STARTED, session_id, id_tag=id_tag)
        for _ in range(self.meter_values):
            self.put(METER_VALUE, session_id)
        if ends:
            signed = {"signed_meter_data": "x" * 600, "signing_method": "", "encoding_method": "OCMF"}
            self.put(TRANSACTION_FINISHED, session_id, reason="EVDisconnected", signed_meter_value=signed)
            if told:
                self.connection.execute("DELETE FROM untold_end WHERE session_id = ?", (session_id,))
        return session_id

    def put(self, kind: str, session_id: str, **more: Any) -> None:
        when = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        meter = {
            "timestamp": when,
            "meter_id": "YETI_POWERMETER",
            "energy_Wh_import": PHASES,
            "power_W": PHASES,
            "voltage_V": PHASES,
            "current_A": PHASES,
            "frequency_Hz": {"L1": 50.0, "L2": 50.0, "L3": 50.0},
        }
        payload = {"session_id": session_id, "evse": 1, "timestamp": when, "meter_value": meter, **more}
        sequence = _insert(self.connection, kind, EVSE, json.dumps(payload, separators=(",", ":")))
        _follow(self.connection, kind, EVSE, session_id, sequence, void=False)

    def count(self, kind: str) -> int:
        return int(
            self.connection.execute("SELECT count(*) FROM record WHERE kind = ?", (kind,)).fetchone()[0]
        )

    def opening_s(self) -> float:
        """How long the journal takes to open, as at the start of the daemon."""
        self.connection.close()
        begin_s = time.perf_counter()
        self.connection = open_for_writing(self.path)
        return time.perf_counter() - begin_s

    def sessions_kept(self) -> set[str]:
        query = "SELECT DISTINCT json_extract(payload, '$.session_id') FROM record"
        return {session_id for (session_id,) in self.connection.execute(query)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.soak.journal_years", description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=20, help="a day (default: 20)")
    parser.add_argument("--meter-values", type=int, default=6, help="of each session (default: 6)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        years = Years(
            Path(folder) / "journal.db", retention.DEFAULT, arguments.sessions, arguments.meter_values
        )
        for year in range(1, arguments.years + 1):
            for day in range(365):
                years.day(forget=day % 5 == 4)
            print(
                f"after {year:2} years: {years.path.stat().st_size / 1e6:6.1f} MB,"
                f" {years.count(TRANSACTION_FINISHED)} transactions, {years.count(METER_VALUE)} meter values,"
                f" opened in {years.opening_s() * 1000:.0f} ms, longest step {max(years.steps) * 1000:.1f} ms",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
