"""Fixtures of the MQTT tests: a private Mosquitto, and TLS certificates."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary, start_mosquitto
from tests.support.certificates import Certificates, make_certificates


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if mosquitto_binary() is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = start_mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
