"""What becomes of a configuration whose boards are put at the far ends of wires."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import simulators
from drivers.yeti_can_driver.module import YetiCanDriver
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.config import RunConfig, load
from evse_daemon.config.model import Connection
from simulators.wired import WireError, over_wire
from simulators.yeti_firmware.module import YetiFirmware

FOLDER = Path("somewhere")


@pytest.fixture
def config() -> RunConfig:
    return load(Path(simulators.__file__).with_name("config-sim.yaml"), {})


def test_the_driver_has_the_simulators_id_and_the_car_moves_to_the_board(config: RunConfig) -> None:
    wired = over_wire(config, "serial", FOLDER).modules
    driver, board = wired["yeti_driver"], wired["yeti_driver_firmware"]
    assert driver.cls is YetiDriver
    assert board.cls is YetiFirmware
    assert driver.mapping == config.modules["yeti_driver"].mapping
    assert isinstance(driver.options, YetiDriver.Options)
    assert isinstance(board.options, YetiFirmware.Options)
    assert driver.options.serial_port == board.options.link == str(FOLDER / "yeti_driver")
    car = wired["ev_manager"].connections["ev_board_support"]
    assert car == (Connection("yeti_driver_firmware", "ev_board_support"),)
    kernel = wired["evse_manager"].connections
    assert kernel == config.modules["evse_manager"].connections


def test_over_can_it_is_the_driver_for_can(config: RunConfig) -> None:
    wired = over_wire(config, "can", FOLDER).modules
    assert wired["yeti_driver"].cls is YetiCanDriver


def test_the_boards_limits_and_supply_are_those_of_the_simulator(config: RunConfig) -> None:
    entry = config.modules["yeti_driver"]
    options = entry.options.model_copy(update={"max_current_A_import": 20.0, "ac_nominal_voltage": 240.0})
    modules = {**config.modules, "yeti_driver": dataclasses.replace(entry, options=options)}
    board = over_wire(dataclasses.replace(config, modules=modules), "serial", FOLDER).modules[
        "yeti_driver_firmware"
    ]
    assert isinstance(board.options, YetiFirmware.Options)
    assert (board.options.max_current_A, board.options.ac_nominal_voltage) == (20.0, 240.0)


def test_what_a_driver_has_not_is_named(config: RunConfig) -> None:
    entry = config.modules["api"]
    connections = {**entry.connections, "thermometer": (Connection("yeti_driver", "temperature_sensor"),)}
    modules = {**config.modules, "api": dataclasses.replace(entry, connections=connections)}
    with pytest.raises(
        WireError, match="api is connected to temperature_sensor of yeti_driver, which a YetiDriver"
    ):
        over_wire(dataclasses.replace(config, modules=modules), "serial", FOLDER)


def test_an_id_that_is_taken_is_named(config: RunConfig) -> None:
    modules = {**config.modules, "yeti_driver_firmware": config.modules["api"]}
    with pytest.raises(WireError, match="rename that module"):
        over_wire(dataclasses.replace(config, modules=modules), "serial", FOLDER)
