"""The built-in charger with the driver of another board than a Yeti, and with that board simulated or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import simulators

CHARGER = Path(simulators.__file__).with_name("config-sim.yaml")

DRIVERS = {"tida010939": "TIDA010939", "phyverso": "PhyVersoBSP"}
OPTIONS: dict[str, dict[str, Any]] = {
    "tida010939": {"reset_gpio_chip": "", "max_current_A_import": 32},
    "phyverso": {"conn1_max_current_A_import": 32},
}
IMPLEMENTATIONS = {
    "tida010939": {name: name for name in ("board_support", "rcd", "connector_lock")},
    "phyverso": {"board_support": "connector_1", "rcd": "rcd_1", "connector_lock": "connector_lock_1"},
}
DRIVER, BOARD = "yeti_driver", "board"


def with_driver(document: dict[str, Any], dialect: str, port: str) -> dict[str, Any]:
    """A run configuration with its YetiSimulator replaced by a driver; what the board lacks is not connected.

    Args:
        document: of the configuration, which is changed.
        dialect: of the board.
        port: where the driver finds it.
    """
    modules = document["active_modules"]
    modules[DRIVER] |= {
        "module": DRIVERS[dialect],
        "config_module": {"serial_port": port} | OPTIONS[dialect],
    }
    names = IMPLEMENTATIONS[dialect]
    for module_id, module in modules.items():
        if module_id == "ev_manager":
            continue
        for requirement, targets in list(module.get("connections", {}).items()):
            for target in targets:
                if target["module_id"] != DRIVER:
                    continue
                if target["implementation_id"] not in names:
                    del module["connections"][requirement]
                    break
                target["implementation_id"] = names[target["implementation_id"]]
    return document


def with_board(dialect: str) -> dict[str, Any]:
    """The built-in charger with a driver and, for the car, the board."""
    document: dict[str, Any] = with_driver(yaml.safe_load(CHARGER.read_text("utf-8")), dialect, "nowhere")
    modules = document["active_modules"]
    modules[BOARD] = {"module": "YetiFirmware", "config_module": {"connector_id": 1, "dialect": dialect}}
    modules["ev_manager"]["connections"]["ev_board_support"][0]["module_id"] = BOARD
    return document
