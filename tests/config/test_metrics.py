"""daemon.metrics: off where it is not there, warned of where others can read it."""

from __future__ import annotations

import pytest

from evse_daemon.config import ConfigurationError, load_text
from evse_daemon.config.model import MetricsSettings

STATION = """
active_modules:
  board: {module: YetiSimulator, config_module: {connector_id: 1}}
"""


def warnings(daemon: str) -> list[tuple[int | None, str]]:
    return [(found.line, found.message) for found in load_text(f"{daemon}\n{STATION}").warnings]


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert load_text(STATION).daemon.metrics is None
    assert load_text("daemon: {metrics: {}}" + STATION).daemon.metrics == MetricsSettings(
        port=9464, host="127.0.0.1"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "LOCALHOST", "::1"])
def test_on_this_computer_alone_it_is_no_matter(host: str) -> None:
    assert warnings(f"daemon: {{metrics: {{host: '{host}'}}}}") == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "charger.example", "fd00::1"])
def test_whoever_lets_others_read_is_told_that_there_is_no_tls_and_no_login(host: str) -> None:
    [(line, message)] = warnings(f"daemon:\n  metrics:\n    host: '{host}'")
    assert line == 3
    assert message == (f"whoever reaches {host}:9464 can read the metrics: there is no TLS and no login")


@pytest.mark.parametrize(
    "metrics", ["{port: 0}", "{port: 70000}", "{port: '9464'}", "{hots: x}", "true", "{host: ''}"]
)
def test_what_is_no_address_is_a_problem(metrics: str) -> None:
    with pytest.raises(ConfigurationError, match=r"key .metrics"):
        load_text(f"daemon: {{metrics: {metrics}}}" + STATION)
