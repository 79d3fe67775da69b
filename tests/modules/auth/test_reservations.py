"""Reservations, as a driver and a consumer of the events see them (reference evse-manager.md §9.1)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.interfaces.evse_manager import EvseManager
from tests.modules.auth.station import CARD, OTHER, Station, answer, card, id_token

GROUP = id_token("FAMILY")


# It keeps the EVSE.


def test_a_reserved_evse_does_not_start_for_others_and_does_for_its_token() -> None:
    station = Station()
    station.reserve(7, evse_id=1)
    station.present(card(OTHER))
    assert station.statuses == ["Processing", "Rejected"]
    assert station.given() == []
    station.event("SessionStarted")
    station.present(card(CARD.lower()))
    assert station.given() == [(CARD.lower(), 7)]
    assert station.statuses[-1] == "UsedToStart"
    station.event("TransactionStarted", "TransactionFinished", "SessionFinished")
    station.present(card(OTHER))
    assert station.statuses[-1] == "UsedToStart"
    assert station.updates == [(7, "Placed")]


@pytest.mark.parametrize("answered_with", [answer(parent_id_token=GROUP), answer()])
def test_a_reservation_for_a_group_is_for_all_its_tokens(answered_with: object) -> None:
    station = Station(answers=[answered_with])  # type: ignore[list-item]
    station.reserve(7, evse_id=1, parent_id_token="family")
    station.event("SessionStarted")
    station.present(card(OTHER))
    if answered_with == answer():
        assert station.statuses == ["Processing", "Rejected"]
        assert station.authorized() == ["NotAtThisTime"]
        assert station.exists(evse_id=1) == "ReservedForToken"
    else:
        assert station.given() == [(OTHER, 7)]


@pytest.mark.parametrize(
    ("reserved", "asked"),
    [
        ([{"evse_id": 1}, {"evse_id": 2}], 0),
        ([{}, {}], 0),
        ([{"evse_id": 1}], 1),
        ([{"parent_id_token": "F"}, {}], 1),
    ],
)
def test_no_validator_is_asked_where_all_is_reserved_for_single_tokens(
    reserved: list[dict[str, Any]], asked: int
) -> None:
    station = Station(evses=2)
    for number, fields in enumerate(reserved):
        assert station.reserve(number, **fields) == "Accepted"
    station.present(card(OTHER))
    assert station.asked() == [asked]


def test_the_token_of_a_reservation_gets_its_evse_also_where_another_is_free() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=2)
    station.present()
    assert (station.given(1), station.given(2)) == ([], [(CARD, 7)])


def test_another_token_gets_the_evse_that_is_not_reserved() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=1)
    station.present(card(OTHER))
    assert (station.given(1), station.given(2)) == ([], [(OTHER, None)])


def test_the_owners_car_is_found_at_its_evse_also_where_another_waits_longer() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=2)
    station.event("SessionStarted", evse=1)
    station.event("SessionStarted", evse=2)
    station.present()
    assert (station.given(1), station.given(2)) == ([], [(CARD, 7)])


def test_a_driver_before_an_evse_that_is_reserved_for_others_is_not_given_another() -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=1, parent_id_token="FAMILY")
    station.event("SessionStarted", evse=1)
    station.present(card(OTHER))
    assert station.statuses == ["Processing", "Rejected"]
    assert station.authorized(1) == ["NotAtThisTime"]
    station.event("SessionStarted", evse=2)
    station.present(card(OTHER))
    assert station.given(2) == [(OTHER, None)]


@pytest.mark.parametrize("algorithm", ["FindFirst", "PlugEvents", "PlugEventsLIFO"])
def test_no_way_of_choosing_gives_a_reserved_evse_to_another(algorithm: str) -> None:
    station = Station(evses=2, selection_algorithm=algorithm)
    station.reserve(7, evse_id=1)
    station.event("SessionStarted", evse=1)
    station.event("SessionStarted", evse=2)
    station.present(card(OTHER))
    assert (station.given(1), station.given(2)) == ([], [(OTHER, None)])
    station.present()
    assert station.given(1) == [(CARD, 7)]


def test_an_evse_that_is_reserved_during_a_validation_is_not_given_away() -> None:
    station = Station(answers=[None])
    station.present(card(OTHER))
    station.reserve(7, evse_id=1)
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.given() == []
    assert station.statuses == ["Processing", "Rejected"]


def test_an_evse_that_is_reserved_while_a_token_waits_for_a_car_is_not_given_away() -> None:
    station = Station(evses=2, selection_algorithm="PlugEvents")
    station.present(card(OTHER))
    station.reserve(7, evse_id=1)
    station.event("SessionStarted", evse=1)
    assert station.given(1) == []
    station.event("SessionStarted", evse=2)
    assert station.given(2) == [(OTHER, None)]


def test_a_reservation_of_any_evse_keeps_one_free() -> None:
    station = Station(evses=2)
    station.reserve(7)
    assert (station.marked(1), station.marked(2)) == ([], [])
    station.present(card(OTHER))
    assert station.given(1) == [(OTHER, None)]
    assert (station.marked(1), station.marked(2)) == ([], [-1])
    station.present(card("THIRD00000"))
    assert station.statuses[-1] == "Rejected"
    station.present()
    assert station.given(2) == [(CARD, 7)]


def test_when_as_many_are_reserved_as_are_free_all_are_marked_and_later_not() -> None:
    station = Station(evses=2)
    station.reserve(7)
    station.reserve(8, OTHER)
    assert (station.marked(1), station.marked(2)) == ([-1], [-1])
    station.cancel(8)
    assert (station.marked(1), station.marked(2)) == ([-1, None], [-1, None])


def test_the_evses_of_a_kind_that_is_all_reserved_are_marked() -> None:
    station = Station(evses=3, types=[("cType2",), ("cCCS2",), ("cType2",)])
    station.reserve(7, connector_type="cCCS2")
    assert [station.marked(evse) for evse in (1, 2, 3)] == [[], [-1], []]
    station.event("SessionStarted", evse=2)
    station.present()
    assert station.given(2) == [(CARD, 7)]


def test_a_reservation_of_any_evse_is_used_up_where_its_car_is() -> None:
    station = Station(evses=2)
    station.reserve(7)
    station.event("SessionStarted", evse=2)
    station.present()
    assert station.given(2) == [(CARD, 7)]
    assert station.exists() == "NotReserved"


def test_two_cars_with_reservations_of_any_evse_both_charge_though_a_third_is_plugged_in() -> None:
    station = Station(evses=3)
    station.reserve(7)
    station.reserve(8, OTHER)
    for evse in (1, 2, 3):
        station.event("SessionStarted", evse=evse)
    station.present(card("THIRD00000", connectors=[1]))
    assert station.given(1) == []
    station.present(card(OTHER, connectors=[2]))
    station.present(card(connectors=[3]))
    assert (station.given(2), station.given(3)) == ([(OTHER, 8)], [(CARD, 7)])


# It ends.


def test_a_reservation_expires() -> None:
    station = Station()
    station.reserve(7, evse_id=1, minutes=2)
    station.world.advance(119)
    assert station.exists(evse_id=1) == "ReservedForToken"
    station.world.advance(2)
    assert station.updates == [(7, "Placed"), (7, "Expired")]
    assert station.marked() == [7, None]
    station.present(card(OTHER))
    assert station.statuses[-1] == "UsedToStart"


@pytest.mark.parametrize("zone", [0, 5, -9])
def test_the_end_of_a_reservation_may_be_told_in_any_zone(zone: int) -> None:
    station = Station()
    until = station.world.clock.utc() + dt.timedelta(minutes=1)
    there = until.astimezone(dt.timezone(dt.timedelta(hours=zone)))
    assert station.reserve(7, evse_id=1, expiry_time=there.isoformat()) == "Accepted"
    station.world.advance(61)
    assert station.updates[-1] == (7, "Expired")


def test_a_reservation_ends_by_the_time_of_day_also_when_that_is_set_meanwhile() -> None:
    station = Station()
    station.reserve(7, evse_id=1, minutes=60)
    station.world.clock.set_utc(station.world.clock.utc() + dt.timedelta(hours=2))
    station.world.advance(61)
    assert station.updates[-1] == (7, "Expired")


def test_the_time_of_day_set_back_keeps_a_reservation() -> None:
    station = Station()
    station.reserve(7, evse_id=1, minutes=2)
    station.world.clock.set_utc(station.world.clock.utc() - dt.timedelta(minutes=10))
    station.world.advance(300)
    assert station.exists(evse_id=1) == "ReservedForToken"
    station.world.advance(430)
    assert station.updates[-1] == (7, "Expired")


@pytest.mark.parametrize("fields", [{"evse_id": 1}, {}])
def test_a_reservation_can_be_cancelled_and_only_who_asked_is_told(fields: dict[str, Any]) -> None:
    station = Station()
    station.reserve(7, **fields)
    assert station.cancel(8) is False
    assert station.cancel(7) is True
    assert station.cancel(7) is False
    assert station.updates == [(7, "Placed")]
    assert station.marked()[-1] is None


@pytest.mark.parametrize("how", ["Disabled", "fault", "ReservationEnd", "lost", "TransactionStarted"])
def test_a_reservation_of_an_evse_that_cannot_be_used_ends(how: str) -> None:
    station = Station(evses=2)
    station.reserve(7, evse_id=1)
    station.event("ReservationStart")
    if how == "fault":
        station.evses[1].raise_error("evse_manager/Inoperative", "contactor")
        station.world.settle()
    elif how == "lost":
        station.evses[1].lose()
        station.world.settle()
    else:
        station.event(how)  # type: ignore[arg-type]
    assert station.updates == [(7, "Placed"), (7, "Removed")]


def test_an_older_end_does_not_end_a_newer_reservation() -> None:
    station = Station()
    station.reserve(7, evse_id=1)
    station.cancel(7)
    station.reserve(8, evse_id=1)
    station.event("ReservationStart", "ReservationEnd", "ReservationStart")
    assert station.exists(evse_id=1) == "ReservedForToken"
    station.event("ReservationEnd")
    assert station.exists(evse_id=1) == "NotReserved"


def test_an_evse_less_ends_the_newest_reservation_that_cannot_be_kept() -> None:
    station = Station(evses=2)
    station.reserve(7)
    station.reserve(8, OTHER)
    station.event("Disabled", evse=1)
    assert station.updates[-1] == (8, "Removed")
    assert station.exists() == "ReservedForToken"


def test_the_car_that_waits_at_the_last_evse_does_not_end_a_reservation_of_any() -> None:
    station = Station(evses=2)
    station.reserve(7)
    station.present(card(OTHER, connectors=[1]))
    station.event("SessionStarted", evse=2)
    station.event("SessionStarted", "TransactionStarted", evse=1)
    assert station.exists() == "ReservedForToken"
    station.present()
    assert station.given(2) == [(CARD, 7)]


def test_an_evse_that_lost_its_mark_is_marked_again_when_it_can_be() -> None:
    station = Station()
    station.reserve(7)
    assert station.marked() == [-1]
    station.event("ReservationStart")
    station.marks = False
    station.event("ReservationEnd")
    assert station.marked() == [-1]
    station.marks = True
    station.event("Enabled")
    assert station.marked() == [-1, -1]


def test_an_end_counts_also_after_a_mark_that_was_refused_and_one_that_was_used() -> None:
    station = Station()
    station.reserve(6, evse_id=1)
    station.event("ReservationStart", "SessionStarted")
    station.present()
    station.event("TransactionStarted", "TransactionFinished", "SessionFinished")
    station.marks = False
    assert station.reserve(7, evse_id=1) == "Rejected"
    station.marks = True
    assert station.reserve(8, evse_id=1) == "Accepted"
    station.event("ReservationStart", "ReservationEnd")
    assert station.updates == [(6, "Placed"), (8, "Placed"), (8, "Removed")]


def test_a_reservation_of_a_type_is_used_up_at_an_evse_of_another_if_nobody_else_loses_by_it() -> None:
    station = Station(evses=2, types=[("cType2",), ("cCCS2",)])
    station.reserve(7, connector_type="cCCS2")
    station.event("SessionStarted", evse=1)
    station.present()
    assert station.given(1) == [(CARD, 7)]
    other = Station(evses=2, types=[("cType2",), ("cCCS2",)])
    other.reserve(7, connector_type="cCCS2")
    other.reserve(8, OTHER, connector_type="cType2")
    other.event("SessionStarted", evse=1)
    other.present()
    assert other.statuses[-1] == "Rejected"
    other.present(card(OTHER))
    assert other.given(1) == [(OTHER, 8)]


def test_a_stranger_who_comes_and_goes_changes_nothing() -> None:
    station = Station()
    station.reserve(7, evse_id=1)
    station.event("ReservationStart", "SessionStarted", "AuthRequired")
    station.present(card(OTHER))
    station.event("SessionFinished")
    assert station.marked() == [7]
    station.event("SessionStarted")
    station.present()
    assert station.given() == [(CARD, 7)]


def test_an_owner_who_does_not_come_after_his_token_has_used_up_the_reservation() -> None:
    station = Station()
    station.reserve(7, evse_id=1)
    station.event("ReservationStart")
    station.present()
    station.world.advance(10.1)
    assert station.withdrawn() == 1
    station.event("ReservationEnd", "Deauthorized", "SessionFinished")
    assert station.exists(evse_id=1) == "NotReserved"
    assert station.updates == [(7, "Placed")]
    station.present(card(OTHER))
    assert station.statuses[-1] == "UsedToStart"


def test_a_reservation_of_any_evse_is_still_good_where_the_evse_did_not_take_its_token() -> None:
    station = Station(evses=2)
    station.reserve(7)
    failed: Deferred[None] = Deferred()
    station.evses[1].handle(EvseManager.authorize_response, lambda **_: failed)
    station.present()
    failed.fail(CallError("HandlerException", "broken"))
    station.world.settle()
    assert station.statuses[-1] == "Rejected"
    assert station.exists() == "ReservedForToken"


@pytest.mark.parametrize(("minutes", "status"), [(10, "Removed"), (0.1, "Expired")])
def test_a_reservation_of_an_evse_that_does_not_take_its_token_ends(minutes: float, status: str) -> None:
    station = Station()
    station.reserve(7, evse_id=1, minutes=minutes)
    station.evses[1].handle(EvseManager.authorize_response, lambda **_: Deferred())
    station.present()
    station.world.advance(11)
    assert station.statuses[-1] == "Rejected"
    assert station.updates[-1] == (7, status)
    assert (station.marked(), station.withdrawn()) == ([7, None], 1)


def test_an_evse_that_fails_to_answer_the_call_is_not_reserved() -> None:
    station = Station()

    def fail(reservation_id: int) -> bool:
        raise CallError("HandlerException", f"no {reservation_id}")

    station.evses[1].handle(EvseManager.reserve, fail)
    assert station.reserve(7, evse_id=1) == "Rejected"
    assert station.exists(evse_id=1) == "NotReserved"
