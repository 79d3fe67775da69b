"""Switching between one and three phases while a car charges, and while it does not (rows 37 to 39)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import energy_request, guards
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.phase_switch import after_failure
from evse_daemon.modules.evse_manager.state import KernelConfig, Phases
from evse_daemon.types.evse_manager import EnableDisableSource, Limits
from tests.modules.evse_manager.plant import CAPABILITIES, FAULT, SWITCHES_PHASES, UTC, Plant

W3000 = 3000 / 230
W9000 = 9000 / 230


def charging(**config: Any) -> Plant:
    """A car charges on three phases with 32 A, since a minute."""
    plant = Plant(KernelConfig(switch_phases_delay_s=8.0, **config), capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.advance(60.0)
    plant.news()
    plant.board.clear()
    return plant


def commands(plant: Plant) -> list[str]:
    """What the board was told since this was asked last, without its own over-current guard."""
    found = []
    for effect in plant.board:
        match effect:
            case fx.AllowPower(on):
                found.append(f"power({'on' if on else 'off'})")
            case fx.SwitchPhases():
                found.append(f"switch3ph({effect.three_phases})")
            case fx.SetPwm(duty):
                found.append(f"pwm {100 * duty:.2f}")
            case fx.SetX1():
                found.append("X1")
            case fx.SetF():
                found.append("F")
    plant.board.clear()
    return found


def to_one_phase(plant: Plant) -> None:
    plant.limit(W3000, phases=1, shared_a=W3000)


def told(plant: Plant) -> Limits:
    return Limits(
        max_current=guards.budget_a(plant.state, plant.now_s),
        nr_of_phases_available=guards.phases(plant.state) or 1,
    )


def test_row_37_from_three_phases_to_one_and_back_with_x1() -> None:
    plant = charging()
    to_one_phase(plant)
    assert plant.news() == ["SwitchingPhases"]
    assert commands(plant) == ["X1"]
    assert told(plant) == Limits(max_current=W3000, nr_of_phases_available=1)
    plant.tell(ev.CpChanged("B"))
    assert commands(plant) == ["power(off)"]
    plant.advance(7.9)
    assert plant.news() == []
    plant.advance(0.1)
    assert plant.news() == ["PrepareCharging"]
    assert commands(plant) == ["switch3ph(False)", "pwm 21.74"]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["ChargingStarted"]
    assert commands(plant) == ["power(on)"]

    plant.advance(5.0)
    plant.limit(32.0, phases=1, shared_a=32.0)
    assert commands(plant) == ["pwm 53.33"]
    plant.advance(3.0)
    plant.limit(W9000 / 3, phases=3, shared_a=W9000)
    assert plant.news() == ["SwitchingPhases"]
    plant.tell(ev.CpChanged("B"))
    plant.advance(8.0)
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]
    assert commands(plant) == ["X1", "power(off)", "switch3ph(True)", "pwm 21.74", "power(on)"]
    assert plant.phases == 3


def test_row_38_with_state_f_a_car_that_keeps_c_charges_on_at_once() -> None:
    plant = charging(switch_phases_by="F")
    to_one_phase(plant)
    assert commands(plant) == ["F"]
    plant.tell(ev.CpChanged("F"))
    assert commands(plant) == ["power(off)"]
    plant.advance(8.0)
    assert commands(plant) == ["switch3ph(False)", "pwm 21.74"]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["SwitchingPhases", "PrepareCharging", "ChargingStarted"]
    assert commands(plant) == ["power(on)"]


def test_with_state_f_a_car_that_comes_back_in_b_is_not_paused() -> None:
    """EVerest takes F→B for a car that withdrew, and pauses with X1 (reference §3.5)."""
    plant = charging(switch_phases_by="F")
    to_one_phase(plant)
    plant.tell(ev.CpChanged("F"))
    plant.advance(8.0)
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["SwitchingPhases", "PrepareCharging", "ChargingStarted"]


def test_row_39_a_car_that_left_during_state_f_does_not_start_to_charge() -> None:
    """Differs: EVerest announces ChargingStarted and asks for power once more."""
    plant = charging(switch_phases_by="F")
    to_one_phase(plant)
    plant.tell(ev.CpChanged("F"))
    plant.advance(8.0)  # under F nobody sees that the car leaves
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == [
        "SwitchingPhases",
        "PrepareCharging",
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished(EVDisconnected)",
        "SessionFinished",
    ]
    assert commands(plant) == ["F", "power(off)", "switch3ph(False)", "pwm 21.74", "X1"]


DISABLE = ev.EnableDisable(
    0, EnableDisableSource(enable_source="CSMS", enable_state="Disable", enable_priority=100)
)

BREAKS: dict[str, tuple[ev.Event, list[str]]] = {
    "unplugged": (
        ev.CpChanged("A"),
        ["ChargingFinished", "TransactionFinished(EVDisconnected)", "SessionFinished"],
    ),
    "deauthorized": (
        ev.Stop("DeAuthorized"),
        ["ChargingFinished", "TransactionFinished(DeAuthorized)"],
    ),
    "a fault": (ev.CausesChanged((FAULT,)), ["ChargingPausedEVSE(Error)"]),
    "disabled": (
        DISABLE,
        ["ChargingFinished", "TransactionFinished(EVSEDisabled)", "SessionFinished", "Disabled"],
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_ends_charging_during_the_delay_is_noticed_at_once(what: str) -> None:
    event, follows = BREAKS[what]
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.advance(1.0)
    plant.tell(event)
    assert plant.news() == ["SwitchingPhases", "PrepareCharging", "StoppingCharging", *follows]
    assert guards.phases(plant.state) == 1


def test_a_disabled_board_is_told_to_switch_when_it_is_enabled_again() -> None:
    plant = charging()
    plant.tell(DISABLE)
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    assert plant.state.charger == "Disabled"
    assert "switch3ph(False)" in commands(plant)
    plant.limit(16.0, phases=3)
    plant.advance(10.0)
    plant.limit(16.0, phases=3)
    assert commands(plant) == []
    source = EnableDisableSource(enable_source="CSMS", enable_state="Enable", enable_priority=100)
    plant.tell(ev.EnableDisable(0, source))
    assert "switch3ph(True)" in commands(plant)


def test_a_fault_during_the_switch_ends_and_charging_goes_on_with_the_new_phases() -> None:
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CausesChanged(()))
    plant.tell(ev.CpChanged("C"))
    assert plant.news()[-2:] == ["PrepareCharging", "ChargingStarted"]
    assert plant.phases == 1


def test_phases_wait_for_a_car_that_stays_in_c_until_its_power_is_cut() -> None:
    plant = Plant(KernelConfig(switch_phases_delay_s=2.0), capabilities=SWITCHES_PHASES)
    plant.charge()
    plant.board.clear()
    to_one_phase(plant)
    plant.advance(5.9)
    assert commands(plant) == ["X1"]
    plant.advance(0.1)
    assert commands(plant) == ["power(off)", "switch3ph(False)", "pwm 21.74", "power(on)"]


def test_with_state_f_a_board_that_does_not_report_it_is_cut_off_too() -> None:
    plant = charging(switch_phases_by="F")
    to_one_phase(plant)
    plant.advance(6.0)
    assert commands(plant) == ["F", "power(off)"]


def test_a_contactor_that_does_not_open_keeps_the_phases_as_they_are() -> None:
    plant = charging()
    plant.prompt = False
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.advance(60.0)
    assert "switch3ph(False)" not in commands(plant)
    assert plant.news()[-1] == "ChargingPausedEVSE(Error)"
    assert plant.state.inoperative[0].sub_type == "ContactorWelded"


def test_the_connector_stays_locked_while_state_f_switches_phases() -> None:
    plant = charging(switch_phases_by="F")
    to_one_phase(plant)
    plant.tell(ev.CpChanged("F"))
    plant.advance(7.9)
    plant.sample(1.0)
    assert plant.lock_holds


@pytest.mark.parametrize("car", ["A", "B"])
def test_without_load_phases_are_switched_at_once(car: Any) -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.boot()
    plant.tell(ev.CpChanged(car))
    commands(plant)
    to_one_phase(plant)
    assert commands(plant) == ["switch3ph(False)"]
    assert "SwitchingPhases" not in plant.names


def test_a_car_that_pauses_gets_its_phases_without_another_pause() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    plant.news()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]
    assert plant.phases == 1


def test_a_car_in_c_waits_for_the_boards_answer() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    plant.prompt = False
    to_one_phase(plant)
    plant.tell(ev.CpChanged("C"))
    assert plant.news()[-1] == "PrepareCharging"
    plant.answer()
    assert plant.news() == ["ChargingStarted"]


def test_a_board_that_cannot_switch_is_not_told_to() -> None:
    plant = Plant(capabilities=CAPABILITIES)
    plant.charge()
    plant.limit(W3000, phases=1, shared_a=W3000)
    assert "SwitchingPhases" not in plant.names
    assert told(plant) == Limits(max_current=W3000 / 3, nr_of_phases_available=3)


@pytest.mark.parametrize(("most", "count"), [(None, 3), (-1, 3), (0, 3), (1, 1), (2, 1), (3, 3), (9, 3)])
def test_a_limit_of_phases_is_met_by_the_number_that_the_board_can(most: int | None, count: int) -> None:
    plant = charging()
    plant.limit(16.0, phases=most)
    assert guards.phases(plant.state) == count


def test_back_to_three_phases_during_the_delay_switches_nothing() -> None:
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.limit(32.0, phases=3)
    plant.advance(8.0)
    assert plant.news() == ["SwitchingPhases", "PrepareCharging"]
    assert not any(command.startswith("switch") for command in commands(plant))


def test_one_phase_never_gets_more_than_its_own_limit() -> None:
    """EVerest#1038: while the hysteresis kept one phase, it got the power of three."""
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.advance(8.0)
    plant.limit(16.0, shared_a=11000 / 230)
    assert told(plant) == Limits(max_current=16.0, nr_of_phases_available=1)


