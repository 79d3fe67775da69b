"""What the board reads from the control pilot (IEC 61851-1 Table A.2)."""

from __future__ import annotations

import math

import pytest

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_simulator.control_pilot import (
    UNREAD,
    X1,
    CpState,
    F,
    Levels,
    Pilot,
    Reading,
    levels,
    pwm,
    read,
)

STATES: list[EvCpState] = ["A", "B", "C", "D", "E"]


@pytest.mark.parametrize("car", STATES)
@pytest.mark.parametrize("pilot", [X1, pwm(53.3), pwm(5)])
def test_every_state_of_the_car_is_read_with_and_without_pwm(car: EvCpState, pilot: Pilot) -> None:
    wire = levels(pilot, car, diode_shorted=False)
    assert read(wire, pilot, UNREAD) == Reading(car, diode_shorted=False)


@pytest.mark.parametrize("car", STATES)
def test_state_f_hides_the_car(car: EvCpState) -> None:
    assert read(levels(F, car, diode_shorted=False), F, UNREAD).state == "F"


@pytest.mark.parametrize(
    ("high_v", "state"), [(10.95, "A"), (7.95, "B"), (4.95, "C"), (1.95, "D"), (-10.95, "F")]
)
def test_voltages_may_be_a_little_off(high_v: float, state: CpState) -> None:
    assert read(Levels(high_v, high_v), X1, UNREAD).state == state


@pytest.mark.parametrize("high_v", [10.5, 7.5, 4.5, 1.5, 15.0, math.nan, math.inf])
@pytest.mark.parametrize("pilot", [X1, pwm(53.3)])
def test_voltages_between_the_states_change_nothing(high_v: float, pilot: Pilot) -> None:
    before = Reading("C", diode_shorted=False)
    assert read(Levels(high_v, -12.0), pilot, before) == before
    assert read(Levels(high_v, math.nan), pilot, before) == before


@pytest.mark.parametrize("car", ["B", "C", "D"])
def test_a_shorted_diode_shows_while_pwm_runs_and_keeps_the_state(car: EvCpState) -> None:
    before = Reading("B", diode_shorted=False)
    assert read(levels(pwm(53.3), car, diode_shorted=True), pwm(53.3), before) == Reading(
        "B", diode_shorted=True
    )
    assert not read(levels(X1, car, diode_shorted=True), X1, before).diode_shorted


def test_a_diode_fault_lasts_until_the_plug_is_out() -> None:
    faulty = Reading("C", diode_shorted=True)
    assert read(Levels(9, 9), X1, faulty) == Reading("B", diode_shorted=True)
    assert read(Levels(12, 12), X1, faulty) == Reading("A", diode_shorted=False)


def test_an_unplugged_cable_has_no_diode_fault() -> None:
    wire = levels(pwm(53.3), "A", diode_shorted=True)
    assert read(wire, pwm(53.3), UNREAD) == Reading("A", diode_shorted=False)


@pytest.mark.parametrize("duty_percent", [0, -1, 100, 101, math.nan])
def test_what_is_no_pwm_is_x1(duty_percent: float) -> None:
    assert pwm(duty_percent) == X1
