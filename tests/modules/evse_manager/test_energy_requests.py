"""What the EVSE asks of the energy tree (reference evse-manager.md §6.1, §6.2, row 51) and tells of what it gets."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.evse_manager import energy_request
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.types.board_support_common import ProximityPilot
from evse_daemon.types.energy import EnergyFlowRequest, LimitsReq, NumberWithSource
from evse_daemon.types.evse_manager import StopTransactionRequest
from tests.modules.evse_manager.plant import CAPABILITIES, meter
from tests.modules.evse_manager.rig import EVSE, GRID, Rig, source

ZERO = {"request_zero_power_in_idle": True}

NOTHING = LimitsReq(ac_max_current_A=NumberWithSource(value=0.0, source="Idle"))


def asked_a(request: EnergyFlowRequest) -> float:
    """The current that is asked for towards the car."""
    limit = request.schedule_import[0].limits_to_leaves.ac_max_current_A
    assert limit is not None
    return limit.value


def newest(rig: Rig) -> EnergyFlowRequest:
    rig.world.advance(1.0)
    return rig.request


def test_a_request_comes_every_second_and_at_once_when_a_car_comes_or_is_done() -> None:
    rig = Rig().start()
    rig.world.recorder.clear()
    rig.world.advance(3.0)
    assert [r.priority_request for r in rig.world.published(GRID, Energy.energy_flow_request)] == [False] * 3
    rig.charge()
    rig.call(Interface.stop_transaction, StopTransactionRequest(reason="Local"))
    rig.pilot("B")
    urgent = [
        request.evse_state
        for request in rig.world.published(GRID, Energy.energy_flow_request)
        if request.priority_request
    ]
    assert urgent == ["WaitForAuth", "Finished"]


def test_the_content_of_a_request() -> None:
    request = newest(Rig().start())
    entry, export = request.schedule_import[0], request.schedule_export[0]
    caps = "evse/evse_board_support_caps"
    root = entry.limits_to_root
    assert (request.uuid, request.node_type, request.children) == ("evse", "Evse", [])
    assert asked_a(request) == 32.0
    assert root.ac_max_current_A == NumberWithSource(value=32.0, source=caps)
    assert root.ac_min_current_A == NumberWithSource(value=6.0, source=caps)
    assert root.ac_max_phase_count is not None
    assert root.ac_min_phase_count is not None
    assert (root.ac_min_phase_count.value, root.ac_max_phase_count.value) == (1, 3)
    assert root.ac_number_of_active_phases == 3
    assert export.limits_to_leaves.ac_max_current_A is not None
    assert export.limits_to_leaves.total_power_W is not None
    assert export.limits_to_leaves.ac_max_current_A.value == 0.0
    assert export.limits_to_leaves.total_power_W.value == 0.0


def test_the_cable_caps_the_request_and_what_is_told_of_the_limit() -> None:
    rig = Rig().start()
    rig.board.publish(EvseBoardSupport.ac_pp_ampacity, ProximityPilot(ampacity="A_20"))
    rig.limit(32.0)
    request = newest(rig)
    assert request.schedule_import[0].limits_to_root.ac_max_current_A == NumberWithSource(
        value=20.0, source="evse/pp_ampacity"
    )
    told = rig.world.published(EVSE, Interface.enforced_limits)[-1].limits_root_side.ac_max_current_A
    assert told is not None
    assert told.value == 20.0
    rig.limit(16.0)
    told = rig.world.published(EVSE, Interface.enforced_limits)[-1].limits_root_side.ac_max_current_A
    assert told is not None
    assert told.value == 16.0


def test_each_meter_is_told_on_its_side() -> None:
    rig = Rig()
    meters = {side: rig.world.fake(side, meter=PowermeterInterface)["meter"] for side in ("grid", "car")}
    rig.world._connections["evse"] = {
        **rig.world._connections["evse"],
        "powermeter_grid_side": [("grid", "meter")],
        "powermeter_car_side": [("car", "meter")],
    }
    rig.start()
    meters["grid"].publish(PowermeterInterface.powermeter, meter(1000.0))
    meters["car"].publish(PowermeterInterface.powermeter, meter(1.0))
    request = newest(rig)
    assert request.energy_usage_root == meter(1000.0)
    assert request.energy_usage_leaves == meter(1.0)


def test_an_idle_evse_asks_for_nothing_where_that_is_configured() -> None:
    rig = Rig(ZERO).start()
    request = newest(rig)
    assert request.evse_state == "Unplugged"
    for schedule in (request.schedule_import, request.schedule_export):
        assert schedule[0].limits_to_leaves == NOTHING
        assert schedule[0].limits_to_root == LimitsReq()
    assert asked_a(newest(Rig().start())) == 32.0


def test_it_asks_again_when_a_car_comes() -> None:
    rig = Rig(ZERO).start()
    rig.pilot("B")
    assert rig.request.priority_request
    assert asked_a(rig.request) == 32.0


def answer(rig: Rig, seconds: int) -> None:
    """The energy management gives what is asked for, each second."""
    for _ in range(seconds):
        rig.world.advance(1.0)
        rig.limit(asked_a(rig.request))


def test_row_51_a_pause_in_which_nothing_is_asked_for_ends_with_resume() -> None:
    rig = Rig(ZERO).start()
    rig.charge()
    rig.world.recorder.clear()
    rig.call(Interface.pause_charging)
    answer(rig, 2)
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(NoEnergy,UserPause)"]
    rig.call(Interface.resume_charging)
    assert rig.names[2:] == ["ChargingPausedEVSE(NoEnergy)"], "EVerest's stays so for ever"
    answer(rig, 2)
    rig.pilot("C")
    assert rig.names[3:] == ["PrepareCharging", "ChargingStarted"]


def test_a_pause_by_the_car_keeps_the_energy() -> None:
    rig = Rig(ZERO).start()
    rig.charge()
    rig.world.recorder.clear()
    rig.pilot("B")
    answer(rig, 3)
    assert rig.names == ["StoppingCharging", "ChargingPausedEV"]
    root = rig.request.schedule_import[0].limits_to_root.ac_max_current_A
    assert root is not None
    assert root.value == 6.0, "a paused car holds no more than the least from others"
    rig.pilot("C")
    answer(rig, 1)
    assert rig.names[2:] == ["PrepareCharging", "ChargingStarted"]


def test_a_pause_for_an_error_asks_for_nothing_and_ends_with_the_error() -> None:
    rig = Rig(ZERO)
    rcd = rig.world.fake("rcd", main=AcRcd)["main"]
    rig.world._connections["evse"] = {**rig.world._connections["evse"], "ac_rcd": [("rcd", "main")]}
    rig.start()
    rig.charge()
    rig.world.recorder.clear()
    rcd.raise_error("ac_rcd/DC", "direct current")
    rig.pilot("B")
    answer(rig, 2)
    assert rig.names[-1] == "ChargingPausedEVSE(Error,NoEnergy)"
    rcd.clear_error("ac_rcd/DC")
    answer(rig, 2)
    assert rig.names[-1] == "PrepareCharging"


def test_without_the_option_a_pause_keeps_the_energy() -> None:
    rig = Rig().start()
    rig.charge()
    rig.world.recorder.clear()
    rig.call(Interface.pause_charging)
    answer(rig, 2)
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(UserPause)"]


@pytest.mark.parametrize(
    ("charger", "idle"),
    [
        ("Starting", True),
        ("Disabled", True),
        ("Idle", True),
        ("Finished", True),
        ("WaitingForAuthentication", False),
        ("PrepareCharging", False),
        ("Charging", False),
        ("ChargingPausedEV", False),
        ("T_step_EF", False),
    ],
)
def test_in_which_states_it_asks_for_nothing(charger: Any, idle: bool) -> None:
    state = State(charger=charger, capabilities=CAPABILITIES)
    found = energy_request.request(
        "evse", state, None, None, "2026-03-04T10:15:00.000Z", priority=False, zero_in_idle=True
    )
    assert found is not None
    assert (asked_a(found) == 0.0) is idle
    assert energy_request.request("evse", State(), None, None, "", priority=False, zero_in_idle=True) is None


def test_a_disabled_evse_asks_for_nothing() -> None:
    rig = Rig(ZERO).start()
    rig.charge()
    rig.call(Interface.enable_disable, 0, source("CSMS", "Disable"))
    assert asked_a(newest(rig)) == 0.0
    rig.pilot("B")
    request = newest(rig)
    assert (request.evse_state, asked_a(request)) == ("Disabled", 0.0)