def test_a_limit_in_watt_is_that_of_the_phases_in_use() -> None:
    plant = charging()
    plant.limit(32.0, shared_a=W9000)
    assert told(plant).max_current == pytest.approx(W9000 / 3)
    plant.board_has_phases(1)
    assert told(plant).max_current == 32.0
    plant.board_has_phases(2)
    assert told(plant).max_current == pytest.approx(W9000 / 2)


def test_a_limit_in_watt_before_the_board_told_anything_is_that_of_three_phases() -> None:
    plant = Plant()
    plant.limit(32.0, phases=1, shared_a=30.0)
    assert told(plant) == Limits(max_current=10.0, nr_of_phases_available=1)


@pytest.mark.parametrize("error", ["no such relay", None])
def test_a_switch_that_failed_keeps_power_off_until_replug(error: str | None) -> None:
    plant = charging()
    plant.prompt = False
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.move_contactor()
    plant.advance(8.0)
    if error is None:
        plant.advance(6.0)
        late = plant.pending.pop()
        plant.phases = 3
    else:
        plant.answer(error)
    assert plant.news()[-1] == "ChargingPausedEVSE(Error,NoEnergy)"
    assert [cause.sub_type for cause in plant.state.own_errors] == ["PhaseSwitch"]
    assert guards.phases(plant.state) == 3, "a limit in watt holds whatever the board did"
    if error is None:
        plant.tell(ev.PhasesSwitched(late.request_id))
        assert guards.phases(plant.state) == 3, "a late answer changes nothing"
    plant.prompt = True
    while plant.pending:
        plant.answer()
    plant.tell(ev.CpChanged("A"))
    assert plant.state.own_errors == ()


