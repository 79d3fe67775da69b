"""When the simulated board closes and opens its contactor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_simulator import board, control_pilot
from simulators.yeti_simulator import car as cars
from simulators.yeti_simulator.board import Board, Publish, PublishToCar, Step
from simulators.yeti_simulator.control_pilot import X1, F, pwm

Action = Callable[[Board], Step]


def tick(state: Board) -> Step:
    return board.tick(state, state.wire)


def run(*actions: Action, start: Board | None = None) -> tuple[Board, list[str]]:
    """The board after some actions, and the events that it published."""
    state = Board() if start is None else start
    events: list[str] = []
    for action in actions:
        state, effects = action(state)
        events += [effect.event for effect in effects if isinstance(effect, Publish)]
    return state, events


def car(cp_state: EvCpState) -> Action:
    return lambda state: board.set_car_state(state, cp_state)


def enable(value: bool) -> Action:
    return lambda state: board.enable(state, value)


def enable_car(value: bool) -> Action:
    return lambda state: board.change_car(state, cars.enable(state.car, value))


def pilot(value: control_pilot.Pilot) -> Action:
    return lambda state: board.set_pilot(state, value)


def allow(value: bool) -> Action:
    return lambda state: board.allow_power(state, value)


def short_diode(value: bool) -> Action:
    return lambda state: board.change_car(state, replace(state.car, diode_shorted=value))


CHARGING: tuple[Action, ...] = (
    enable_car(True),
    enable(True),
    tick,
    car("B"),
    tick,
    pilot(pwm(53.3)),
    car("C"),
    tick,
    allow(True),
    tick,
)


@pytest.fixture
def charging() -> Board:
    state, events = run(*CHARGING)
    assert events == ["A", "B", "C", "PowerOn"]
    assert state.relay_on
    return state


@pytest.mark.parametrize(
    ("action", "events"),
    [
        (allow(False), ["PowerOff"]),
        (enable(False), ["PowerOff"]),
        (pilot(F), ["PowerOff"]),
        (board.make_safe, ["PowerOff"]),
    ],
)
def test_power_is_off_in_the_step_of_the_command(charging: Board, action: Action, events: list[str]) -> None:
    state, published = run(action, start=charging)
    assert published == events
    assert not state.relay_on


@pytest.mark.parametrize("cp_state", ["A", "B", "D", "E"])
def test_power_is_off_at_the_tick_that_sees_the_car_leave_c(charging: Board, cp_state: EvCpState) -> None:
    state, published = run(car(cp_state), tick, start=charging)
    assert published == [cp_state, "PowerOff"]
    assert not state.relay_on


def test_without_pwm_the_contactor_waits_for_the_car(charging: Board) -> None:
    state, published = run(pilot(X1), tick, start=charging)
    assert published == []
    assert state.relay_on
    assert state.current_a == 0
    state, published = run(car("B"), tick, start=state)
    assert published == ["B", "PowerOff"]


def test_the_contactor_does_not_close_without_pwm() -> None:
    state, events = run(enable_car(True), enable(True), tick, car("C"), tick, allow(True), tick)
    assert events == ["A", "C"]
    assert not state.relay_on


def test_a_board_that_has_just_started_is_off() -> None:
    state, events = run(enable_car(True), tick, pilot(pwm(53.3)), allow(True), car("C"), tick, tick)
    assert not state.relay_on
    assert "PowerOn" not in events
    assert state.pilot == X1


def test_a_disabled_board_remembers_pwm_and_tells_its_state_when_enabled() -> None:
    state, _ = run(enable_car(True), enable(True), tick, car("B"), tick, enable(False), pilot(pwm(20)))
    assert state.pilot == X1
    state, events = run(enable(True), tick, start=state)
    assert state.pilot == pwm(20)
    assert events == ["B"]


def test_enabling_again_tells_the_state_once_more(charging: Board) -> None:
    _, events = run(enable(True), tick, tick, start=charging)
    assert events == ["C"]


def test_a_ventilation_request_is_never_granted() -> None:
    state, events = run(
        enable_car(True),
        enable(True),
        tick,
        pilot(pwm(53.3)),
        allow(True),
        car("D"),
        tick,
        pilot(pwm(53.3)),
        tick,
    )
    assert events == ["A", "D"]
    assert not state.relay_on


def test_state_a_ends_pwm_and_the_residual_current(charging: Board) -> None:
    faulty = board.change_car(charging, replace(charging.car, residual_ma=10.0))[0]
    assert faulty.car.trips_rcd
    state, _ = run(car("A"), tick, start=faulty)
    assert state.wanted == X1
    assert not state.car.trips_rcd


def test_state_e_ends_pwm(charging: Board) -> None:
    state, _ = run(car("E"), tick, start=charging)
    assert state.wanted == X1
    assert state.reading.state == "E"


def test_a_short_to_0_v_is_seen_without_pwm_too() -> None:
    _, events = run(enable_car(True), enable(True), tick, car("B"), tick, car("E"), tick)
    assert events == ["A", "B", "E"]


def test_plugging_in_under_f_is_seen_when_f_is_withdrawn() -> None:
    state, events = run(enable_car(True), enable(True), tick, pilot(F), tick)
    assert events == ["A", "F"]
    state, told = board.set_car_state(state, "B")
    assert told == ()
    state, effects = tick(state)
    assert effects == ()
    state, _ = board.set_pilot(state, X1)
    _, effects = tick(state)
    assert effects == (Publish("B"), PublishToCar("B"))


def test_without_its_simulation_there_is_no_car(charging: Board) -> None:
    state, events = run(enable_car(False), tick, start=charging)
    assert events == ["A", "PowerOff"]
    assert state.car == cars.Car()


def test_a_shorted_diode_draws_nothing(charging: Board) -> None:
    assert charging.current_a == pytest.approx(31.98)
    state, _ = run(short_diode(True), tick, start=charging)
    assert state.reading.diode_shorted
    assert state.current_a == 0


def test_phases_are_the_smaller_of_car_and_board(charging: Board) -> None:
    assert charging.phases == 3
    assert board.switch_phases(charging, False)[0].phases == 1
    assert board.change_car(charging, replace(charging.car, three_phases=False))[0].phases == 1


STATES: list[EvCpState] = ["A", "B", "C", "D", "E"]

actions = st.one_of(
    st.just(tick),
    st.sampled_from(STATES).map(car),
    st.booleans().map(enable),
    st.booleans().map(enable_car),
    st.booleans().map(allow),
    st.booleans().map(short_diode),
    st.one_of(st.just(X1), st.just(F), st.floats(allow_nan=True).map(pwm), st.just(pwm(53.3))).map(pilot),
    st.just(board.make_safe),
)


@given(st.booleans(), st.lists(actions, max_size=40))
def test_power_is_on_only_with_every_reason(from_charging: bool, sequence: list[Action]) -> None:
    """On needs leave, an enabled board and state C; it is switched on only with PWM; each change is told."""
    state = run(*CHARGING)[0] if from_charging else Board()
    for action in sequence:
        before = state
        state, effects = action(state)
        if state.relay_on:
            assert state.enabled
            assert state.power_allowed
            assert state.reading.state == "C"
            assert state.pilot.mode != "F"
            assert before.relay_on or state.pilot.running
        switched = [e.event for e in effects if isinstance(e, Publish) and e.event.startswith("Power")]
        assert switched == (
            [] if before.relay_on == state.relay_on else ["PowerOn" if state.relay_on else "PowerOff"]
        )
        if action is tick and state.relay_on:
            assert state.car.on_wire == "C" or state.car.diode_shorted
        if state.current_a:
            assert state.relay_on
            assert state.car.on_wire == "C"
