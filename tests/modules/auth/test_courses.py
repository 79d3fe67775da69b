"""Auth and EVSEs that answer when they like: whatever crossed on the way, in the end both know the same reservations.

The EVSEs are as simple as what EvseManager tells of itself. What they are told, what they say and what they answer
wait in queues, and go on in any order of the queues.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.framework.clock import timestamp
from evse_daemon.modules.auth.effects import Authorize, Mark, Stop, Store, Unmark, Withdraw
from evse_daemon.modules.auth.events import (
    Answered,
    CancelRequested,
    Event,
    EvseEvent,
    EvseKnown,
    FaultChanged,
    MarkAnswered,
    ReserveRequested,
    Stored,
    TimePassed,
    TokenProvided,
    WithdrawRequested,
)
from evse_daemon.modules.auth.handler import next_deadline_s, step
from evse_daemon.modules.auth.state import Evse, Settings, State
from evse_daemon.types.evse_manager import SessionEventEnum
from evse_daemon.types.reservation import Reservation
from tests.modules.auth.station import card
from tests.modules.auth.test_properties import check_step

EVSES = 2
UTC_S = 1_800_000_000.0


@dataclass
class ModelEvse:
    """What an EvseManager knows of its reservation, and what it does with it (modules/evse_manager/reservation.py)."""

    index: int
    says: deque[Event]
    answers: deque[Event]
    enabled: bool = True
    faulted: bool = False
    car: bool = False
    session: bool = False
    authorized: bool = False
    transaction: bool = False
    reserved: bool = False
    reservation_id: int | None = None

    @property
    def idle(self) -> bool:
        return self.enabled and not self.faulted and not self.car and not self.session

    def say(self, event: SessionEventEnum, *, car_connected: bool = False) -> None:
        self.says.append(EvseEvent(self.index, event, car_connected))

    def told(self, effect: object) -> None:
        match effect:
            case Mark(_, reservation_id):
                self.answers.append(MarkAnswered(self.index, reservation_id, self.mark(reservation_id)))
            case Unmark():
                self.unmark()
            case Authorize(_, _, result, process):
                if result.authorization_status == "Accepted":
                    self.authorize()
                if process is not None:
                    self.answers.append(Answered(process, self.index, accepted=True))
            case Withdraw():
                self.withdraw()
            case Stop(_, _, _, process):
                stopped = self.transaction
                self.stop()
                if process is not None:
                    self.answers.append(Answered(process, self.index, stopped))

    def mark(self, reservation_id: int) -> bool:
        can = self.enabled and not self.faulted and not self.car
        if not can or self.reservation_id not in (None, reservation_id):
            return False
        if not self.reserved:
            self.say("ReservationStart")
        self.reserved = True
        self.reservation_id = reservation_id if reservation_id >= 0 else self.reservation_id
        return True

    def unmark(self) -> None:
        if self.reserved:
            self.reserved, self.reservation_id = False, None
            self.say("ReservationEnd")

    def authorize(self) -> None:
        if not self.enabled:
            return
        if not self.session:
            self.session = True
            self.say("SessionStarted")
        self.authorized = True
        self.say("Authorized")
        self.begin()

    def begin(self) -> None:
        if self.car and self.authorized and not self.transaction:
            self.transaction = True
            self.reserved, self.reservation_id = False, None
            self.say("TransactionStarted")

    def withdraw(self) -> None:
        if self.authorized:
            self.unmark()
        if not self.session:
            return
        self.say("Deauthorized")
        if self.transaction:
            return
        if self.authorized:
            self.end()
        else:
            self.say("PluginTimeout")

    def stop(self) -> None:
        if self.transaction:
            self.transaction = False
            self.say("TransactionFinished")

    def end(self) -> None:
        self.stop()
        if self.session:
            if self.authorized:
                self.unmark()
            self.session = self.authorized = False
            self.say("SessionFinished")

    def plug(self) -> None:
        if self.car or not self.enabled:
            return
        self.car = True
        if not self.session:
            self.session = True
            self.say("SessionStarted", car_connected=True)
        self.say("AuthRequired")
        self.begin()

    def unplug(self) -> None:
        if self.car:
            self.car = False
            self.end()

    def enable(self) -> None:
        if not self.enabled:
            self.enabled = True
            self.say("Enabled")

    def disable(self) -> None:
        if self.enabled:
            self.end()
            self.enabled = self.car = False
            self.say("Disabled")
            self.unmark()

    def fail(self) -> None:
        if not self.faulted:
            self.faulted = True
            self.unmark()
            self.says.append(FaultChanged(self.index, faulted=True))

    def heal(self) -> None:
        if self.faulted:
            self.faulted = False
            self.says.append(FaultChanged(self.index, faulted=False))


class Course:
    """Auth, its EVSEs and the store, with what is on its way between them."""

    def __init__(self) -> None:
        self.state = State(
            Settings(connection_timeout_s=10.0, keeps_reservations=True), tuple(Evse() for _ in range(EVSES))
        )
        self.now_s = 0.0
        self.tickets = 0
        self.evses = [ModelEvse(index, deque(), deque()) for index in range(EVSES)]
        self.orders: list[deque[object]] = [deque() for _ in range(EVSES)]
        self.stored: deque[Event] = deque()
        for index in range(EVSES):
            self.event(EvseKnown(index, index + 1))

    def event(self, event: Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.now_s, UTC_S + self.now_s)
        check_step(before, self.state, effects)
        for effect in effects:
            match effect:
                case Mark(index) | Unmark(index) | Authorize(index) | Withdraw(index) | Stop(index):
                    self.orders[index].append(effect)
                case Store(number):
                    self.stored.append(Stored(number, succeeded=True))

    def reserve(self, reservation_id: int, evse_id: int | None, ends_s: float) -> None:
        self.tickets += 1
        until = dt.datetime.fromtimestamp(UTC_S + self.now_s + ends_s, dt.UTC)
        request = Reservation(
            reservation_id=reservation_id, id_token="A", evse_id=evse_id, expiry_time=timestamp(until)
        )
        self.event(ReserveRequested(request, self.tickets))

    def cancel(self, reservation_id: int) -> None:
        self.tickets += 1
        self.event(CancelRequested(reservation_id, self.tickets))

    def deliver(self, queue: int) -> bool:
        """One thing goes on that waits in a queue."""
        index, kind = queue % EVSES, queue // EVSES
        if kind == 0 and self.orders[index]:
            self.evses[index].told(self.orders[index].popleft())
            return True
        waiting = [self.stored, self.evses[index].says, self.evses[index].answers][kind - 1 if kind else 0]
        if kind and waiting:
            self.event(waiting.popleft())
            return True
        return False

    def settle(self) -> None:
        while any(self.deliver(queue) for queue in range(4 * EVSES)):
            pass

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while (deadline_s := next_deadline_s(self.state)) is not None and deadline_s <= end_s:
            self.now_s = max(self.now_s, deadline_s)
            self.event(TimePassed())
        self.now_s = end_s

    def check_marks(self) -> None:
        """Each idle EVSE shows what the reservations say."""
        own = {held.evse_id: held.reservation_id for held in self.state.reservations}
        idle = [evse for evse in self.evses if evse.idle and evse.index + 1 not in own]
        anybody = sum(held.evse_id is None for held in self.state.reservations)
        for evse in self.evses:
            if not evse.idle:
                continue
            wanted = own.get(evse.index + 1)
            assert evse.reserved == (wanted is not None or 0 < len(idle) <= anybody), evse
            assert evse.reservation_id == wanted, evse


index = st.integers(0, EVSES - 1)
happenings: st.SearchStrategy[Callable[[Course], object]] = st.one_of(
    st.builds(lambda queue: lambda course: course.deliver(queue), st.integers(0, 4 * EVSES - 1)),
    st.builds(lambda queue: lambda course: course.deliver(queue), st.integers(0, 4 * EVSES - 1)),
    st.just(lambda course: course.settle()),
    st.builds(
        lambda index, what: lambda course: getattr(course.evses[index], what)(),
        index,
        st.sampled_from(["plug", "unplug", "enable", "disable", "fail", "heal"]),
    ),
    st.builds(
        lambda token: lambda course: course.event(TokenProvided(token)),
        st.sampled_from([card("A", prevalidated=True), card("B", prevalidated=True)]),
    ),
    st.builds(
        lambda *fields: lambda course: course.reserve(*fields),
        st.integers(1, 3),
        st.sampled_from([None, 1, 2]),
        st.sampled_from([30.0, 10_000.0]),
    ),
    st.builds(lambda number: lambda course: course.cancel(number), st.integers(1, 3)),
    st.just(lambda course: course.event(WithdrawRequested())),
    st.builds(lambda seconds: lambda course: course.advance(seconds), st.sampled_from([0.5, 6.0, 31.0])),
)


@given(st.lists(happenings, max_size=40))
def test_in_the_end_each_evse_shows_the_reservation_that_there_is(
    happened: list[Callable[[Course], object]],
) -> None:
    course = Course()
    for happening in happened:
        happening(course)
    course.settle()
    for _ in range(3):  # what was refused is tried again within a minute
        course.advance(61)
        course.settle()
    course.check_marks()
