"""What holds for any order of plugs, tokens, answers, reservations and session events, also for impossible ones."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.framework.clock import timestamp
from evse_daemon.modules.auth.effects import (
    Announce,
    Answer,
    Authorize,
    Effect,
    Mark,
    Stop,
    Store,
    Unmark,
    Update,
    Validate,
)
from evse_daemon.modules.auth.events import (
    Answered,
    CancelRequested,
    Event,
    EvseEvent,
    EvseKnown,
    EvseLost,
    FaultChanged,
    MarkAnswered,
    ReserveRequested,
    Stored,
    TimePassed,
    TokenProvided,
    Validated,
    WithdrawRequested,
)
from evse_daemon.modules.auth.handler import next_deadline_s, step
from evse_daemon.modules.auth.reservation_table import ANY, can_all_come, is_for
from evse_daemon.modules.auth.state import Evse, Settings, State
from evse_daemon.types.evse_manager import Connector, ConnectorTypeEnum
from evse_daemon.types.reservation import Reservation
from tests.modules.auth.station import answer, card, id_token

EVSES = 3
UTC_S = 1_800_000_000.0
SESSION_EVENTS = (
    "SessionStarted",
    "TransactionStarted",
    "TransactionFinished",
    "SessionFinished",
    "Enabled",
    "Disabled",
    "Deauthorized",
    "ReservationStart",
    "ReservationEnd",
)
ENDS = ("Rejected", "UsedToStart", "UsedToStop", "UsedToReauthorize", "TimedOut", "Withdrawn")
GROUP = id_token("FAMILY")


class Reserve:
    """A reservation is asked for, that lasts some seconds."""

    def __init__(
        self, reservation_id: int, token: str, evse_id: int | None, kind: str | None, ends_s: float
    ) -> None:
        self.fields = {
            "reservation_id": reservation_id,
            "id_token": token,
            "evse_id": evse_id,
            "connector_type": kind,
            "parent_id_token": "FAMILY" if reservation_id % 2 else None,
        }
        self.ends_s = ends_s

    def at(self, utc_s: float) -> Reservation:
        until = dt.datetime.fromtimestamp(utc_s + self.ends_s, dt.UTC)
        return Reservation.model_validate({**self.fields, "expiry_time": timestamp(until)})

    def __repr__(self) -> str:
        return f"Reserve({self.fields}, {self.ends_s})"


class Cancel:
    def __init__(self, reservation_id: int) -> None:
        self.reservation_id = reservation_id

    def __repr__(self) -> str:
        return f"Cancel({self.reservation_id})"


Happening = Event | Reserve | Cancel | float

evses = st.integers(0, EVSES - 1)
results = st.sampled_from(
    [None, answer(), answer("Blocked"), answer(parent_id_token=GROUP), answer(evse_ids=[2])]
)
tokens = st.sampled_from(
    [card("A"), card("B"), card("B", prevalidated=True), card("C", connectors=[2]), card("FAMILY")]
)
happenings = st.one_of(
    st.builds(TokenProvided, tokens),
    st.builds(Validated, st.integers(1, 8), st.integers(0, 1), results),
    st.builds(Answered, st.integers(1, 8), evses, st.booleans()),
    st.builds(
        EvseEvent, evses, st.sampled_from(SESSION_EVENTS), st.booleans(), st.sampled_from([None, 1, 2])
    ),
    st.builds(FaultChanged, evses, st.booleans()),
    st.builds(EvseLost, evses),
    st.builds(WithdrawRequested, st.sampled_from([None, 1, 2]), st.sampled_from([None, id_token("A")])),
    st.builds(
        Reserve,
        st.integers(1, 4),
        st.sampled_from(["A", "b", "X"]),
        st.sampled_from([None, None, 1, 2, 9]),
        st.sampled_from([None, "cType2", "cCCS2"]),
        st.sampled_from([-1.0, 5.0, 100.0]),
    ),
    st.builds(Cancel, st.integers(1, 4)),
    st.builds(MarkAnswered, evses, st.integers(-1, 4), st.booleans()),
    st.builds(Stored, st.integers(1, 8), st.booleans()),
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
    keeps_reservations=st.booleans(),
)
courses = st.lists(happenings, max_size=40)


class Run:
    """A course of events; every step is checked."""

    def __init__(self, options: Settings) -> None:
        kinds: tuple[tuple[ConnectorTypeEnum | None, ...], ...] = (
            (None,),
            ("cType2",),
            ("cType2", "cCCS2"),
        )
        self.state = State(options, tuple(Evse() for _ in kinds))
        self.now_s = 0.0
        self.effects: list[Effect] = []
        self.tickets = 0
        for index, types in enumerate(kinds):
            connectors = tuple(Connector(id=place + 1, type=kind) for place, kind in enumerate(types))
            self.event(EvseKnown(index, index + 1, connectors))

    def happens(self, happening: Happening) -> None:
        match happening:
            case float():
                self.advance(happening)
            case Reserve():
                self.tickets += 1
                self.event(ReserveRequested(happening.at(UTC_S + self.now_s), self.tickets))
            case Cancel():
                self.tickets += 1
                self.event(CancelRequested(happening.reservation_id, self.tickets))
            case _:
                self.event(happening)

    def event(self, event: Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.now_s, UTC_S + self.now_s)
        self.effects += effects
        check_step(before, self.state, effects)

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while (deadline_s := next_deadline_s(self.state)) is not None and deadline_s <= end_s:
            self.now_s = deadline_s
            self.event(TimePassed())
            following = next_deadline_s(self.state)
            assert following is None or following > deadline_s, "a deadline that was served is still there"
        self.now_s = end_s


def check_step(before: State, after: State, effects: Sequence[Effect]) -> None:
    values = [process.token.id_token.value.casefold() for process in after.processes.values()]
    assert len(values) == len(set(values)), "a token is in process twice"
    ids = [held.reservation_id for held in after.reservations]
    assert len(ids) == len(set(ids))
    places = [held.evse_id for held in after.reservations if held.evse_id is not None]
    assert len(places) == len(set(places)), "an EVSE is reserved twice"
    given = [effect for effect in effects if isinstance(effect, Authorize) and effect.process is not None]
    for effect in given:
        check_grant(before, after, effect)
    assert len({effect.evse for effect in given}) == len(given), "an EVSE is given to two tokens in one step"
    assert len({effect.process for effect in given}) == len(given), "a token is given two EVSEs"


def check_grant(before: State, after: State, effect: Authorize) -> None:
    evse = before.evses[effect.evse]
    assert effect.result.authorization_status == "Accepted"
    assert evse.identifier is None, "the EVSE was given to another already"
    assert not evse.occupied
    parent = effect.result.parent_id_token
    for held in before.reservations:
        if held.evse_id == evse.evse_id:
            mine = is_for(held, effect.token.id_token.value, parent.value if parent else None)
            assert mine, "the EVSE is reserved for another"
            assert effect.result.reservation_id == held.reservation_id
            assert held not in after.reservations, "a reservation was not used up"
    if kept(before):
        assert kept(after), "an EVSE was given away that was reserved for anybody"


def kept(state: State) -> bool:
    """Those who have reserved any EVSE will find one, in whichever order they come."""
    taken = {held.evse_id for held in state.reservations}
    free = [
        frozenset(connector.type or ANY for connector in evse.offers())
        for evse in state.evses
        if evse.vacant and evse.evse_id not in taken
    ]
    return can_all_come([held.kind for held in state.reservations if held.evse_id is None], free)


@given(settings, courses)
def test_every_token_has_one_outcome_and_nothing_waits_for_ever(
    options: Settings, course: list[Happening]
) -> None:
    run = Run(options)
    for happening in course:
        run.happens(happening)
    run.advance(1000)
    assert not run.state.processes
    said: Counter[str] = Counter(effect.status for effect in run.effects if isinstance(effect, Announce))
    taken_back = sum(said[status] for status in ("TimedOut", "Withdrawn"))
    ended = sum(said[status] for status in ENDS)
    assert said["Processing"] <= ended <= said["Processing"] + min(taken_back, said["UsedToStart"])
    asked = Counter(
        (effect.process, effect.validator) for effect in run.effects if isinstance(effect, Validate)
    )
    assert not asked or max(asked.values()) == 1
    granted = Counter(
        effect.process for effect in run.effects if isinstance(effect, Authorize) and effect.process
    )
    assert not granted or max(granted.values()) == 1
    for effect in run.effects:
        if isinstance(effect, Authorize | Stop):
            assert 0 <= effect.evse < EVSES


@given(settings, courses)
def test_every_reservation_is_answered_once_and_ends(options: Settings, course: list[Happening]) -> None:
    run = Run(options)
    for happening in course:
        run.happens(happening)
    run.advance(1000)
    assert not run.state.reservations
    assert not run.state.untold
    answered = Counter(effect.ticket for effect in run.effects if isinstance(effect, Answer))
    assert answered == Counter(range(1, run.tickets + 1))
    placed: set[int] = set()
    for effect in run.effects:
        if not isinstance(effect, Update):
            continue
        reservation_id = effect.update.reservation_id
        if effect.update.reservation_status == "Placed":
            placed.add(reservation_id)
        else:
            assert reservation_id in placed, "a reservation ended that was never made"
            placed.remove(reservation_id)
    stores = [effect for effect in run.effects if isinstance(effect, Store)]
    assert [effect.number for effect in stores] == list(range(1, len(stores) + 1))
    assert not stores or (stores[-1].entries == [] and options.keeps_reservations)


@given(settings, courses)
def test_no_evse_stays_marked_once_nothing_is_reserved(options: Settings, course: list[Happening]) -> None:
    run = Run(options)
    for happening in course:
        run.happens(happening)
    run.advance(1000)
    for index, evse in enumerate(run.state.evses):
        if evse.lost:
            continue
        run.event(FaultChanged(index, faulted=False))
        run.event(EvseEvent(index, "Enabled"))
        run.event(EvseEvent(index, "SessionFinished"))
    marked: dict[int, int] = {}
    for effect in run.effects:
        if isinstance(effect, Mark):
            marked[effect.evse] = effect.reservation_id
        elif isinstance(effect, Unmark):
            marked.pop(effect.evse, None)
    for index, evse in enumerate(run.state.evses):
        assert evse.lost or evse.marked is None
        told_otherwise = any(
            isinstance(happening, EvseEvent | MarkAnswered | Answered | EvseLost) for happening in course
        ) or any(isinstance(effect, Authorize) for effect in run.effects)
        assert told_otherwise or index not in marked


def test_no_step_changes_the_state_that_it_is_given() -> None:
    run = Run(Settings(connection_timeout_s=10))
    before = run.state
    copy = repr(before)
    events: tuple[Event, ...] = (
        TokenProvided(card("A")),
        EvseEvent(0, "SessionStarted", car_connected=True),
    )
    for event in events:
        step(before, event, 1.0, UTC_S)
    assert repr(before) == copy
