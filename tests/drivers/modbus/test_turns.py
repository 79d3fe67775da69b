"""A shared line is fair: no device waits for more than one request of each other."""

from __future__ import annotations

from drivers.modbus.requests import NoLine, Outcome, Request, Silence
from drivers.modbus.turns import MOST_WAITING, Job, Turns


class Callers:
    """Requests by number, and what came of them."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.outcomes: dict[int, Outcome] = {}

    def ask(self, device_id: int, number: int, expires_s: float = 100.0) -> None:
        def done(outcome: Outcome) -> None:
            assert number not in self.outcomes
            self.outcomes[number] = outcome

        self.turns.put(Job(Request(device_id, 4, number), expires_s, done))

    def served(self, now_s: float) -> list[int]:
        found = []
        while (job := self.turns.take(now_s)) is not None:
            found.append(job.request.address)
        return found


def test_devices_are_asked_in_turn_however_much_one_wants() -> None:
    callers = Callers()
    for number in range(10):
        callers.ask(1, number)
    callers.ask(2, 20)
    callers.ask(3, 30)
    callers.ask(2, 21)
    assert callers.served(0.0) == [0, 20, 30, 1, 21, *range(2, 10)]
    assert callers.turns.next_s() is None


def test_one_that_asks_again_at_once_does_not_come_before_those_that_wait() -> None:
    callers = Callers()
    callers.ask(1, 10)
    callers.ask(2, 20)
    assert callers.turns.take(0.0) is not None
    callers.ask(1, 11)
    assert callers.served(0.0) == [20, 11]


def test_what_may_be_answered_late_holds_up_only_what_would_be_answered_alike() -> None:
    callers = Callers()
    callers.turns.beware(Request(1, 4, 10), 0.0, 5.0)
    callers.ask(1, 11)
    callers.ask(2, 20)
    assert callers.served(4.9) == [20], "the neighbour answers for itself"
    assert callers.turns.next_s() == 5.0
    assert callers.served(5.0) == [11]


def test_the_same_question_and_one_of_another_length_or_function_may_be_asked_at_once() -> None:
    callers = Callers()
    turns = callers.turns
    for late in (Request(1, 4, 10, 2), Request(1, 4, 30, 6)):
        turns.beware(late, 0.0, 5.0)
    for request in (Request(1, 4, 10, 2), Request(1, 4, 20, 3), Request(1, 3, 20, 2)):
        turns.put(Job(request, 100.0, lambda _: None))
        assert turns.take(0.0) is not None
    for request in (Request(1, 4, 12, 2), Request(1, 4, 40, 6)):
        turns.put(Job(request, 100.0, lambda _: None))
        assert turns.take(4.9) is None
        assert turns.take(5.0) is not None


def test_a_request_that_nobody_waits_for_any_more_is_not_sent() -> None:
    callers = Callers()
    callers.ask(1, 10, expires_s=3.0)
    callers.ask(1, 11, expires_s=9.0)
    assert callers.served(3.0) == [11]
    assert isinstance(callers.outcomes[10], Silence)


def test_a_request_that_is_tried_again_comes_before_others_of_its_device_and_after_those_of_its_neighbours() -> (
    None
):
    callers = Callers()
    for device_id, number in ((1, 10), (1, 11), (2, 20)):
        callers.ask(device_id, number)
    job = callers.turns.take(0.0)
    assert job is not None
    callers.turns.again(job)
    assert callers.served(0.0) == [20, 10, 11]


def test_too_many_requests_for_one_device_are_refused_and_the_others_not() -> None:
    callers = Callers()
    for number in range(MOST_WAITING + 1):
        callers.ask(1, number)
    callers.ask(2, 99)
    assert list(callers.outcomes) == [MOST_WAITING]
    assert isinstance(callers.outcomes[MOST_WAITING], NoLine)
    assert len(callers.served(0.0)) == MOST_WAITING + 1


def test_who_waits_when_the_line_is_closed_is_told() -> None:
    callers = Callers()
    callers.ask(1, 10)
    callers.ask(2, 20)
    callers.turns.clear("closed")
    assert callers.outcomes == {10: NoLine("closed"), 20: NoLine("closed")}
    assert callers.served(0.0) == []