def test_switches_are_limited_in_number_and_apart() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    switches = []
    for at_s in range(200):
        plant.limit(16.0, phases=1 + 2 * (at_s % 2))
        plant.advance(1.0)
        if "SwitchPhases" in {type(effect).__name__ for effect in plant.board}:
            plant.board.clear()
            switches.append(at_s)
    assert len(switches) == plant.config.most_phase_switches
    assert all(later - sooner >= 5 for sooner, later in pairwise(switches))
    plant.advance(plant.config.phase_switches_within_s)
    plant.limit(16.0, phases=1 if plant.phases == 3 else 3)
    assert any(isinstance(effect, fx.SwitchPhases) for effect in plant.board)


def test_an_answer_to_an_earlier_switch_changes_nothing() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("A"))
    plant.prompt = False
    to_one_phase(plant)
    plant.advance(6.0)
    late = plant.pending.pop()
    plant.advance(40.0)
    to_one_phase(plant)
    plant.tell(ev.PhasesSwitched(late.request_id, "too late"))
    assert plant.state.own_errors == ()
    plant.answer()
    assert told(plant).nr_of_phases_available == 1


def test_the_boards_word_from_before_a_switch_is_out_of_date() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    plant.board_has_phases(3)
    to_one_phase(plant)
    assert told(plant).nr_of_phases_available == 1


