"""Reservations are asked for: which are made, and what is said of them (reference evse-manager.md §9.1)."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.evse_manager import EvseManager
from tests.modules.auth.station import NOW, OTHER, Station, card

# A reservation is made.


def test_a_reserved_evse_is_marked_and_it_is_said() -> None:
    station = Station()
    assert station.reserve(7, evse_id=1) == "Accepted"
    assert station.marked() == [7]
    assert station.updates == [(7, "Placed")]


def test_an_evse_that_refuses_is_not_reserved() -> None:
    station = Station()
    station.marks = False
    assert station.reserve(7, evse_id=1) == "Rejected"
    assert station.updates == []
    station.marks = True
    assert station.reserve(8, evse_id=1) == "Accepted"


def test_an_evse_that_does_not_answer_is_not_reserved_and_not_left_marked() -> None:
    station = Station()
    taken: Deferred[bool] = Deferred()
    station.evses[1].handle(EvseManager.reserve, lambda reservation_id: taken)
    call = station.asks(7, evse_id=1)
    station.world.advance(6)
    assert call.outcome == ("Rejected",)
    assert station.marked() == [7, None]
    taken.resolve(True)
    station.world.settle()
    assert (station.updates, station.exists(evse_id=1)) == ([], "NotReserved")


@pytest.mark.parametrize(
    ("before", "fields", "result"),
    [
        ((), {"evse_id": 1}, "Accepted"),
        ((), {"evse_id": 0}, "Accepted"),
        ((), {"evse_id": 7}, "Rejected"),
        ((), {"evse_id": 1, "connector_type": "cType2"}, "Accepted"),
        ((), {"evse_id": 1, "connector_type": "cCCS2"}, "Rejected"),
        ((), {"connector_type": "cG105"}, "Rejected"),
        ((), {"evse_id": 1, "minutes": 0}, "Rejected"),
        ((), {"evse_id": 1, "minutes": -1}, "Rejected"),
        (("SessionStarted",), {"evse_id": 1}, "Occupied"),
        (("SessionStarted", "TransactionStarted", "TransactionFinished"), {"evse_id": 1}, "Occupied"),
        (("SessionStarted", "TransactionStarted"), {"evse_id": 2}, "Accepted"),
        (("Disabled",), {"evse_id": 1}, "Unavailable"),
        (("Disabled", "Enabled"), {"evse_id": 1}, "Accepted"),
        (("reserve",), {"evse_id": 1}, "Occupied"),
        (("reserve",), {"evse_id": 2}, "Accepted"),
        (("reserve",), {}, "Accepted"),
        (("any",), {"evse_id": 1}, "Accepted"),
        (("any", "any"), {"evse_id": 1}, "Occupied"),
        (("any", "any"), {}, "Occupied"),
        (("any", "reserve"), {}, "Occupied"),
        (("SessionStarted", "any"), {"evse_id": 2}, "Occupied"),
        (("fault",), {"evse_id": 1}, "Faulted"),
        (("token",), {"evse_id": 1}, "Occupied"),
        (("lost",), {"evse_id": 1}, "Faulted"),
    ],
)
def test_what_a_station_of_two_evses_says_to_a_reservation(
    before: tuple[str, ...], fields: dict[str, Any], result: str
) -> None:
    station = Station(evses=2, types=[("cType2",), ("cCCS2",)])
    for number, happened in enumerate(before):
        if happened == "reserve":
            assert station.reserve(100 + number, evse_id=1) == "Accepted"
        elif happened == "any":
            assert station.reserve(100 + number) == "Accepted"
        elif happened == "fault":
            station.evses[1].raise_error("evse_manager/Inoperative", "contactor")
        elif happened == "token":
            station.present(card(OTHER, connectors=[1]))
        elif happened == "lost":
            station.evses[1].lose()
            station.world.settle()
        else:
            station.event(happened)  # type: ignore[arg-type]
    assert station.reserve(1, **fields) == result


@pytest.mark.parametrize(
    ("before", "result"),
    [("SessionStarted", "Occupied"), ("Disabled", "Unavailable"), ("fault", "Faulted"), ("", "Accepted")],
)
def test_what_a_station_of_one_evse_says_to_a_reservation_of_any(before: str, result: str) -> None:
    station = Station()
    if before == "fault":
        station.evses[1].raise_error("evse_manager/Inoperative", "contactor")
    elif before:
        station.event(before)  # type: ignore[arg-type]
    assert station.reserve() == result


@pytest.mark.parametrize(
    ("types", "wanted", "results"),
    [
        # The reservation of Type 2 could be taken away by a car that takes whichever is free.
        ([("cType2",), ("cCCS2",)], ["cType2", None], ["Accepted", "Occupied"]),
        ([("cType2",), ("cCCS2",)], ["cType2", "cCCS2"], ["Accepted", "Accepted"]),
        # The CCS car may take the EVSE that has both.
        ([("cType2", "cCCS2"), ("cCCS2",)], ["cType2", "cCCS2"], ["Accepted", "Occupied"]),
        ([("cType2", "cCCS2"), ("cType2", "cCCS2")], ["cType2", "cCCS2"], ["Accepted", "Accepted"]),
        ([(None,), ("cCCS2",)], ["cType2", "cCCS2"], ["Accepted", "Occupied"]),
    ],
)
def test_reservations_are_accepted_as_long_as_all_of_them_can_be_kept_in_any_order(
    types: list[tuple[str, ...]], wanted: list[str | None], results: list[str]
) -> None:
    station = Station(evses=2, types=types)  # type: ignore[arg-type]
    said = [
        station.reserve(number, f"CARD{number}", connector_type=kind) for number, kind in enumerate(wanted)
    ]
    assert said == results


def test_a_connector_out_of_service_offers_its_type_no_more() -> None:
    station = Station(types=[("cType2", "cCCS2")])
    station.event("Disabled", connector=2)
    assert station.reserve(1, evse_id=1, connector_type="cCCS2") == "Unavailable"
    assert station.reserve(1, evse_id=1, connector_type="cType2") == "Accepted"
    station.event("Enabled", connector=2)
    assert station.reserve(1, evse_id=1, connector_type="cCCS2") == "Accepted"


def test_a_negative_id_is_no_reservation() -> None:
    station = Station()
    assert station.reserve(-1, evse_id=1) == "Rejected"
    assert station.marked() == []


@pytest.mark.parametrize(
    ("until", "result"),
    [
        ("0001-01-01T00:00:00+23:59", "Rejected"),
        ("9999-12-31T23:59:59-23:59", "Accepted"),
        ("2026-03-04T10:16:00.123456789Z", "Accepted"),
        ("2026-03-04T11:14:59+01:00", "Rejected"),
    ],
)
def test_any_time_may_be_the_end(until: str, result: str) -> None:
    station = Station()
    assert station.reserve(7, evse_id=1, expiry_time=until) == result
    station.world.advance(600)


def test_a_reservation_of_the_same_id_replaces_the_older_one() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=1)
    assert station.reserve(7, OTHER, evse_id=2) == "Accepted"
    assert (station.marked(1), station.marked(2)) == ([7, None], [7])
    assert station.exists(evse_id=1) == "NotReserved"
    assert station.exists(OTHER, evse_id=2) == "ReservedForToken"


def test_a_reservation_that_cannot_replace_the_older_one_leaves_none() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=1)
    assert station.reserve(7, evse_id=9) == "Rejected"
    assert station.marked(1) == [7, None]
    assert station.updates == [(7, "Placed"), (7, "Removed")]


def test_the_same_reservation_made_twice_at_once_is_made_once() -> None:
    station = Station()
    answers: list[Deferred[bool]] = []

    def reserve(reservation_id: int) -> Deferred[bool]:
        answers.append(Deferred())
        return answers[-1]

    station.evses[1].handle(EvseManager.reserve, reserve)
    first, second = station.asks(7, evse_id=1), station.asks(7, evse_id=1)
    station.world.settle()
    for given in answers:
        given.resolve(True)
    station.world.settle()
    assert (first.outcome, second.outcome) == (("Rejected",), ("Accepted",))
    assert station.updates == [(7, "Placed")]


def test_an_evses_answer_to_an_older_reservation_does_not_make_a_newer_one() -> None:
    station = Station()
    answers: list[Deferred[bool]] = []

    def reserve(reservation_id: int) -> Deferred[bool]:
        answers.append(Deferred())
        return answers[-1]

    station.evses[1].handle(EvseManager.reserve, reserve)
    station.asks(7, evse_id=1)
    station.world.settle()
    assert station.cancel(7) is True
    again = station.asks(7, evse_id=1)
    station.world.settle()
    answers[0].resolve(True)
    station.world.settle()
    assert again.outcome is None
    answers[1].resolve(False)
    station.world.settle()
    assert again.outcome == ("Rejected",)
    assert station.updates == []


# It is asked for.


@pytest.mark.parametrize(
    ("made", "asked", "status"),
    [
        (None, {"evse_id": 2}, "NotReserved"),
        (None, {}, "NotReserved"),
        ({"evse_id": 2}, {"evse_id": 2}, "ReservedForToken"),
        ({"evse_id": 2}, {"evse_id": 1}, "NotReserved"),
        ({"evse_id": 2}, {}, "NotReserved"),
        ({"evse_id": 2}, {"evse_id": 2, "token": OTHER}, "ReservedForOtherToken"),
        ({}, {}, "ReservedForToken"),
        ({}, {"token": OTHER}, "NotReserved"),
        ({}, {"evse_id": 1}, "ReservedForToken"),
        (
            {"evse_id": 2, "parent_id_token": "FAMILY"},
            {"evse_id": 2, "token": OTHER},
            "ReservedForOtherTokenAndHasParentToken",
        ),
        (
            {"evse_id": 2, "parent_id_token": "FAMILY"},
            {"evse_id": 2, "token": OTHER, "group_id_token": "family"},
            "ReservedForToken",
        ),
        (
            {"evse_id": 2, "parent_id_token": "FAMILY"},
            {"evse_id": 2, "token": OTHER, "group_id_token": "FIRM"},
            "ReservedForOtherToken",
        ),
        ({"parent_id_token": "FAMILY"}, {"token": OTHER, "group_id_token": "FAMILY"}, "ReservedForToken"),
    ],
)
def test_whether_there_is_a_reservation(
    made: dict[str, Any] | None, asked: dict[str, object], status: str
) -> None:
    station = Station(evses=3)
    if made is not None:
        assert station.reserve(7, **made) == "Accepted"
    assert station.exists(**asked) == status  # type: ignore[arg-type]


def test_a_reservation_of_another_id_and_expired_time_changes_nothing() -> None:
    station = Station()
    station.reserve(7, evse_id=1)
    assert station.reserve(8, evse_id=1, expiry_time=NOW) == "Rejected"
    assert station.exists(evse_id=1) == "ReservedForToken"
