"""Duty cycle and current, IEC 61851-1 Tables A.7 and A.8, by the examples of evse-manager.md §2.7."""

from __future__ import annotations

import math

import pytest

from evse_daemon.modules.evse_manager import pwm


@pytest.mark.parametrize(
    ("current_a", "percent"),
    [
        (5.9, 10.0),
        (6.0, 10.0),
        (10.0, 16.667),
        (13.0, 21.667),
        (16.0, 26.667),
        (20.0, 33.333),
        (32.0, 53.333),
        (48.0, 80.0),
        (51.0, 85.0),
        (52.4, 85.0),
        (52.5, 85.0),
        (63.0, 89.2),
        (70.0, 92.0),
        (80.0, 96.0),
    ],
)
def test_the_duty_cycle_of_a_current(current_a: float, percent: float) -> None:
    assert pwm.duty_for(current_a) * 100 == pytest.approx(percent, abs=1e-3)


def test_eighty_ampere_and_a_little_is_eighty_ampere() -> None:
    """EVerest signals 97 % there, which Table A.8 reads as 80 A, too."""
    assert pwm.duty_for(80.1) == pwm.duty_for(80.0) == pytest.approx(0.96)


@pytest.mark.parametrize("current_a", [-16.0, 0.0, 5.0, 5.89, 80.2, 1000.0, math.inf, -math.inf, math.nan])
def test_what_cannot_be_signalled_is_no_pwm(current_a: float) -> None:
    assert pwm.duty_for(current_a) == 1.0


@pytest.mark.parametrize("current_a", [5.0, 0.0, -32.0, math.nan, -math.inf])
def test_too_little_to_charge(current_a: float) -> None:
    assert not pwm.enough(current_a)


@pytest.mark.parametrize(
    ("percent", "current_a"),
    [
        (0.0, 0.0),
        (5.0, 0.0),
        (7.9, 0.0),
        (8.0, 6.0),
        (9.9, 6.0),
        (10.0, 6.0),
        (16.667, 10.0),
        (26.667, 16.0),
        (53.333, 32.0),
        (85.0, 51.0),
        (85.1, 52.75),
        (89.2, 63.0),
        (96.0, 80.0),
        (96.5, 80.0),
        (97.0, 80.0),
        (97.1, 0.0),
        (100.0, 0.0),
        (math.nan, 0.0),
    ],
)
def test_the_current_of_a_duty_cycle(percent: float, current_a: float) -> None:
    assert pwm.current_for(percent / 100) == pytest.approx(current_a, abs=1e-3)


def test_a_car_never_reads_more_than_was_allowed() -> None:
    for tenth in range(59, 802):
        current_a = tenth / 10
        assert pwm.current_for(pwm.duty_for(current_a)) <= max(current_a, 6.0) + 1e-9
