"""A billing meter that falls silent, repeats itself or stands still (EVerest issues 2673 and 1673)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy, Power
from tests.modules.evse_manager.faulty_station import FaultyStation
from tests.modules.evse_manager.plant import Plant

SILENT = ("evse_manager/Internal", "Powermeter")
FROZEN = ("evse_manager/Internal", "PowermeterFrozen")
NAME = "evse_manager/Internal/Powermeter"


class Metered(Plant):
    """A charging EVSE whose meter says what a test says."""

    def __init__(self) -> None:
        super().__init__(KernelConfig(watch_meter=True))
        self.number = 0
        self.charge()
        self.counter_wh = 5000.0

    def reads(self, delta_wh: float, *, new: bool = True, power_w: float | None = 11_000.0) -> None:
        self.counter_wh += delta_wh
        self.number += new
        value = Powermeter(
            timestamp=f"2026-03-04T10:15:00.{self.number:06d}Z",
            energy_Wh_import=Energy(total=self.counter_wh),
            power_W=None if power_w is None else Power(total=power_w),
        )
        self.tell(ev.MeterSample(value))

    def samples(self, count: int, period_s: float = 1.0, delta_wh: float = 3.0, **how: object) -> None:
        for _ in range(count):
            self.advance(period_s)
            self.reads(delta_wh, **how)  # type: ignore[arg-type]  # by name


def test_a_meter_that_falls_silent_stops_charging_after_4_s_and_charging_resumes_with_it() -> None:
    plant = Metered()
    plant.samples(5)
    plant.advance(3.9)
    assert plant.power_allowed
    plant.advance(0.2)
    assert SILENT in plant.errors
    assert not plant.power_allowed
    assert plant.names[-1] == "ChargingPausedEVSE(Error)"
    plant.reads(0.0)
    assert not plant.errors
    assert plant.power_allowed


def test_a_slow_meter_has_two_of_its_cycles() -> None:
    plant = Metered()
    plant.samples(4, period_s=10.0, delta_wh=30.0)
    plant.advance(19.9)
    assert not plant.errors
    plant.advance(0.2)
    assert SILENT in plant.errors


def test_samples_that_come_in_a_burst_do_not_make_a_meter_quick() -> None:
    plant = Metered()
    plant.samples(3, period_s=10.0)
    plant.samples(2, period_s=0.01)
    plant.advance(15.0)
    assert not plant.errors


def test_a_very_quick_meter_has_as_long() -> None:
    plant = Metered()
    plant.samples(10, period_s=0.1)
    plant.advance(3.9)
    assert not plant.errors
    plant.advance(0.2)
    assert SILENT in plant.errors


def test_before_the_second_sample_a_meter_has_two_minutes() -> None:
    plant = Metered()
    plant.reads(0.0)
    plant.advance(119.0)
    assert not plant.errors
    plant.advance(2.0)
    assert SILENT in plant.errors


def test_a_value_that_a_driver_sends_again_is_no_new_one() -> None:
    plant = Metered()
    plant.samples(5)
    plant.samples(5, new=False, delta_wh=0.0)
    assert SILENT in plant.errors
    plant.samples(3, new=False, delta_wh=0.0)
    assert SILENT in plant.errors, "nor does it clear the error"


def test_a_meter_that_stands_still_while_power_flows_stops_charging_until_the_car_has_left() -> None:
    """New time stamps on old values: by the power it shows itself, 250 Wh have flowed."""
    plant = Metered()
    plant.samples(3)
    plant.samples(80, delta_wh=0.0)
    assert plant.power_allowed, "meters count in steps of 100 Wh"
    plant.samples(5, delta_wh=0.0)
    assert FROZEN in plant.errors
    assert not plant.power_allowed
    plant.tell(ev.CpChanged("A"))
    assert not plant.errors


def test_a_slow_meter_stands_still_only_after_two_cycles() -> None:
    plant = Metered()
    plant.samples(3, period_s=100.0, power_w=22_000.0)
    plant.samples(1, period_s=100.0, power_w=22_000.0, delta_wh=0.0)
    assert not plant.errors
    plant.samples(1, period_s=100.0, power_w=22_000.0, delta_wh=0.0)
    assert FROZEN in plant.errors


def test_a_meter_without_a_load_may_stand_still() -> None:
    plant = Metered()
    plant.samples(2000, delta_wh=0.0, power_w=0.0)
    plant.samples(2000, delta_wh=0.0, power_w=None)
    plant.tell(ev.CpChanged("B"))
    plant.samples(200, delta_wh=0.0)
    assert not plant.errors


def test_a_meter_that_runs_backwards_is_as_good_as_silent() -> None:
    plant = Metered()
    plant.samples(5)
    plant.reads(-4000.0)
    plant.samples(4)
    assert SILENT in plant.errors
    plant.tell(ev.CpChanged("A"))
    plant.samples(1)
    assert not plant.errors, "it is believed again in the next session"


def test_a_station_whose_meter_falls_silent_is_inoperative_until_it_speaks() -> None:
    station = FaultyStation()
    station.charge()
    station.meter_period_s = None
    station.run(5)
    assert station.raised == [NAME, "evse_manager/Inoperative"]
    assert not station.contactor_closed
    station.meter_period_s = 1.0
    station.run(2)
    assert station.raised == []
    assert station.contactor_closed


def test_a_meter_that_never_spoke_prevents_charging_until_it_does() -> None:
    """What would be billed is the difference to a value that nobody knows."""
    station = FaultyStation(meter_period_s=None)
    station.run(3)
    assert "Enabled" not in station.names, "it has 5 s to begin"
    station.run(2)
    assert station.raised == [NAME, "evse_manager/Inoperative"]
    station.meter_period_s = 1.0
    station.run(2)
    assert station.raised == []
    station.charge()


def test_meters_may_fail_where_the_operator_says_so() -> None:
    station = FaultyStation(meter_period_s=None, fail_on_powermeter_errors=False)
    station.run(6)
    station.charge()
    station.run(30)
    assert station.raised == []
    assert station.contactor_closed


def test_a_meter_that_spoke_in_time_after_all_is_not_missing() -> None:
    plant = Metered()
    plant.reads(0.0)
    plant.tell(ev.MeterMissing())
    assert not plant.errors


def stood_still() -> Metered:
    plant = Metered()
    plant.samples(5)
    plant.now_s += 5.0
    plant.tell(ev.Tick())
    return plant


def test_a_process_that_stood_still_does_not_take_the_meter_for_silent() -> None:
    """What the meter has sent meanwhile comes after the look at the clock."""
    plant = stood_still()
    plant.reads(15.0)
    plant.samples(2)
    assert plant.state.charger == "Charging"


def test_nor_does_it_wait_for_more_than_a_second() -> None:
    plant = stood_still()
    plant.advance(1.01)
    assert plant.state.charger == "ChargingPausedEVSE"
