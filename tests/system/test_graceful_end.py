"""SIGTERM in a transaction: it ends with reason Reboot, stored and told, before the process ends."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from evse_daemon.config import environment
from evse_daemon.store import SqliteJournal
from tests.support.brokers import Mosquitto
from tests.system.clients import CARSIM, EVENTS, LONG_SESSION, Client
from tests.system.conftest import Start
from tests.system.processes import ROOT, Daemon

CONFIG = ROOT / "config" / "config-sim.yaml"

AT_MOST_S = 10.0


def charging(start: Start, client: Client, mosquitto: Mosquitto, state: Path) -> Daemon:
    """A daemon in whose transaction power flows; its clock is the real one."""
    daemon = start(
        ["run", str(CONFIG), "--state-dir", str(state)],
        environ={environment.HOST: mosquitto.host, environment.PORT: str(mosquitto.port)},
    )
    client.wait_event("Enabled")
    client.publish(CARSIM, LONG_SESSION)
    client.wait_event("ChargingStarted")
    return daemon


def stored(state: Path) -> list[tuple[str, str | None]]:
    async def read() -> list[tuple[str, str | None]]:
        journal = SqliteJournal(state / "journal.db", asyncio.get_running_loop())
        records = journal.read_from("evse_manager", 0)
        journal.close()
        return [(record.kind, record.payload.get("reason")) for record in records]

    return asyncio.run(read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_transaction_is_ended_stored_and_told(
    number: signal.Signals, mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    with Client(mosquitto.port, "#") as client:
        daemon = charging(start, client, mosquitto, tmp_path / "state")
        begun_s = time.monotonic()
        daemon.process.send_signal(number)
        assert daemon.ended(AT_MOST_S) == 0, daemon.describe()
        assert time.monotonic() - begun_s < AT_MOST_S
        told = [heard.data for heard in client.on(EVENTS)]
    assert [event["event"] for event in told][-4:] == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished",
        "SessionFinished",
    ]
    assert told[-2]["transaction_finished"]["reason"] == "Reboot"
    assert stored(tmp_path / "state") == [("transaction_started", None), ("transaction_finished", "Reboot")]


def test_a_second_signal_ends_it_at_once_and_the_next_start_ends_the_transaction(
    mosquitto: Mosquitto, start: Start, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with Client(mosquitto.port, "#") as client:
        daemon = charging(start, client, mosquitto, state)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.ended(3) == 0, daemon.describe()
    # Whether the car was quicker than the second signal or not: there is one end.
    with Client(mosquitto.port, "#") as client:
        start(
            ["run", str(CONFIG), "--state-dir", str(state)],
            environ={environment.HOST: mosquitto.host, environment.PORT: str(mosquitto.port)},
        )
        client.wait_event("Enabled")
    kinds = [kind for kind, _ in stored(state)]
    assert kinds == ["transaction_started", "transaction_finished"]
