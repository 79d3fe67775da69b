"""Programs that set limits for a node of the energy tree, and that watch the errors of the station."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.modules.error_history.module import ErrorHistory
from evse_daemon.modules.error_history_consumer_api.module import error_history_consumer_API
from evse_daemon.modules.external_energy_limits_consumer_api.module import external_energy_limits_consumer_API
from evse_daemon.types.energy import CapabilityLimits, ExternalLimits
from tests.everest_api.program import Program
from tests.support.harness import World

ENTRY = {
    "timestamp": "2026-03-04T10:15:00.000Z",
    "limits_to_root": {},
    "limits_to_leaves": {"ac_max_current_A": {"value": 10.0, "source": "home"}},
}
LIMITS: dict[str, Any] = {"schedule_import": [ENTRY], "schedule_export": [], "schedule_setpoints": []}
NODE = ("node", "main")
DIODE, VENDOR = "evse_board_support/DiodeFault", "evse_board_support/VendorWarning"


def limiter() -> Program:
    world = World()
    world.fake("node", main=ExternalEnergyLimits)
    world.add(external_energy_limits_consumer_API, "home", connections={"energy_node": [NODE]})
    world.start()
    found = Program(world, "external_energy_limits_consumer", "home")
    found.lives()
    return found


def test_limits_are_set_at_the_node_without_a_reply() -> None:
    program = limiter()
    program.says("set_external_limits", LIMITS)
    calls = program.world.calls(NODE, ExternalEnergyLimits.set_external_limits)
    assert calls == [{"value": ExternalLimits.model_validate(LIMITS)}]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**LIMITS, "schedule_export": None},
        {**LIMITS, "schedule_import": [{**ENTRY, "timestamp": "soon"}]},
        {**LIMITS, "schedule_import": [{**ENTRY, "limits_to_leaves": {"ac_max_current_A": 10.0}}]},
    ],
)
def test_limits_that_are_wrong_change_nothing(wrong: dict[str, Any]) -> None:
    program = limiter()
    program.says("set_external_limits", wrong)
    assert program.world.calls(NODE, ExternalEnergyLimits.set_external_limits) == []


def test_the_ratings_of_the_node_are_told_and_can_be_asked_for() -> None:
    program = limiter()
    ratings = CapabilityLimits(
        max_current_A=32.0, max_phase_count=3, nominal_voltage_V=230.0, total_power_W=22080.0
    )
    program.world.bus.implementations[NODE].publish(ExternalEnergyLimits.capabilities, ratings)
    program.world.settle()
    assert program.heard("capabilities") == [ratings.model_dump()]
    assert program.asks("capabilities/get") == [ratings.model_dump()]


@pytest.fixture
def watcher(tmp_path: Path) -> Program:
    world = World()
    world.fake("board", board_support=EvseBoardSupport)
    options = {"error_history": {"database_path": str(tmp_path / "errors.db")}}
    world.add(ErrorHistory, "error_history", impl_options=options)
    place = ("error_history", "error_history")
    world.add(error_history_consumer_API, "panel", connections={"error_history": [place]})
    world.start()
    found = Program(world, "error_history_consumer", "panel")
    found.lives()
    found.forget()
    return found


def test_errors_are_told_as_they_come_and_go_and_can_be_asked_for(watcher: Program) -> None:
    board = watcher.world.bus.implementations["board", "board_support"]
    board.raise_error(DIODE, "0.3 V", sub_type="D1")
    board.raise_error(VENDOR, "fan", severity="Low")
    watcher.world.settle()
    board.clear_error(DIODE, "D1")
    watcher.world.settle()

    raised, cleared = watcher.heard("error_raised"), watcher.heard("error_cleared")
    assert [(error["type"], error["state"]) for error in raised] == [(DIODE, "Active"), (VENDOR, "Active")]
    assert cleared == [{**raised[0], "state": "ClearedByModule"}]
    assert raised[0]["origin"] == {"module_id": "board", "implementation_id": "board_support"}
    assert watcher.asks("active_errors") == [{"errors": [raised[1]]}]
    assert watcher.asks("get_errors", {"type_filter": DIODE}) == [{"errors": cleared}]
    assert watcher.asks("get_errors", {"severity_filter": "HIGH_GE", "state_filter": "Active"}) == [
        {"errors": []}
    ]
    assert watcher.asks("get_errors", {"state_filter": "Over"}) == []
    assert watcher.asks("error_cleared/get") == cleared


def test_errors_wait_for_a_broker_that_is_away(watcher: Program) -> None:
    watcher.world.mqtt.connected = False
    board = watcher.world.bus.implementations["board", "board_support"]
    for _ in range(3):
        board.raise_error(DIODE, "0.3 V")
        board.clear_error(DIODE)
    watcher.world.settle()
    assert len(watcher.heard("error_raised")) == len(watcher.heard("error_cleared")) == 3
