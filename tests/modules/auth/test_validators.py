"""Several readers and several validators, quick and slow ones (reference evse-manager.md §9.1, steps 2 and 6 to 9)."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.types.authorization import ValidationResult
from tests.modules.auth.station import OTHER, Station, answer, card, id_token

FAMILY = answer(parent_id_token=id_token("FAMILY"))
POLICE = answer(parent_id_token=id_token("POLICE"))
TIMEOUT_S = AuthTokenValidator.validate_token.timeout_s


def answers(station: Station, result: ValidationResult | None) -> None:
    """The validator that was asked last says this, or fails."""
    if result is None:
        station.questions[-1].fail(CallError("HandlerException", "no CSMS"))
    else:
        station.questions[-1].resolve(result)
    station.world.settle()


@pytest.mark.parametrize(
    ("said", "asked", "outcome"),
    [
        ([answer()], [1, 0, 0], "UsedToStart"),
        ([answer("Invalid"), answer()], [1, 1, 0], "UsedToStart"),
        ([None, answer("Blocked"), answer()], [1, 1, 1], "UsedToStart"),
        ([answer("Invalid"), None, answer("Unknown")], [1, 1, 1], "Rejected"),
        ([answer(evse_ids=[9]), answer(evse_ids=[1])], [1, 1, 0], "UsedToStart"),
        ([answer(evse_ids=[9]), answer("Invalid"), None], [1, 1, 1], "Rejected"),
        # No master pass is configured: it is a group as any other.
        ([POLICE], [1, 0, 0], "UsedToStart"),
    ],
)
def test_the_first_acceptance_wins_and_ends_the_asking(
    said: list[ValidationResult | None], asked: list[int], outcome: str
) -> None:
    station = Station(answers=[None, None, None])
    station.present()
    for result in said:
        answers(station, result)
    assert station.asked() == asked
    assert station.statuses[0] == "Processing"
    assert station.statuses[-1] == outcome


@pytest.mark.parametrize("after_s", [0, 1, 60, TIMEOUT_S - 1])
def test_a_validator_may_take_its_time(after_s: float) -> None:
    station = Station(answers=[None])
    station.present()
    station.world.advance(after_s)
    answers(station, answer())
    assert station.statuses == ["Processing", "Accepted", "UsedToStart"]


def test_validators_that_never_answer_end_in_a_refusal() -> None:
    station = Station(answers=[None, None])
    station.present()
    station.world.advance(2 * TIMEOUT_S + 1)
    assert station.statuses == ["Processing", "Rejected"]
    assert station.asked() == [1, 1]


def test_an_answer_that_is_late_or_comes_twice_changes_nothing() -> None:
    station = Station(answers=[None])
    station.present()
    station.world.advance(TIMEOUT_S + 1)
    assert station.statuses == ["Processing", "Rejected"]
    answers(station, answer())
    assert station.given() == []
    station.present()
    answers(station, answer("Blocked"))
    answers(station, answer())
    assert station.statuses == ["Processing", "Rejected"] * 2
    assert station.given() == []


def test_a_validator_whose_module_has_failed_is_passed_over() -> None:
    station = Station(answers=[None, answer()])
    station.validators[0].lose()
    station.present()
    assert station.statuses[-1] == "UsedToStart"


def test_the_order_of_answers_decides_who_gets_the_last_evse() -> None:
    station = Station(answers=[None])
    station.present()
    station.present(card(OTHER))
    station.questions[1].resolve(answer())
    station.world.settle()
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.given() == [(OTHER, None)]
    assert station.statuses == ["Processing", "Processing", "Accepted", "UsedToStart", "Rejected"]


def test_a_card_on_two_readers_is_processed_once() -> None:
    station = Station(answers=[None])
    station.present(reader=0)
    station.present(reader=1)
    assert station.statuses == ["Processing"]
    answers(station, answer())
    station.present(reader=1)
    assert station.statuses == ["Processing", "Accepted", "UsedToStart"]


def test_two_cards_on_two_readers_get_two_evses() -> None:
    station = Station(evses=2)
    station.present(reader=0)
    station.present(card(OTHER), reader=1)
    assert (len(station.given(1)), len(station.given(2))) == (1, 1)


@pytest.mark.parametrize(
    ("free", "options", "said", "asked", "outcome"),
    [
        # No EVSE is free: a later validator may know of the group whose transaction is to be stopped.
        (False, {}, [answer(), FAMILY], 2, "UsedToStop"),
        (False, {}, [answer("Invalid"), FAMILY], 2, "UsedToStop"),
        (False, {}, [answer(), answer("Invalid")], 2, "Rejected"),
        (False, {}, [FAMILY], 1, "UsedToStop"),
        (False, {"stop_transaction_on_reswipe": False}, [answer(), FAMILY], 2, "UsedToReauthorize"),
        # One is free: it is authorized, unless stopping comes first.
        (True, {}, [FAMILY], 1, "UsedToStart"),
        (True, {}, [answer()], 1, "UsedToStart"),
        (True, {"prioritize_authorization_over_stopping_transaction": False}, [FAMILY], 1, "UsedToStop"),
        (
            True,
            {"prioritize_authorization_over_stopping_transaction": False},
            [answer(), FAMILY],
            2,
            "UsedToStop",
        ),
        (
            True,
            {"prioritize_authorization_over_stopping_transaction": False},
            [answer(), None],
            2,
            "UsedToStart",
        ),
        (
            True,
            {"prioritize_authorization_over_stopping_transaction": False},
            [answer("Invalid"), answer()],
            2,
            "UsedToStart",
        ),
        # The master pass stops, free or not, and never starts.
        (True, {"master_pass_group_id": "POLICE"}, [POLICE], 1, "UsedToStop"),
        (False, {"master_pass_group_id": "POLICE"}, [answer("Invalid"), POLICE], 2, "UsedToStop"),
        (False, {"master_pass_group_id": "POLICE"}, [answer(), POLICE], 2, "UsedToStop"),
    ],
)
def test_a_group_stops_or_starts(
    free: bool, options: dict[str, Any], said: list[ValidationResult | None], asked: int, outcome: str
) -> None:
    station = Station(evses=2 if free else 1, answers=[None, None], **options)
    station.event("SessionStarted")
    station.present(card(OTHER))
    answers(station, FAMILY)
    station.event("TransactionStarted")
    before = sum(station.asked())
    station.present()
    for result in said:
        answers(station, result)
    assert station.statuses[-1] == outcome
    assert sum(station.asked()) - before == asked
    assert bool(station.stopped(1)) == (outcome == "UsedToStop")


def test_a_card_that_others_name_as_their_group_is_stopped_by_them() -> None:
    station = Station(evses=2, answers=[None], prioritize_authorization_over_stopping_transaction=False)
    station.event("SessionStarted")
    station.present(card("FAMILY"))
    answers(station, answer())
    station.event("TransactionStarted")
    station.present(card(OTHER))
    answers(station, FAMILY)
    assert station.stopped() == ["Local"]


def test_a_group_that_has_an_evse_already_gets_no_second_where_stopping_comes_first() -> None:
    station = Station(evses=2, answers=[FAMILY], prioritize_authorization_over_stopping_transaction=False)
    station.present()
    station.present(card(OTHER))
    assert station.statuses[-1] == "Rejected"
    assert station.stopped() == []


def test_a_prevalidated_token_brings_its_own_group() -> None:
    station = Station(evses=1, answers=[FAMILY])
    station.charge(card(OTHER))
    token = card(prevalidated=True, parent_id_token=id_token("family"))
    station.present(token)
    assert station.stopped() == ["Local"]
    assert station.asked() == [1]


@pytest.mark.parametrize(
    ("disabled", "outcome"),
    [((1,), "UsedToStart"), ((2,), "UsedToStart"), ((1, 2), "Rejected"), ((None,), "Rejected")],
)
def test_an_evse_with_two_connectors_can_be_used_as_long_as_one_is_in_service(
    disabled: tuple[int | None, ...], outcome: str
) -> None:
    station = Station(types=[("cType2", "cCCS2")])
    for connector in disabled:
        station.event("Disabled", connector=connector)
    station.present()
    assert station.statuses[-1] == outcome
    for connector in disabled:
        station.event("Enabled", connector=connector)
    station.present(card(OTHER, connectors=[1]))
    assert station.authorized().count("Accepted") == 1


def test_an_evse_with_two_connectors_has_one_session_at_a_time() -> None:
    station = Station(types=[("cType2", "cCCS2")])
    station.charge()
    station.present(card(OTHER))
    assert station.statuses[-1] == "Rejected"
    station.event("TransactionFinished", "SessionFinished", connector=2)
    station.present(card(OTHER))
    assert station.statuses[-1] == "UsedToStart"


@pytest.mark.parametrize("evses", [1, 2])
def test_the_time_to_present_a_token_after_the_plug_is_limited_where_that_is_wanted(evses: int) -> None:
    station = Station(evses=evses, plug_in_timeout_enabled=True, connection_timeout=20)
    station.event("SessionStarted")
    station.world.advance(19)
    assert station.withdrawn() == 0
    station.world.advance(2)
    assert station.withdrawn() == 1
    station.present(card(connectors=[1]))
    assert station.statuses[-1] == "Rejected"
    station.event("SessionFinished", "SessionStarted")
    station.present(card(connectors=[1]))
    assert station.statuses[-1] == "UsedToStart"
