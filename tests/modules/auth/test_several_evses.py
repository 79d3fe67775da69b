"""Which EVSE a token is for, at a station with two."""

from __future__ import annotations

import pytest

from tests.modules.auth.station import Station, answer, card, id_token


def test_the_car_that_waits_longest_gets_the_token() -> None:
    station = Station(evses=2)
    station.event("SessionStarted", evse=2)
    station.event("SessionStarted", evse=1)
    station.present()
    assert (station.authorized(1), station.authorized(2)) == ([], ["Accepted"])
    station.present(card("OTHER00000"))
    assert station.authorized(1) == ["Accepted"]


def test_a_car_whose_authorization_timed_out_gets_the_next_token() -> None:
    station = Station(evses=2)
    station.event("SessionStarted", evse=2)
    station.present()
    station.world.advance(10.1)
    assert station.statuses[-1] == "TimedOut"
    station.present()
    assert (station.authorized(1), station.authorized(2)) == ([], ["Accepted", "Accepted"])


def test_without_a_car_the_first_free_evse_gets_the_token() -> None:
    station = Station(evses=2)
    station.charge(evse=1)
    station.present(card("OTHER00000"))
    assert station.authorized(2) == ["Accepted"]


def test_a_token_for_one_evse_goes_to_no_other() -> None:
    station = Station(evses=2)
    station.event("SessionStarted", evse=1)
    station.present(card(connectors=[2, 9]))
    assert (station.authorized(1), station.authorized(2)) == ([], ["Accepted"])


def test_a_token_that_is_valid_elsewhere_only_is_not_at_this_location() -> None:
    station = Station(evses=2, answers=[answer(evse_ids=[9])])
    station.present(card(connectors=[1]))
    assert station.authorized(1) == ["NotAtThisLocation"]
    assert station.statuses == ["Processing", "Rejected"]


def test_a_token_that_is_valid_for_one_evse_goes_there() -> None:
    station = Station(evses=2, answers=[answer(evse_ids=[2])])
    station.present()
    assert station.authorized(2) == ["Accepted"]


@pytest.mark.parametrize(
    ("prioritize", "stopped", "started"), [(True, [], ["Accepted"]), (False, ["Local"], [])]
)
def test_a_token_of_a_group_starts_or_stops_as_configured(
    prioritize: bool, stopped: list[str], started: list[str]
) -> None:
    station = Station(
        evses=2,
        answers=[answer(parent_id_token=id_token("FAMILY"))],
        prioritize_authorization_over_stopping_transaction=prioritize,
    )
    station.charge(evse=1)
    station.present(card("SPOUSE0000"))
    assert station.stopped(1) == stopped
    assert station.authorized(2) == started


def test_the_master_pass_stops_all_transactions_also_while_an_evse_is_free() -> None:
    station = Station(evses=3, answers=[None], master_pass_group_id="POLICE")
    for evse in (1, 2):
        station.event("SessionStarted", evse=evse)
        station.present(card(f"CARD{evse}00000"))
        station.questions[-1].resolve(answer())
        station.event("TransactionStarted", evse=evse)
    station.present(card("MASTER0000"))
    station.questions[-1].resolve(answer(parent_id_token=id_token("POLICE")))
    station.world.settle()
    assert (station.stopped(1), station.stopped(2), station.stopped(3)) == (
        ["MasterPass"],
        ["MasterPass"],
        [],
    )
    assert station.last_token.connectors == [1, 2]


@pytest.mark.parametrize(("algorithm", "chosen"), [("PlugEvents", 1), ("PlugEventsLIFO", 2)])
def test_plug_events_choose_the_oldest_or_the_newest_car(algorithm: str, chosen: int) -> None:
    station = Station(evses=3, selection_algorithm=algorithm)
    station.event("SessionStarted", evse=1)
    station.event("SessionStarted", evse=2)
    station.present()
    assert station.authorized(chosen) == ["Accepted"]


def test_with_plug_events_a_token_waits_for_a_car() -> None:
    station = Station(evses=2, selection_algorithm="PlugEvents")
    station.present()
    assert station.statuses == ["Processing", "Accepted"]
    station.world.advance(5)
    station.event("SessionStarted", evse=2)
    assert station.authorized(2) == ["Accepted"]
    assert station.statuses[-1] == "UsedToStart"


def test_with_plug_events_a_token_waits_no_longer_than_the_connection_timeout() -> None:
    station = Station(evses=2, selection_algorithm="PlugEvents", connection_timeout=10)
    station.present()
    station.world.advance(10.1)
    assert station.statuses == ["Processing", "Accepted", "TimedOut"]
    station.event("SessionStarted", evse=2)
    assert station.authorized(2) == []


def test_row_68_a_driver_who_shows_no_token_in_time_must_replug() -> None:
    station = Station(evses=2, plug_in_timeout_enabled=True, connection_timeout=10)
    station.event("SessionStarted", evse=1)
    station.world.advance(10.1)
    assert station.withdrawn(1) == 1
    station.present(card(connectors=[1]))
    assert station.statuses[-1] == "Rejected"
    station.event("SessionFinished", "SessionStarted", evse=1)
    station.present(card(connectors=[1]))
    assert station.statuses[-1] == "UsedToStart"
    station.world.advance(3)
    station.event("TransactionStarted", evse=1)
    station.world.advance(60)
    assert station.withdrawn(1) == 1


def test_a_transaction_can_be_stopped_on_an_evse_that_was_disabled_meanwhile() -> None:
    station = Station(evses=2)
    station.charge(evse=1)
    station.event("Disabled", evse=1)
    station.present()
    assert station.stopped(1) == ["Local"]


def test_one_evse_withdrawn_leaves_the_other_authorized() -> None:
    station = Station(evses=2)
    station.present(card("CARD100000", connectors=[1]))
    station.present(card("CARD200000", connectors=[2]))
    assert station.withdraw(evse_id=2) == "Accepted"
    assert (station.withdrawn(1), station.withdrawn(2)) == (0, 1)


def test_evses_that_do_not_tell_their_number_have_that_of_their_place() -> None:
    station = Station(evses=2, numbers_known=False)
    station.present(card(connectors=[2]))
    assert station.authorized(2) == ["Accepted"]


def test_withdrawing_from_one_evse_leaves_a_token_that_may_get_another() -> None:
    station = Station(evses=2, answers=[None])
    station.present(card("CARD100000", connectors=[1]))
    station.present(card("CARD200000"))
    assert station.withdraw(evse_id=1) == "Accepted"
    assert station.statuses == ["Processing", "Processing", "Withdrawn"]
    assert station.last_token.id_token.value == "CARD100000"
