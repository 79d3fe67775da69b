"""Toys beside real hardware: check-config says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulators
from evse_daemon.config import load, load_text

EXAMPLES = Path(__file__).parents[2] / "config"

STATION = """
active_modules:
  board: {{module: {board}, config_module: {options}}}
  provider: {{module: DummyTokenProviderManual}}
  validator:
    module: DummyTokenValidator
    config_implementation: {{main: {{validation_result: Accepted, validation_reason: a test, sleep: 0.1}}}}
"""


def warnings(board: str, options: str) -> list[tuple[int | None, str]]:
    text = STATION.format(board=board, options=options)
    return [(found.line, found.message) for found in load_text(text).warnings]


@pytest.mark.parametrize(
    ("board", "options"),
    [
        ("YetiDriver", "{}"),
        ("YetiCanDriver", "{board_watches_host: true}"),
        ("TIDA010939", "{}"),
        ("PhyVersoBSP", "{reset_gpio: 1}"),
    ],
)
def test_a_dummy_beside_a_real_board_is_warned_of(board: str, options: str) -> None:
    assert warnings(board, options) == [
        (4, "provider is a DummyTokenProviderManual, made for trying out, and board is a real board"),
        (5, "validator is a DummyTokenValidator, made for trying out, and board is a real board"),
    ]


def test_beside_a_simulated_board_it_is_where_it_belongs() -> None:
    assert warnings("YetiSimulator", "{connector_id: 1}") == []
    assert load(Path(simulators.__file__).with_name("config-sim.yaml"), {}).warnings == ()


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("config-*.yaml")), ids=lambda file: file.name)
def test_no_example_for_hardware_uses_one(file: Path) -> None:
    assert [found.message for found in load(file, {}).warnings if "trying out" in found.message] == []
