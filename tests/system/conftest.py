"""Fixtures of the system tests: brokers, daemons that are ended whatever happens, one station for those who share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.brokers import Mosquitto, start_mosquitto
from tests.system.clients import TOPICS, Client
from tests.system.processes import START_S, Daemon, simulate

Start = Callable[..., Daemon]
"""Starts a daemon in the test's folder: ``start(arguments, **how)``."""


class Running(NamedTuple):
    """A simulator on a broker, and a client that hears all of it."""

    broker: Mosquitto
    daemon: Daemon
    client: Client


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    daemons: list[Daemon] = []

    def started(*arguments: object, **how: object) -> Daemon:
        daemons.append(Daemon(tmp_path / "daemon", *arguments, **how))  # type: ignore[arg-type]
        return daemons[-1]

    yield started
    for daemon in daemons:
        daemon.end()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = start_mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One simulator for all tests of a file; each leaves it as it found it: enabled, without a car."""
    folder = tmp_path_factory.mktemp("station")
    broker = start_mosquitto(folder)
    with Client(broker.port, "#") as client:
        daemon = simulate(folder / "daemon", broker)
        try:
            client.wait(TOPICS.ready, timeout_s=START_S)
            client.wait_event("Enabled")
            yield Running(broker, daemon, client)
            assert daemon.process.poll() is None, daemon.describe()
        finally:
            daemon.end()
            broker.stop()
