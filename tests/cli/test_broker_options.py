"""Where commands that look at a station from outside look for its broker."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from evse_daemon.cli.broker_options import add_broker_options, place
from evse_daemon.config import units

INSTALLED = """settings: {mqtt_broker_host: 192.0.2.7, mqtt_everest_prefix: hall}
active_modules: {validator: {module: DummyTokenValidator}}
"""
OTHER = INSTALLED.replace("hall", "other")


def where(*words: str) -> tuple[str | None, str]:
    parser = argparse.ArgumentParser()
    add_broker_options(parser)
    found = place(parser.parse_args(words), {})
    return found.broker.host, found.everest_prefix


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(INSTALLED, "utf-8")
    monkeypatch.setattr(units, "DEFAULT", file)
    return file


def test_on_a_charger_it_is_that_of_the_installed_daemon(installed: Path, tmp_path: Path) -> None:
    assert where() == ("192.0.2.7", "hall")
    assert where("--prefix", "second") == ("192.0.2.7", "second")
    other = tmp_path / "other.yaml"
    other.write_text(OTHER, "utf-8")
    assert where("--config", str(other)) == ("192.0.2.7", "other")


def test_a_broker_that_is_named_has_nothing_of_the_installed_daemon(installed: Path) -> None:
    assert where("--broker", "localhost") == ("localhost", "everest")


def test_without_an_installed_daemon_it_is_this_computer(installed: Path) -> None:
    installed.unlink()
    assert where() == ("localhost", "everest")
