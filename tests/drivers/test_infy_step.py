"""What holds for the power modules whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.infy_power.codec import (
    Alarm,
    Capabilities,
    External,
    ModuleCount,
    Output,
    Reading,
    SetPoint,
    Status,
    Switch,
    decode_request,
    response,
)
from drivers.infy_power.state import (
    MIN_EXPORT_A,
    ROUND_S,
    SILENCE_S,
    Due,
    Effect,
    Event,
    LinkLost,
    LinkUp,
    OffDone,
    Raise,
    Received,
    Send,
    SetMode,
    Settings,
    SetVoltageCurrent,
    State,
)
from drivers.infy_power.step import deadline_s, step
from drivers.link.can_wire import CanFrame

READINGS: st.SearchStrategy[Reading] = st.one_of(
    st.builds(
        Status, st.integers(-40, 100), st.sampled_from([Alarm(0), Alarm.DC_OFF, Alarm.FAULT | Alarm.DC_OFF])
    ),
    st.builds(Output, st.floats(0, 1000, width=32), st.floats(0, 100, width=32)),
    st.builds(External, st.floats(0, 1000), st.floats(0, 100)),
    st.just(Capabilities(500.0, 200.0, 50.0, 10_000.0)),
    st.builds(ModuleCount, st.integers(0, 3)),
)


def answers(reading: Reading, module: int) -> Received:
    return Received(response(reading, module=module, controller=0xF0))


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(answers, READINGS, st.integers(0, 3)),
    st.builds(answers, READINGS, st.integers(0, 3)),
    st.builds(SetMode, st.booleans()),
    st.builds(SetVoltageCurrent, st.sampled_from([0.0, 100.0, 250.0, 400.0, 600.0]), st.floats(0, 150)),
    st.sampled_from([Due(), LinkUp(), LinkLost("cut")]),
    st.builds(Received, st.builds(CanFrame, st.integers(0, 2**29 - 1), st.binary(max_size=8), st.just(True))),
)
SETTINGS = st.sampled_from([Settings(addresses=(0,)), Settings(addresses=(0, 1, 2)), Settings(group=1)])


@dataclass
class Watcher:
    """Sees what is sent, and knows independently what may be."""

    settings: Settings
    wished_on: bool = False
    link_up: bool = False
    status_s: float = float("-inf")
    point: tuple[float, float] | None = None
    told: dict[int, SetPoint] | None = None

    def before(self, event: Event, now_s: float, state: State) -> None:
        match event:
            case LinkUp():
                self.link_up = True
            case LinkLost():
                self.link_up = self.wished_on = False
            case SetMode(on):
                self.wished_on = on
            case SetVoltageCurrent(voltage_v, current_a):
                self.point = (voltage_v, current_a)

    def after(self, effects: tuple[Effect, ...], state: State, now_s: float) -> None:
        for effect in effects:
            if not isinstance(effect, Send):
                continue
            _, what = decode_request(effect.frame)
            if what == Switch(on=True):
                assert self.link_up
                assert self.wished_on
                assert self.point is not None
                assert 200.0 <= self.point[0] <= 500.0
                assert any(
                    now_s - module.status_s <= SILENCE_S + 2 * ROUND_S for module in state.modules.values()
                )
            if isinstance(what, SetPoint):
                assert self.point is not None
                assert what.voltage_V == self.point[0]
                most_a = max(self.point[1], MIN_EXPORT_A) / len(state.modules)
                assert what.current_A <= most_a + 0.001
        if any(isinstance(each, Raise) and each.type.endswith("CommunicationFault") for each in effects):
            self.wished_on = False


@settings(max_examples=300, deadline=None)
@given(SETTINGS, st.lists(st.tuples(st.floats(0, 4), EVENTS), max_size=60))
def test_on_is_sent_only_where_everything_allows_it(
    given_settings: Settings, events: list[tuple[float, Event]]
) -> None:
    state, now_s = State(given_settings), 0.0
    watcher = Watcher(given_settings)
    asked = 0
    for pause_s, event in events:
        until_s = now_s + pause_s
        while deadline_s(state) <= until_s:
            now_s = max(now_s, deadline_s(state))
            was_on = state.is_on
            state, effects = step(state, Due(), now_s)
            watcher.after(effects, state, now_s)
            asked = asked + 1 if deadline_s(state) <= now_s else 0
            assert asked < 3, "it would be asked for ever"
            assert not state.is_on or was_on, "time alone switches nothing on"
        now_s = until_s
        watcher.before(event, now_s, state)
        state, effects = step(state, event, now_s)
        watcher.after(effects, state, now_s)
        assert deadline_s(state) <= now_s + ROUND_S
        if event == SetMode(on=False):
            assert not state.is_on
        if isinstance(event, LinkLost):
            assert not state.is_on
            assert "power_supply_DC/CommunicationFault" in state.errors


@settings(max_examples=100, deadline=None)
@given(SETTINGS, st.lists(EVENTS, max_size=40))
def test_off_is_answered_within_two_seconds_whatever_the_modules_say(
    given_settings: Settings, events: list[Event]
) -> None:
    state = State(given_settings)
    for event in events:
        state, _ = step(state, event, 1.0)
    state, effects = step(state, SetMode(on=False), 1.0)
    now_s = 1.0
    while not any(isinstance(each, OffDone) for each in effects):
        now_s = deadline_s(state)
        assert now_s <= 3.2
        state, effects = step(state, Due(), now_s)
