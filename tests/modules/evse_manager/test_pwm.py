"""The duty cycle and the current, IEC 61851-1 Tables A.7 and A.8, both ways."""

from __future__ import annotations

import math

import pytest

from evse_daemon.modules.evse_manager import pwm

TABLE_A7 = [
    (5.89, 1.0),
    (5.9, 0.1),
    (6.0, 0.1),
    (10.0, 1 / 6),
    (13.0, 13 / 60),
    (16.0, 16 / 60),
    (20.0, 1 / 3),
    (32.0, 32 / 60),
    (48.0, 0.8),
    (51.0, 0.85),
    (52.4, 0.85),
    (52.5, 0.85),
    (63.0, 0.892),
    (70.0, 0.92),
    (80.0, 0.96),
    (80.1, 0.96),
    (80.2, 1.0),
    (0.0, 1.0),
    (-16.0, 1.0),
    (math.nan, 1.0),
    (math.inf, 1.0),
]

TABLE_A8 = [
    (0.0, 0.0),
    (2.9, 0.0),
    (5.0, 0.0),  # digital communication decides
    (7.9, 0.0),
    (8.0, 6.0),
    (9.9, 6.0),
    (10.0, 6.0),
    (26.67, 16.0),
    (53.33, 32.0),
    (85.0, 51.0),
    (85.1, 52.75),
    (89.2, 63.0),
    (96.0, 80.0),
    (96.5, 80.0),
    (97.0, 80.0),
    (97.1, 0.0),
    (100.0, 0.0),
    (math.nan, 0.0),
]


@pytest.mark.parametrize(("current_a", "duty"), TABLE_A7)
def test_the_duty_cycle_for_a_current(current_a: float, duty: float) -> None:
    assert pwm.duty_for(current_a) == pytest.approx(duty)


@pytest.mark.parametrize(("percent", "current_a"), TABLE_A8)
def test_the_current_for_a_duty_cycle(percent: float, current_a: float) -> None:
    assert pwm.current_for(percent / 100) == pytest.approx(current_a, abs=0.01)


def test_what_is_signalled_is_what_the_car_reads() -> None:
    for tenth_a in (*range(60, 511), *range(526, 801)):
        assert pwm.current_for(pwm.duty_for(tenth_a / 10)) == pytest.approx(tenth_a / 10, abs=1e-6)


def test_between_the_lines_never_more_is_signalled_than_allowed() -> None:
    for hundredth_a in range(590, 8011):
        assert pwm.current_for(pwm.duty_for(hundredth_a / 100)) <= max(hundredth_a / 100, 6.0) + 1e-6
