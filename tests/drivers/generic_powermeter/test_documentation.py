"""What docs/powermeters.md shows can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from drivers.generic_powermeter import model_file
from evse_daemon.config import load_text
from simulators.modbus_meter.registers import MODELS

PAGE = (Path(__file__).parents[3] / "docs" / "powermeters.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_configurations_are_right() -> None:
    found = [load_text(text) for text in EXAMPLES if "active_modules" in text]
    assert [list(config.modules) for config in found] == [["rs485", "meter_1", "meter_2"], ["lan", "meter"]]
    assert not any(config.warnings for config in found)


def test_the_model_is_right() -> None:
    (text,) = [text for text in EXAMPLES if "active_modules" not in text]
    model = model_file.parse(yaml.safe_load(text), "example")
    model_file.require_energy(model)
    assert len(model.readings) == 8


def test_every_model_and_every_simulated_meter_is_named() -> None:
    listed = re.findall(r"^\| `(\w[\w-]+)` \| ", PAGE.split("## On a serial bus")[0], re.MULTILINE)
    assert sorted(listed[1:]) == model_file.names()
    assert all(f"`{model}`" in PAGE for model in MODELS)
