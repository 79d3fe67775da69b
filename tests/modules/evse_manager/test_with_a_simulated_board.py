"""EvseManager with the simulated board and car: phases are switched, and too much current is seen by its meter."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import RejectedError
from evse_daemon.interfaces.car_simulator import CarSimulator
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.types.energy import EnforcedLimits, IntegerWithSource, LimitsRes, NumberWithSource
from evse_daemon.types.powermeter import Powermeter
from simulators.ev_manager.module import EvManager
from simulators.yeti_simulator.module import YetiSimulator
from tests.modules.evse_manager.plant import ACCEPTED, TOKEN
from tests.support.harness import World

EVSE = ("evse", "evse")
ENERGY = ("evse", "energy_grid")
BOARD = ("yeti", "board_support")


class Charger(World):
    """One EVSE with everything simulated around it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.yeti = self.add(YetiSimulator, "yeti", {"connector_id": 1})
        self.add(
            EvManager,
            "car",
            {"connector_id": 1, "auto_enable": True},
            connections={"ev_board_support": [("yeti", "ev_board_support")]},
        )
        self.add(
            EvseManager,
            "evse",
            {"connector_id": 1, "has_ventilation": False, **options},
            connections={
                "bsp": [BOARD],
                "powermeter_grid_side": [("yeti", "powermeter")],
                "ac_rcd": [("yeti", "rcd")],
                "connector_lock": [("yeti", "connector_lock")],
            },
        )
        self.start()
        self.advance(6.0)

    def enforce(self, current_a: float, phases: int, power_w: float | None = None) -> None:
        limits = LimitsRes(
            ac_max_current_A=NumberWithSource(value=current_a, source="fuse"),
            ac_max_phase_count=IntegerWithSource(value=phases, source="fuse"),
            total_power_W=None if power_w is None else NumberWithSource(value=power_w, source="fuse"),
        )
        value = EnforcedLimits(uuid="evse", valid_for=3600, limits_root_side=limits, schedule=[])
        self.call(ENERGY, Energy.enforce_limits, value)

    def charge(self, draws: str) -> None:
        self.enforce(32.0, 3)
        script = f"iec_wait_pwr_ready;sleep 1;{draws};sleep 600;unplug"
        self.begin(("car", "main"), CarSimulator.execute_charging_session, script)
        self.advance(2.0)
        self.call(EVSE, EvseManagerInterface.authorize_response, TOKEN, ACCEPTED)
        self.advance(4.0)
        assert self.event_names[-1] == "ChargingStarted"

    @property
    def event_names(self) -> list[str]:
        return [event.event for event in self.published(EVSE, EvseManagerInterface.session_event)]

    @property
    def meter(self) -> Powermeter:
        return self.published(EVSE, EvseManagerInterface.powermeter)[-1]

    def loaded_phases(self) -> int:
        currents = self.meter.current_A
        assert currents is not None
        return sum(abs(current_a or 0.0) > 1.0 for current_a in (currents.L1, currents.L2, currents.L3))


@pytest.mark.parametrize("cp_state", ["X1", "F"])
def test_rows_37_and_38_phases_are_switched_there_and_back(cp_state: str) -> None:
    charger = Charger(switch_3ph1ph_delay_s=8, switch_3ph1ph_cp_state=cp_state)
    charger.charge("draw_power_regulated 32,3")
    charger.advance(2.0)
    assert charger.loaded_phases() == 3
    for phases, power_w in ((1, 3000.0), (3, 9000.0)):
        before = len(charger.event_names)
        charger.enforce(13.04, phases, power_w)
        charger.advance(7.5)
        assert charger.loaded_phases() == 0
        assert charger.published(EVSE, EvseManagerInterface.limits)[-1].nr_of_phases_available == phases
        charger.advance(7.0)
        assert charger.event_names[before:] == ["SwitchingPhases", "PrepareCharging", "ChargingStarted"]
        assert charger.loaded_phases() == phases
    assert charger.calls(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging) == [
        {"value": False},
        {"value": True},
    ]


def test_a_board_that_refuses_to_switch_stops_charging_until_replug() -> None:
    charger = Charger(switch_3ph1ph_delay_s=2)
    charger.charge("draw_power_regulated 16,3")

    def refuse(value: bool) -> None:
        raise RejectedError("the relay is stuck")

    charger.yeti.board_support.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, refuse)
    charger.enforce(16.0, 1)
    charger.advance(10.0)
    assert charger.event_names[-1] == "ChargingPausedEVSE"
    assert "evse_manager/Internal" in charger.errors(EVSE)


def test_row_59_the_meter_sees_a_car_that_draws_too_much() -> None:
    charger = Charger(soft_over_current_measurement_noise_A=-20.0, soft_over_current_timeout_ms=6000)
    charger.charge("draw_power_regulated 16,3")
    charger.advance(8.0)
    assert "evse_manager/MREC4OverCurrentFailure" in charger.errors(EVSE)
    assert charger.event_names[-1] == "ChargingPausedEVSE"
    assert charger.loaded_phases() == 0


def test_the_boards_word_on_its_phases_is_told() -> None:
    charger = Charger()
    charger.enforce(16.0, 3)
    charger.yeti.board_support.publish(EvseBoardSupport.ac_nr_of_phases_available, 1)
    charger.settle()
    assert charger.published(EVSE, EvseManagerInterface.limits)[-1].nr_of_phases_available == 1
