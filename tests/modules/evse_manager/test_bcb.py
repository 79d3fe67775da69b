"""The BCB toggle: pulses of state C by which a car wakes up a charger without PWM."""

from __future__ import annotations

import pytest

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.plant import Plant


def asleep() -> Plant:
    """The user has paused: the car sees X1 and is in B."""
    plant = Plant()
    plant.charge()
    plant.tell(ev.Pause())
    plant.tell(ev.CpChanged("B"))
    plant.advance(10.0)
    return plant


def pulses(plant: Plant, lengths_s: tuple[float, ...], gap_s: float = 0.3) -> None:
    for length_s in lengths_s:
        plant.tell(ev.CpChanged("C"))
        plant.advance(length_s)
        plant.tell(ev.CpChanged("B"))
        plant.advance(gap_s)


def test_three_pulses_are_a_toggle_at_once() -> None:
    plant = asleep()
    pulses(plant, (0.3, 0.3, 0.3), gap_s=0.2)
    assert plant.notes == ["the car toggled the control pilot 3 times to wake us up"]


@pytest.mark.parametrize("lengths_s", [(0.3,), (0.2, 0.4), (0.16, 0.1), (0.44, 0.46)])
def test_fewer_are_one_when_no_more_can_come(lengths_s: tuple[float, ...]) -> None:
    plant = asleep()
    pulses(plant, lengths_s)
    assert plant.notes == []
    plant.advance(3.7)
    count = sum(0.15 < length_s < 0.45 for length_s in lengths_s)
    assert plant.notes == [f"the car toggled the control pilot {count} times to wake us up"]


@pytest.mark.parametrize("lengths_s", [(0.14,), (0.46,), (0.05, 2.0)])
def test_pulses_that_are_too_short_or_too_long_are_none(lengths_s: tuple[float, ...]) -> None:
    plant = asleep()
    pulses(plant, lengths_s)
    plant.advance(5.0)
    assert plant.notes == []


def test_a_car_that_goes_to_c_and_stays_is_no_toggle() -> None:
    plant = asleep()
    pulses(plant, (0.3,))
    plant.tell(ev.CpChanged("C"))
    plant.advance(5.0)
    assert plant.notes == []


def test_a_car_that_leaves_or_gets_pwm_ends_the_sequence() -> None:
    plant = asleep()
    pulses(plant, (0.3,))
    plant.tell(ev.CpChanged("A"))
    plant.advance(5.0)
    assert plant.notes == []
    plant = asleep()
    pulses(plant, (0.3,))
    plant.tell(ev.Resume())
    plant.tell(ev.CpChanged("C"))
    plant.advance(5.0)
    assert plant.notes == []
    assert plant.state.bcb is None


def test_a_toggle_changes_nothing_in_basic_charging() -> None:
    plant = asleep()
    before = len(plant.board)
    pulses(plant, (0.3, 0.3, 0.3))
    assert not plant.power_allowed
    assert len(plant.board) == before
    assert plant.names[-1] == "ChargingPausedEVSE(UserPause)"
