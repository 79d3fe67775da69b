"""What the simulated car tells the board, tick by tick."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.ev_manager import commands, simulation
from simulators.ev_manager.simulation import (
    TICK_S,
    AllowPower,
    Battery,
    Car,
    CarState,
    Effect,
    Finished,
    SetCpState,
    SetCurrent,
    SetDiode,
    SetResidualCurrent,
    TellCarInfo,
)

Run = tuple[Car, list[tuple[int, Effect]]]


def car(text: str) -> Car:
    fresh = Car(battery=Battery(capacity_wh=60_000))
    return simulation.execute(fresh, commands.parse(text).statements, 30)


def ticks(car: Car, count: int, duty_percent: Callable[[int], float] = lambda _: 100.0) -> Run:
    """The car after some ticks, and what it told the board at which."""
    told: list[tuple[int, Effect]] = []
    for number in range(1, count + 1):
        car, effects = simulation.tick(simulation.measured(car, duty_percent(number)), TICK_S)
        told += [(number, effect) for effect in effects]
    return car, told


def without_info(told: list[tuple[int, Effect]]) -> list[tuple[int, Effect]]:
    return [(number, effect) for number, effect in told if effect != TellCarInfo()]


def test_a_whole_session_in_the_order_and_at_the_ticks_of_everests_recording() -> None:
    script = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"
    _, told = ticks(car(script), 200, lambda number: 53.3 if number >= 9 else 100.0)
    assert without_info(told) == [
        (1, SetCpState("A")),
        (1, AllowPower(False)),
        (5, SetCpState("B")),
        (5, AllowPower(False)),
        (13, SetCurrent(16, three_phases=True)),
        (13, SetCpState("C")),
        (13, AllowPower(True)),
        (93, SetCpState("A")),
        (93, AllowPower(False)),
        (93, Finished()),
    ]
    assert [number for number, effect in told if effect == TellCarInfo()] == [5, *range(14, 93)]


@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (0.24, 1), (0.25, 2), (1, 5), (20, 81)])
def test_a_sleep_ends_at_the_first_tick_after_its_time(seconds: float, count: int) -> None:
    _, told = ticks(car(f"sleep {seconds};pause;sleep 100"), 200)
    assert (count, SetCpState("B")) in told


@pytest.mark.parametrize(
    ("command", "duty_percent", "ready"),
    [
        ("iec_wait_pwr_ready", 53.3, True),
        ("iec_wait_pwr_ready", 7.0, False),
        ("iec_wait_pwr_ready", 5.0, False),
        ("iec_wait_pwr_ready", 97.0, False),
        ("iec_wait_pwr_ready", float("nan"), False),
        ("iso_wait_pwm_is_running", 5.0, True),
        ("iso_wait_pwm_is_running", 4.0, False),
    ],
)
def test_waiting_for_power_is_plugged_in_and_watches_the_duty_cycle(
    command: str, duty_percent: float, ready: bool
) -> None:
    after, told = ticks(car(f"{command};sleep 1"), 3, lambda _: duty_percent)
    assert (1, SetCpState("B")) in told
    assert (after.script[0] == commands.Sleep(1)) is ready


def test_a_regulated_car_follows_the_offer() -> None:
    offer = {2: 53.3, 4: 30.0, 6: 100.0, 8: 5.0, 10: 53.3}
    duty = 100.0

    def by_tick(number: int) -> float:
        nonlocal duty
        duty = offer.get(number, duty)
        return duty

    _, told = ticks(car("draw_power_regulated 16,3;sleep 100"), 11, by_tick)
    assert without_info(told)[1:] == [
        (1, SetCpState("B")),
        (1, AllowPower(False)),
        (2, SetCpState("C")),
        (2, AllowPower(True)),
        (6, SetCpState("B")),
        (6, AllowPower(False)),
        (10, SetCpState("C")),
        (10, AllowPower(True)),
    ]


def test_a_fixed_car_charges_whatever_is_offered() -> None:
    _, told = ticks(car("draw_power_fixed 10,1;sleep 100"), 5)
    assert without_info(told) == [
        (1, SetCurrent(10, three_phases=False)),
        (1, SetCpState("C")),
        (1, AllowPower(True)),
    ]


def test_the_battery_fills_only_while_the_car_charges() -> None:
    script = car("draw_power_regulated 16,3;sleep 100")
    charging, _ = ticks(script, 41, lambda _: 53.3)
    assert charging.battery.soc_percent == pytest.approx(30 + 100 * 16 * 230 * 3 * 10 / 3600 / 60_000)
    waiting, _ = ticks(charging, 40)
    assert waiting.battery.soc_percent == pytest.approx(charging.battery.soc_percent, abs=0.01)


def test_a_full_battery_stays_full() -> None:
    full = Battery(capacity_wh=100, soc_percent=99)
    assert full.charged(16, 3, 3600).soc_percent == 100
    assert full.charged(-16, 3, 36_000).soc_percent == 0


def test_faults_are_told_once_and_end_with_unplugging() -> None:
    script = "rcd_current 10.3;error_e;sleep 0.25;diode_fail;sleep 0.25;unplug;sleep 9"
    _, told = ticks(car(script), 9)
    assert told == [
        (1, SetResidualCurrent(10.3)),
        (1, SetCpState("E")),
        (1, AllowPower(False)),
        (2, SetDiode(True)),
        (2, AllowPower(False)),
        (3, SetCpState("A")),
        (3, AllowPower(False)),
        (3, SetDiode(False)),
    ]


def test_plugin_does_what_the_option_says() -> None:
    waiting = simulation.with_plugin(car("plugin;sleep 1;unplug"), commands.parse("pause;sleep 1").statements)
    _, told = ticks(waiting, 20)
    assert without_info(told) == [
        (1, SetCpState("B")),
        (1, AllowPower(False)),
        (9, SetCpState("A")),
        (9, AllowPower(False)),
        (9, Finished()),
    ]


def test_a_real_plugin_is_waited_for() -> None:
    waiting, told = ticks(car("wait_for_real_plugin;pause;sleep 9"), 10)
    assert (10, SetCpState("B")) not in told
    seen = simulation.on_event(simulation.on_event(waiting, "B"), "A")
    _, told = ticks(seen, 1)
    assert (1, SetCpState("B")) in told


def test_a_modified_session_goes_on_as_the_car_stands() -> None:
    charging, _ = ticks(car("draw_power_regulated 16,3;sleep 100"), 3, lambda _: 53.3)
    paused, told = ticks(simulation.modify(charging, commands.parse("pause;sleep 9").statements), 2)
    assert without_info(told) == [(1, SetCpState("B")), (1, AllowPower(False))]
    assert paused.battery.soc_percent > 30


def test_set_soc() -> None:
    after, _ = ticks(car("set_soc 80;sleep 1"), 1)
    assert after.battery.soc_percent == 80


def test_a_disconnected_car_has_nothing_left_to_do() -> None:
    charging, _ = ticks(car("draw_power_fixed 16,3;sleep 100"), 3)
    gone, told = ticks(simulation.on_event(charging, "Disconnected"), 3)
    assert told == []
    assert gone.state == CarState.UNPLUGGED
    assert not gone.running


def test_the_end_of_a_script_unplugs() -> None:
    _, told = ticks(car("pause"), 3)
    assert told == [(1, SetCpState("A")), (1, AllowPower(False)), (1, Finished())]


simple = st.sampled_from(
    [
        "sleep 0",
        "sleep 1",
        "pause",
        "unplug",
        "error_e",
        "diode_fail",
        "draw_power_fixed 16,3",
        "draw_power_regulated 6,1",
    ]
)


@given(st.lists(simple, max_size=10), st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_power_is_wanted_in_state_c_only_and_always_while_charging(
    script: list[str], duties: list[float]
) -> None:
    simulated = car(";".join(script))
    shown, allowed = None, False
    for duty_percent in duties:
        simulated, effects = simulation.tick(simulation.measured(simulated, duty_percent), TICK_S)
        for effect in effects:
            if isinstance(effect, SetCpState):
                shown = effect.state
            if isinstance(effect, AllowPower):
                allowed = effect.value
        assert shown == "C" or not allowed
        if simulated.state == CarState.CHARGING_FIXED:
            assert allowed
