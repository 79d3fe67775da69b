"""What holds for any order of tokens, answers and session events."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.modules.auth.effects import Announce, Authorize, Effect, Stop, Validate
from evse_daemon.modules.auth.events import (
    Answered,
    Event,
    EvseEvent,
    EvseLost,
    FaultChanged,
    TimePassed,
    TokenProvided,
    Validated,
    WithdrawRequested,
)
from evse_daemon.modules.auth.handler import next_deadline_s, step
from evse_daemon.modules.auth.state import Evse, Settings, State
from tests.modules.auth.station import answer, card, id_token

EVSES = 2
UTC_S = 1.8e9
SESSION_EVENTS = (
    "SessionStarted",
    "TransactionStarted",
    "TransactionFinished",
    "SessionFinished",
    "Enabled",
    "Disabled",
    "Deauthorized",
)
ENDS = ("Rejected", "UsedToStart", "UsedToStop", "UsedToReauthorize", "TimedOut", "Withdrawn")

evse_numbers = st.integers(0, EVSES - 1)
results = st.sampled_from([None, answer(), answer("Blocked"), answer(parent_id_token=id_token("FAMILY"))])
happenings = st.one_of(
    st.builds(TokenProvided, st.sampled_from([card("A"), card("B"), card("C", connectors=[2])])),
    st.builds(Validated, st.integers(1, 8), st.integers(0, 1), results),
    st.builds(Answered, st.integers(1, 8), evse_numbers, st.booleans()),
    st.builds(EvseEvent, evse_numbers, st.sampled_from(SESSION_EVENTS), st.booleans()),
    st.builds(FaultChanged, evse_numbers, st.booleans()),
    st.builds(EvseLost, evse_numbers),
    st.builds(WithdrawRequested, st.sampled_from([None, 1, 2]), st.sampled_from([None, id_token("A")])),
    st.floats(0.1, 20),  # time passes
)
settings = st.builds(
    Settings,
    connection_timeout_s=st.just(10.0),
    selection=st.sampled_from(["FindFirst", "PlugEvents", "PlugEventsLIFO"]),
    master_pass_group_id=st.sampled_from(["", "FAMILY"]),
    prioritize_authorization=st.booleans(),
    stop_on_reswipe=st.booleans(),
    plug_in_timeout_enabled=st.booleans(),
    validators=st.integers(1, 2),
)


class Run:
    def __init__(self, options: Settings) -> None:
        self.state = State(options, tuple(Evse(index + 1) for index in range(EVSES)))
        self.now_s = 0.0
        self.effects: list[Effect] = []

    def event(self, event: Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.now_s, UTC_S + self.now_s)
        self.effects += effects

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while (deadline_s := next_deadline_s(self.state)) is not None and deadline_s <= end_s:
            self.now_s = deadline_s
            self.event(TimePassed())
            following = next_deadline_s(self.state)
            assert following is None or following > deadline_s, "a deadline that was served is still there"
        self.now_s = end_s


@given(settings, st.lists(happenings, max_size=40))
def test_every_token_has_one_outcome_and_nothing_waits_for_ever(
    options: Settings, sequence: list[Event | float]
) -> None:
    run = Run(options)
    for happening in sequence:
        if isinstance(happening, float):
            run.advance(happening)
        else:
            run.event(happening)
    run.advance(1000)
    assert not run.state.processes
    assert next_deadline_s(run.state) is None
    said: Counter[str] = Counter(effect.status for effect in run.effects if isinstance(effect, Announce))
    taken_back = sum(said[status] for status in ("TimedOut", "Withdrawn"))
    ended = sum(said[status] for status in ENDS)
    assert said["Processing"] <= ended <= said["Processing"] + taken_back
    asked = Counter(
        (effect.process, effect.validator) for effect in run.effects if isinstance(effect, Validate)
    )
    assert not asked or max(asked.values()) == 1
    for effect in run.effects:
        if isinstance(effect, Authorize | Stop):
            assert 0 <= effect.evse < EVSES


@given(settings, st.lists(happenings, max_size=40))
def test_an_evse_is_given_to_one_token_at_a_time(options: Settings, sequence: list[Event | float]) -> None:
    run = Run(options)
    for happening in sequence:
        before = run.state
        known = len(run.effects)
        if isinstance(happening, float):
            run.advance(happening)
            continue
        run.event(happening)
        for effect in run.effects[known:]:
            if isinstance(effect, Authorize) and effect.result.authorization_status == "Accepted":
                assert before.evses[effect.evse].identifier is None
                assert not before.evses[effect.evse].occupied
