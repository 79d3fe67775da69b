"""A car that draws more than it was allowed (row 59)."""

from __future__ import annotations

import pytest

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Current, Energy
from tests.modules.evse_manager.plant import Plant

ERROR = "evse_manager/MREC4OverCurrentFailure"


class Metered:
    """A charging car with a meter that measures currents."""

    def __init__(self, limit_a: float = 16.0, config: KernelConfig | None = None) -> None:
        self.plant = Plant(config)
        self.plant.charge()
        self.plant.limit(limit_a)
        self.plant.advance(60.0)
        self.plant.news()
        self.samples = 0

    def sample(self, l1: float | None = None, l2: float | None = None, l3: float | None = None) -> None:
        self.samples += 1
        self.plant.tell(
            ev.MeterSample(
                Powermeter(
                    timestamp=f"2026-03-04T10:{self.samples // 60:02}:{self.samples % 60:02}.000Z",
                    energy_Wh_import=Energy(total=0.0),
                    current_A=Current(L1=l1, L2=l2, L3=l3),
                )
            )
        )

    def draw(self, seconds: int, l1: float | None = None, l2: float | None = None) -> None:
        """A sample each second."""
        for _ in range(seconds):
            self.sample(l1, l2)
            self.plant.advance(1.0)

    @property
    def tripped(self) -> bool:
        return any(cause.type == ERROR for cause in self.plant.state.own_errors)


def test_row_59_over_current_stops_until_the_car_is_unplugged() -> None:
    metered = Metered(32.0, KernelConfig(overcurrent_noise_a=-20.0, overcurrent_s=6.0))
    metered.draw(6, l1=16.0)
    plant = metered.plant
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    assert (ERROR, "") in plant.errors
    assert ("evse_manager/Inoperative", "") in plant.errors
    assert not plant.power_allowed
    plant.tell(ev.CpChanged("B"))
    plant.advance(600.0)
    assert plant.news() == []
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished(EVDisconnected)",
        "SessionFinished",
    ]
    assert plant.errors == set()


@pytest.mark.parametrize(
    ("limit_a", "safe_a", "over_a"), [(6.0, 7.14, 7.16), (16.0, 18.14, 18.16), (32.0, 35.74, 35.76)]
)
def test_the_threshold_is_what_the_pwm_signals_with_noise_and_tolerance(
    limit_a: float, safe_a: float, over_a: float
) -> None:
    metered = Metered(limit_a)
    metered.draw(20, l1=safe_a)
    assert not metered.tripped
    metered.draw(7, l1=over_a)
    assert metered.tripped


@pytest.mark.parametrize("current_a", [20.0, -20.0])
@pytest.mark.parametrize("phase", ["L1", "L2", "L3"])
def test_each_phase_counts_also_where_it_alone_is_measured(phase: str, current_a: float) -> None:
    metered = Metered()
    for _ in range(7):
        metered.sample(**{phase.lower(): current_a})
        metered.plant.advance(1.0)
    assert metered.tripped
    message = next(cause.description for cause in metered.plant.state.own_errors)
    assert phase in message


def test_a_phase_that_becomes_safe_counts_anew() -> None:
    metered = Metered()
    metered.draw(6, l1=20.0)
    metered.draw(1, l1=16.0)
    metered.draw(6, l1=20.0)
    assert not metered.tripped
    metered.draw(1, l1=20.0)
    assert metered.tripped


def test_one_safe_phase_does_not_excuse_another() -> None:
    metered = Metered()
    metered.draw(4, l1=20.0, l2=16.0)
    metered.draw(3, l2=16.0)
    assert metered.tripped


def test_a_meter_that_falls_silent_does_not_count_as_safe() -> None:
    metered = Metered()
    metered.sample(20.0)
    metered.plant.advance(6.9)
    assert not metered.tripped
    metered.plant.advance(0.1)
    assert metered.tripped


def test_a_sample_without_currents_does_not_count_as_safe() -> None:
    metered = Metered()
    metered.sample(20.0)
    for _ in range(7):
        metered.plant.sample(0.0)
        metered.plant.advance(1.0)
    assert metered.tripped


def test_old_samples_are_not_held_against_a_lower_limit() -> None:
    """EVerest#2673: a dead meter's last value met a lowered limit."""
    metered = Metered(32.0)
    metered.sample(32.0)
    metered.samples -= 1
    metered.plant.limit(16.0)
    for _ in range(60):
        metered.sample(32.0)  # the same again, with the same time
        metered.samples -= 1
        metered.plant.advance(1.0)
    assert not metered.tripped


def test_the_car_has_time_to_follow_a_lower_limit() -> None:
    metered = Metered(32.0)
    metered.plant.limit(16.0)
    metered.draw(5, l1=32.0)
    metered.draw(30, l1=16.0)
    assert not metered.tripped


def test_a_limit_that_the_pwm_does_not_signal_yet_does_not_count() -> None:
    """EVerest#762: the PWM lags behind by up to 5 s."""
    metered = Metered(32.0)
    metered.plant.limit(30.0)
    metered.plant.advance(1.0)
    metered.plant.limit(6.0)  # signalled 4 s later
    metered.sample(30.0)
    assert metered.plant.state.overcurrent.since_s == (None, None, None)


def test_current_while_the_car_pauses_counts() -> None:
    metered = Metered()
    metered.plant.tell(ev.CpChanged("B"))
    assert metered.plant.state.charger == "ChargingPausedEV"
    metered.draw(7, l1=20.0)
    assert metered.tripped


def test_what_flows_while_charging_stops_does_not_count() -> None:
    metered = Metered()
    metered.draw(4, l1=20.0)
    metered.plant.tell(ev.Pause())
    metered.sample(20.0)
    metered.plant.tell(ev.CpChanged("B"))
    metered.plant.tell(ev.Resume())
    metered.plant.tell(ev.CpChanged("C"))
    metered.draw(6, l1=20.0)
    assert not metered.tripped