def test_a_board_that_switched_by_itself_is_switched_again() -> None:
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.advance(8.0)
    commands(plant)
    plant.tell(ev.PhasesAvailable(1))
    plant.board_has_phases(3)
    assert told(plant).nr_of_phases_available == 3
    plant.advance(5.0)
    to_one_phase(plant)
    assert "switch3ph(False)" in commands(plant)


def test_a_board_that_stays_on_one_phase_is_not_switched_again_and_again() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.PhasesAvailable(1))
    commands(plant)
    for _ in range(60):
        plant.limit(16.0, phases=3)
        plant.tell(ev.PhasesAvailable(1))
        plant.advance(1.0)
    assert commands(plant).count("switch3ph(True)") == 1
    assert told(plant).nr_of_phases_available == 1


def test_a_board_that_switches_by_itself_during_the_delay_is_not_told_again() -> None:
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CpChanged("B"))
    plant.board_has_phases(1)
    plant.advance(8.0)
    assert plant.news() == ["SwitchingPhases", "PrepareCharging"]
    assert not any(command.startswith("switch") for command in commands(plant))


@pytest.mark.parametrize("count", [-1, 0, 4])
def test_a_number_of_phases_that_there_is_not_changes_nothing(count: int) -> None:
    plant = charging()
    plant.tell(ev.PhasesAvailable(count))
    assert guards.phases(plant.state) == 3


def test_the_boards_word_before_its_capabilities_is_kept() -> None:
    plant = Plant(capabilities=SWITCHES_PHASES)
    plant.tell(ev.PhasesAvailable(1))
    plant.boot()
    assert guards.phases(plant.state) == 1


@pytest.mark.parametrize(
    ("changed", "count"),
    [
        ({"max_phase_count_import": 1}, 1),
        ({"max_phase_count_import": 1, "supports_changing_phases_during_charging": False}, 1),
        ({"max_current_A_import": 10.0}, 3),
    ],
)
def test_the_phases_follow_what_the_board_can(changed: dict[str, Any], count: int) -> None:
    plant = charging()
    plant.tell(ev.CapabilitiesChanged(SWITCHES_PHASES.model_copy(update=changed)))
    assert guards.phases(plant.state) == count


def test_a_switch_that_the_board_can_no_longer_do_is_given_up() -> None:
    plant = charging()
    to_one_phase(plant)
    plant.tell(ev.CapabilitiesChanged(CAPABILITIES))
    plant.tell(ev.CpChanged("B"))
    plant.advance(8.0)
    assert plant.news() == ["SwitchingPhases", "PrepareCharging"]
    assert not any(command.startswith("switch") for command in commands(plant))


def test_the_energy_request_tells_the_phases_in_use() -> None:
    plant = charging()
    to_one_phase(plant)
    request = energy_request.request("evse", plant.state, None, None, UTC, priority=False)
    assert request is not None
    assert request.schedule_import[0].limits_to_root.ac_number_of_active_phases == 1
    assert request.schedule_import[0].limits_to_root.ac_max_phase_count is not None
    assert request.schedule_import[0].limits_to_root.ac_max_phase_count.value == 3
    assert request.evse_state == "Charging"


def test_a_kernel_that_begins_anew_waits_for_the_answer_to_a_switch_under_way() -> None:
    under_way = Phases(switched_to=1, wanted=3, said=1, answer_by_s=9.0, asked_at_s=(1.0,))
    assert after_failure(under_way) == under_way
    answered = replace(under_way, wanted=None, answer_by_s=None, ended_s=8.0)
    assert after_failure(answered) == Phases(switched_to=1, said=1, asked_at_s=(1.0,))
