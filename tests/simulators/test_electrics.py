"""What the simulated car draws and the simulated meter counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.yeti_simulator.electrics import (
    EnergyCounter,
    Noise,
    current_by_duty_a,
    drawn_current_a,
    measure,
)


@pytest.mark.parametrize(
    ("duty_percent", "current_a"),
    [
        (0, 0),
        (5, 0),
        (7.9, 0),
        (10, 6),
        (26.667, 16),
        (53.333, 32),
        (85, 52.5),
        (95.9, 79.75),
        (96.5, 80),
        (97, 0),
        (100, 0),
    ],
)
def test_the_duty_cycle_offers_the_current_of_table_a8(duty_percent: float, current_a: float) -> None:
    assert current_by_duty_a(duty_percent) == pytest.approx(current_a, abs=0.01)


def test_not_a_number_offers_nothing() -> None:
    assert current_by_duty_a(math.nan) == 0


@pytest.mark.parametrize(
    ("duty_percent", "limit_a", "current_a"),
    [
        (53.333, 16.0, 16),
        (26.667, 32.0, 16),
        (53.333, 0.0, 0),
        (53.333, None, 32),
        (53.333, -10.0, -10),
        (5, 20.0, 20),
    ],
)
def test_the_car_draws_the_smaller_of_offer_and_limit(
    duty_percent: float, limit_a: float | None, current_a: float
) -> None:
    assert drawn_current_a(duty_percent, limit_a) == pytest.approx(current_a, abs=0.01)


def test_three_phases_at_16_a() -> None:
    measured = measure(16, 3, 230, 50, Noise("seed"))
    assert measured.current_a == pytest.approx((16, 16, 16), rel=0.01)
    assert measured.voltage_v == pytest.approx((222, 222, 222), rel=0.02)
    assert sum(measured.power_w) == pytest.approx(10_656, rel=0.03)
    assert measured.neutral_a == pytest.approx(0.2, rel=0.01)
    assert measured.frequency_hz == pytest.approx(50, abs=0.125)
    assert measured.temperature_c == pytest.approx(57, abs=1)


def test_one_phase_leaves_the_others_and_returns_by_the_neutral() -> None:
    measured = measure(16, 1, 230, 50, Noise("seed"))
    assert measured.current_a[1:] == (0, 0)
    assert measured.power_w[1:] == (0, 0)
    assert measured.neutral_a == measured.current_a[0]


def test_no_current_is_exactly_none() -> None:
    measured = measure(0, 3, 230, 50, Noise("seed"))
    assert measured.current_a == (0, 0, 0)
    assert measured.power_w == (0, 0, 0)
    assert measured.neutral_a == 0
    assert measured.voltage_v == pytest.approx((230, 230, 230), rel=0.011)


def test_the_same_seed_gives_the_same_noise() -> None:
    assert [Noise("yeti")(1.0) for _ in range(3)] == [Noise("yeti")(1.0) for _ in range(3)]
    assert Noise("yeti")(1.0) != Noise("other")(1.0)


def test_energy_is_counted_by_direction() -> None:
    counter = EnergyCounter()
    counter.add((3600.0, -7200.0, 0.0), 10)
    assert counter.import_wh == pytest.approx([10, 0, 0])
    assert counter.export_wh == pytest.approx([0, 20, 0])
    counter.reset()
    assert counter == EnergyCounter()


@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.floats(-1e5, 1e5)] * 3),
            st.one_of(st.floats(-1e9, 1e9), st.sampled_from([math.nan, math.inf, -math.inf])),
        ),
        max_size=20,
    )
)
def test_energy_never_falls(samples: list[tuple[tuple[float, float, float], float]]) -> None:
    counter = EnergyCounter()
    for power_w, seconds in samples:
        before = [*counter.import_wh, *counter.export_wh]
        counter.add(power_w, seconds)
        after = [*counter.import_wh, *counter.export_wh]
        assert all(new >= old for old, new in zip(before, after, strict=True))
        assert all(map(math.isfinite, after))
