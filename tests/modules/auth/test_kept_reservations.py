"""What is known of reservations after a kill -9, where a kvs is connected (EVerest's key and format)."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.framework.clock import timestamp
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.modules.auth.events import Event, EvseEvent, EvseKnown, Loaded
from evse_daemon.modules.auth.handler import step
from evse_daemon.modules.auth.state import Evse, Settings, State
from tests.modules.auth.station import CARD, OTHER, Station, card

KEY = "reservation_auth"
START = dt.datetime(2026, 3, 4, 10, 15, tzinfo=dt.UTC)


def stored(reservation_id: int = 7, minutes: float = 60, evse_id: int | None = 1, **fields: Any) -> Any:
    """A reservation as EVerest stores it."""
    reservation = {
        "reservation_id": reservation_id,
        "id_token": CARD,
        "expiry_time": timestamp(START + dt.timedelta(minutes=minutes)),
        **({} if evse_id is None else {"evse_id": evse_id}),
        **fields,
    }
    return {"reservation": reservation, **({} if evse_id is None else {"evse_id": evse_id})}


def test_reservations_are_stored_as_everest_does() -> None:
    store: dict[str, Any] = {}
    station = Station(evses=3, store=store)
    station.reserve(7, evse_id=1, minutes=60)
    station.reserve(8, OTHER, connector_type="cType2", minutes=60)
    expected = [
        stored(7),
        {
            "reservation": {
                "reservation_id": 8,
                "id_token": OTHER,
                "expiry_time": timestamp(START + dt.timedelta(hours=1)),
                "connector_type": "cType2",
            }
        },
    ]
    assert store == {KEY: expected}
    assert json.loads(json.dumps(store)) == store


def test_after_a_restart_the_evses_are_reserved_as_before() -> None:
    store: dict[str, Any] = {}
    Station(evses=2, store=store).reserve(7, evse_id=2)
    station = Station(evses=2, store=store)
    assert (station.marked(1), station.marked(2)) == ([], [7])
    assert station.exists(evse_id=2) == "ReservedForToken"
    station.present(card(OTHER, connectors=[2]))
    assert station.statuses[-1] == "Rejected"
    station.present(card(connectors=[2]))
    assert station.given(2) == [(CARD, 7)]
    assert store == {KEY: []}


@pytest.mark.parametrize("how", ["used", "cancelled", "expired", "removed"])
def test_what_has_ended_does_not_come_back(how: str) -> None:
    store: dict[str, Any] = {}
    station = Station(store=store)
    station.reserve(7, evse_id=1, minutes=5)
    station.event("ReservationStart")
    if how == "used":
        station.present()
    elif how == "cancelled":
        station.cancel(7)
    elif how == "expired":
        station.world.advance(301)
    else:
        station.event("ReservationEnd")
    assert Station(store=store).exists(evse_id=1) == "NotReserved"


def test_what_expired_during_the_outage_is_said_to_have_expired() -> None:
    station = Station(store={KEY: [stored(7, minutes=-1), stored(8, minutes=1, evse_id=None)]})
    station.world.advance(0.1)
    assert station.updates == [(7, "Expired")]
    assert station.marked() == [-1]
    station.world.advance(61)
    assert station.updates == [(7, "Expired"), (8, "Expired")]


def test_an_evse_that_is_not_ready_yet_is_marked_when_it_is() -> None:
    store: dict[str, Any] = {KEY: [stored(7)]}
    station = Station(store=store, marks=False)
    assert station.exists(evse_id=1) == "ReservedForToken"
    station.marks = True
    station.event("Enabled")
    assert station.marked() == [7, 7]


def test_a_clock_that_is_not_set_yet_after_the_restart_does_not_keep_a_reservation_for_ever() -> None:
    station = Station(store={KEY: [stored(7, minutes=60)]}, utc=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    assert station.exists(evse_id=1) == "ReservedForToken"
    station.world.clock.set_utc(START + dt.timedelta(hours=2))
    station.world.advance(61)
    assert station.updates == [(7, "Expired")]


def test_reservations_are_judged_when_all_evses_are_known() -> None:
    state = State(Settings(connection_timeout_s=10), (Evse(), Evse()))
    courses: tuple[Event, ...] = (
        Loaded([stored(7, evse_id=None), stored(8, evse_id=2)]),
        EvseKnown(0, 1),
        EvseEvent(0, "Disabled"),
        EvseKnown(1, 2),
        EvseEvent(0, "Enabled"),
    )
    for event in courses:
        state, _ = step(state, event, 0.0, START.timestamp())
    assert [held.reservation_id for held in state.reservations] == [7, 8]


def test_a_stored_reservation_of_an_evse_that_there_is_none_of_ends() -> None:
    station = Station(store={KEY: [stored(7, evse_id=4), stored(8)]})
    assert station.updates == [(7, "Removed")]
    assert station.marked() == [8]


@pytest.mark.parametrize(
    "content",
    [
        None,
        "text",
        {},
        7,
        [None, 7, "x", [], {}, {"reservation": None}, {"reservation": {"reservation_id": 1}}],
        [{**stored(9), "evse_id": "1"}, {**stored(9), "evse_id": -1}, {**stored(9), "evse_id": True}],
        [stored(9, expiry_time="tomorrow"), stored(9, id_token=5)],
    ],
)
def test_whatever_else_is_in_the_store_is_left_out(content: Any) -> None:
    good = [*content, stored(7)] if isinstance(content, list) else content
    with capture_logs() as logs:
        station = Station(store={KEY: good})
    assert station.exists(evse_id=1) == ("ReservedForToken" if isinstance(content, list) else "NotReserved")
    assert bool([line for line in logs if "left out" in line["event"]]) == isinstance(content, list)
    assert CARD not in str(logs)
    station.cancel(7)
    assert station.reserve(1, evse_id=1) == "Accepted"


def test_it_is_said_only_when_it_is_stored() -> None:
    station = Station(store={})
    done: Deferred[None] = Deferred()
    station.store_answers = lambda: done
    made = station.asks(7, evse_id=1)
    station.world.advance(1)
    assert (made.outcome, station.updates) == (None, [])
    done.resolve(None)
    station.world.settle()
    assert (made.outcome, station.updates) == (("Accepted",), [(7, "Placed")])


@pytest.mark.parametrize("failure", ["fails", "hangs"])
def test_a_store_that_fails_does_not_prevent_reservations_and_is_tried_again(failure: str) -> None:
    store: dict[str, Any] = {}
    station = Station(store=store)
    broken: Deferred[None] = Deferred()
    if failure == "fails":
        broken.fail(CallError("HandlerException", "disk full"))
    station.store_answers = lambda: broken
    with capture_logs() as logs:
        made = station.asks(7, evse_id=1, minutes=60)
        station.world.advance(5)
    assert made.outcome == ("Accepted",)
    assert station.updates == [(7, "Placed")]
    assert any("could not be stored" in line["event"] for line in logs)
    station.present(card(OTHER))
    assert station.statuses[-1] == "Rejected"
    station.store_answers = lambda: None
    station.world.advance(70)
    assert store == {KEY: [stored(7)]}
    stores = len(station.world.calls(("store", "main"), Kvs.store))
    station.world.advance(600)
    assert len(station.world.calls(("store", "main"), Kvs.store)) == stores


def test_a_store_that_cannot_be_read_does_not_keep_the_station_from_charging() -> None:
    with capture_logs() as logs:
        station = Station(
            store={}, loads=lambda key: (_ for _ in ()).throw(CallError("HandlerException", key))
        )
    assert any("cannot be read" in line["event"] for line in logs)
    station.present()
    assert station.statuses[-1] == "UsedToStart"


def test_no_evse_is_given_away_before_the_reservations_are_known() -> None:
    read: Deferred[Any] = Deferred()
    station = Station(store={}, loads=lambda _: read)
    station.present(card(OTHER))
    assert station.statuses == []
    read.resolve([stored(7)])
    station.world.settle()
    station.present(card(OTHER))
    assert station.statuses == ["Processing", "Rejected"]


def test_without_a_store_reservations_are_made_and_a_restart_forgets_them() -> None:
    station = Station()
    assert station.reserve(7, evse_id=1) == "Accepted"
    assert Station().exists(evse_id=1) == "NotReserved"
