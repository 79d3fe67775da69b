"""What happens to a token at a charger with one EVSE (reference evse-manager.md §9.1)."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.types.authorization import ValidationResultUpdate
from tests.modules.auth.station import CARD, Station, answer, card, id_token


def test_a_token_after_the_plug_starts_a_transaction() -> None:
    station = Station()
    station.event("SessionStarted", "AuthRequired")
    station.present()
    assert station.statuses == ["Processing", "Accepted", "UsedToStart"]
    assert station.authorized() == ["Accepted"]
    assert station.last_token.connectors == [1]
    station.event("Authorized", "TransactionStarted")
    station.world.advance(3600)
    assert station.withdrawn() == 0


def test_the_evse_is_told_of_the_token_with_its_evse_and_the_parent_of_its_validation() -> None:
    station = Station(answers=[answer(parent_id_token=id_token("FAMILY"))])
    station.present()
    call = station.world.calls(("evse_1", "evse"), EvseManager.authorize_response)[0]
    assert call["provided_token"] == card(connectors=[1], parent_id_token=id_token("FAMILY"))


def test_without_a_car_the_authorization_ends_with_the_connection_timeout() -> None:
    station = Station(connection_timeout=10)
    station.present()
    station.world.advance(9.9)
    assert station.withdrawn() == 0
    station.world.advance(0.2)
    assert station.withdrawn() == 1
    assert station.statuses[-1] == "TimedOut"
    station.event("Deauthorized", "SessionFinished")
    station.present()
    assert station.statuses[-1] == "UsedToStart"


def test_the_connection_timeout_can_be_set() -> None:
    station = Station(connection_timeout=10)
    station.world.call(("auth", "main"), AuthInterface.set_connection_timeout, 60)
    station.present()
    station.world.advance(59)
    assert station.withdrawn() == 0
    station.world.advance(2)
    assert station.withdrawn() == 1


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "Unknown", "Timeout"])
def test_a_token_that_no_validator_accepts_is_rejected(status: str) -> None:
    station = Station(answers=[answer(status)])  # type: ignore[arg-type]
    station.present()
    assert station.statuses == ["Processing", "Rejected"]
    assert station.authorized() == []


def test_a_refusal_is_told_to_the_evse_that_the_token_named() -> None:
    station = Station(answers=[answer("Blocked")])
    station.present(card(connectors=[1]))
    assert station.authorized() == ["Blocked"]
    assert station.statuses == ["Processing", "Rejected"]


def test_validators_are_asked_in_order_until_one_accepts() -> None:
    station = Station(answers=[answer("Invalid"), answer(), answer("Blocked")])
    station.present()
    asked = [
        len(station.world.calls((f"validator_{index}", "main"), AuthTokenValidator.validate_token))
        for index in range(3)
    ]
    assert asked == [1, 1, 0]
    assert station.statuses[-1] == "UsedToStart"


def test_a_validator_that_never_answers_ends_with_its_time_out_and_the_next_is_asked() -> None:
    station = Station(answers=[None, answer()])
    station.present()
    station.world.advance(AuthTokenValidator.validate_token.timeout_s - 1)
    assert station.statuses == ["Processing"]
    station.world.advance(2)
    assert station.statuses == ["Processing", "Accepted", "UsedToStart"]


def test_a_validator_that_fails_counts_as_one_that_does_not_know_the_token() -> None:
    station = Station(answers=[None])
    station.present()
    station.questions[0].fail(CallError("HandlerException", "no CSMS"))
    station.world.settle()
    assert station.statuses == ["Processing", "Rejected"]


def test_a_slow_validation_holds_nothing_up() -> None:
    station = Station(answers=[None])
    station.present()
    station.present(card("OTHER00000"))
    assert station.statuses == ["Processing", "Processing"]
    station.questions[1].resolve(answer("Blocked"))
    station.world.settle()
    assert station.statuses[-1] == "Rejected"
    assert station.last_token.id_token.value == "OTHER00000"
    station.world.advance(60)
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.statuses[-1] == "UsedToStart"


def test_a_token_that_is_being_validated_is_not_validated_twice() -> None:
    station = Station(answers=[None])
    station.present()
    station.present(card(CARD.lower()))
    assert station.statuses == ["Processing"]
    assert len(station.questions) == 1


def test_a_token_that_waits_for_its_car_is_not_processed_again() -> None:
    station = Station()
    station.present()
    station.present()
    assert station.statuses == ["Processing", "Accepted", "UsedToStart"]


def test_another_token_is_rejected_while_one_waits_for_its_car() -> None:
    station = Station()
    station.present()
    station.present(card("OTHER00000"))
    assert station.statuses[3:] == ["Processing", "Rejected"]


@pytest.mark.parametrize("token", [card(), card(CARD.lower())])
def test_the_same_token_again_stops_the_transaction(token: object) -> None:
    station = Station()
    station.charge()
    station.present(token)  # type: ignore[arg-type]
    assert station.stopped() == ["Local"]
    assert station.statuses[-2:] == ["Processing", "UsedToStop"]
    assert station.last_token.connectors == [1]
    request = station.world.calls(("evse_1", "evse"), EvseManager.stop_transaction)[0]["request"]
    assert request.id_tag == token


def test_a_token_not_from_a_reader_does_not_stop() -> None:
    station = Station()
    station.charge()
    station.present(card(authorization_type="OCPP"))
    assert station.stopped() == []
    assert station.statuses[-1] == "Rejected"


def test_the_same_token_again_can_be_left_to_the_driver() -> None:
    station = Station(stop_transaction_on_reswipe=False)
    station.charge()
    station.present()
    assert station.stopped() == []
    assert station.statuses[-1] == "UsedToReauthorize"
    assert station.last_token.connectors == [1]


def test_a_stop_that_the_evse_refuses_is_no_stop() -> None:
    station = Station()
    station.charge()
    station.stops = False
    station.present()
    assert station.statuses[-1] == "Rejected"


def test_a_token_of_the_same_group_stops_when_no_evse_is_free() -> None:
    station = Station(answers=[answer(parent_id_token=id_token("FAMILY"))])
    station.charge()
    station.present(card("SPOUSE0000"))
    assert station.stopped() == ["Local"]
    assert station.statuses[-1] == "UsedToStop"


def test_the_parent_token_itself_stops() -> None:
    station = Station(answers=[answer(parent_id_token=id_token("FAMILY"))])
    station.charge()
    station.present(card("family"))
    assert station.stopped() == ["Local"]


def test_the_parent_token_does_not_stop_what_has_not_begun() -> None:
    station = Station(answers=[answer(parent_id_token=id_token("FAMILY"))])
    station.present()
    station.present(card("family"))
    assert station.stopped() == []
    assert station.statuses[-1] == "Rejected"


def test_after_the_transaction_the_evse_is_taken_until_the_car_leaves() -> None:
    station = Station()
    station.charge()
    station.event("TransactionFinished")
    station.present(card("OTHER00000"))
    assert station.statuses[-1] == "Rejected"
    station.event("SessionFinished")
    station.present(card("OTHER00000"))
    assert station.statuses[-1] == "UsedToStart"


def test_a_transaction_that_ends_during_validation_leaves_nothing_to_stop() -> None:
    station = Station(answers=[None])
    station.event("SessionStarted")
    station.present()
    station.questions[0].resolve(answer(parent_id_token=id_token("FAMILY")))
    station.event("TransactionStarted")
    station.present(card("SPOUSE0000"))
    station.event("TransactionFinished")
    station.questions[1].resolve(answer(parent_id_token=id_token("FAMILY")))
    station.world.settle()
    assert station.stopped() == []
    assert station.statuses[-1] == "Rejected"


def test_an_evse_that_is_disabled_during_validation_is_not_authorized() -> None:
    station = Station(answers=[None])
    station.present()
    station.event("Disabled")
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.authorized() == []
    assert station.statuses == ["Processing", "Rejected"]


def test_a_car_that_leaves_before_the_evse_took_the_token_leaves_an_authorization_that_ends() -> None:
    station = Station()
    taken: Deferred[None] = Deferred()
    station.evses[1].handle(EvseManager.authorize_response, lambda **_: taken)
    station.event("SessionStarted")
    station.present()
    station.event("SessionFinished")
    taken.resolve(None)
    station.world.advance(11)
    assert station.withdrawn() == 1
    assert station.statuses == ["Processing", "Accepted", "UsedToStart", "TimedOut"]


def test_an_evse_that_does_not_answer_is_not_authorized() -> None:
    station = Station(connection_timeout=60)
    station.evses[1].handle(EvseManager.authorize_response, lambda **_: Deferred())
    station.present()
    station.world.advance(11)
    assert station.statuses == ["Processing", "Accepted", "Rejected"]
    assert station.withdrawn() == 1


def test_a_disabled_evse_takes_no_token_until_it_is_enabled() -> None:
    station = Station()
    station.event("Disabled")
    station.present()
    assert station.statuses == ["Processing", "Rejected"]
    station.event("Enabled")
    station.present()
    assert station.statuses[-1] == "UsedToStart"


@pytest.mark.parametrize(("ignore", "outcome"), [(False, "Rejected"), (True, "UsedToStart")])
def test_an_inoperative_evse_takes_no_token_unless_faults_are_ignored(ignore: bool, outcome: str) -> None:
    station = Station(ignore_connector_faults=ignore)
    station.evses[1].raise_error("evse_manager/Inoperative", "contactor")
    station.world.settle()
    station.present()
    assert station.statuses[-1] == outcome
    station.evses[1].clear_error("evse_manager/Inoperative")
    station.world.settle()
    station.present(card("OTHER00000"))
    assert station.statuses[-1] == ("UsedToStart" if not ignore else "Rejected")


def test_an_evse_whose_module_has_failed_takes_no_token() -> None:
    station = Station()
    station.evses[1].lose()
    station.world.settle()
    station.present()
    assert station.statuses == ["Processing", "Rejected"]


def test_a_prevalidated_token_is_not_validated() -> None:
    station = Station(answers=[answer("Blocked")])
    station.present(card(prevalidated=True))
    assert station.world.calls(("validator_0", "main"), AuthTokenValidator.validate_token) == []
    assert station.statuses[-1] == "UsedToStart"


def test_the_master_pass_stops_and_never_starts() -> None:
    master = answer(parent_id_token=id_token("POLICE"))
    station = Station(answers=[None], master_pass_group_id="police")
    station.event("SessionStarted")
    station.present(card("MASTER0000"))
    station.questions[0].resolve(master)
    station.world.settle()
    assert station.statuses == ["Processing", "Rejected"]
    station.present()
    station.questions[1].resolve(answer())
    station.event("TransactionStarted")
    station.present(card("MASTER0000"))
    station.questions[2].resolve(master)
    station.world.settle()
    assert station.stopped() == ["MasterPass"]
    assert station.statuses[-1] == "UsedToStop"


def test_the_master_pass_can_be_set() -> None:
    station = Station(answers=[answer(parent_id_token=id_token("POLICE"))])
    station.world.call(("auth", "main"), AuthInterface.set_master_pass_group_id, "POLICE")
    station.present()
    assert station.statuses == ["Processing", "Rejected"]


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ({}, "Accepted"),
        ({"evse_id": 1}, "Accepted"),
        ({"token": id_token(CARD.lower())}, "Accepted"),
        ({"evse_id": 1, "token": id_token()}, "Accepted"),
        ({"token": id_token("OTHER00000")}, "AuthorizationNotFound"),
        ({"evse_id": 7}, "EvseNotFound"),
    ],
)
def test_an_authorization_can_be_withdrawn(arguments: dict[str, object], result: str) -> None:
    station = Station()
    station.present()
    assert station.withdraw(**arguments) == result  # type: ignore[arg-type]
    accepted = result == "Accepted"
    assert station.withdrawn() == accepted
    assert station.statuses[-1] == ("Withdrawn" if accepted else "UsedToStart")


def test_withdrawing_from_a_running_transaction_stops_it() -> None:
    station = Station()
    station.charge()
    assert station.withdraw() == "Accepted"
    assert station.stopped() == ["DeAuthorized"]
    assert station.withdrawn() == 0


def test_a_token_that_is_withdrawn_during_its_validation_does_nothing_afterwards() -> None:
    station = Station(answers=[None])
    station.present()
    assert station.withdraw(token=id_token()) == "Accepted"
    assert station.statuses == ["Processing", "Withdrawn"]
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.authorized() == []
    station.present()
    station.questions[1].resolve(answer())
    station.world.settle()
    assert station.statuses[-1] == "UsedToStart"


def test_a_late_answer_does_not_count_for_another_token() -> None:
    station = Station(answers=[None])
    station.present()
    station.withdraw(token=id_token())
    station.present(card("OTHER00000"))
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.statuses == ["Processing", "Withdrawn", "Processing"]
    assert station.authorized() == []


def test_an_answer_after_its_time_out_does_not_count_for_the_next_validator() -> None:
    station = Station(answers=[None, None])
    station.present()
    station.world.advance(AuthTokenValidator.validate_token.timeout_s)
    assert len(station.questions) == 2
    station.questions[0].resolve(answer())
    station.world.settle()
    assert station.statuses == ["Processing"]


def test_a_token_that_is_withdrawn_before_the_evse_took_it_has_one_outcome() -> None:
    station = Station()
    taken: Deferred[None] = Deferred()
    station.evses[1].handle(EvseManager.authorize_response, lambda **_: taken)
    station.present()
    assert station.withdraw() == "Accepted"
    taken.resolve(None)
    station.world.advance(60)
    assert station.statuses == ["Processing", "Accepted", "Withdrawn"]
    assert station.withdrawn() == 1


def test_a_later_answer_of_the_validator_brings_the_parent() -> None:
    station = Station()
    station.charge()
    update = ValidationResultUpdate(
        validation_result=answer(parent_id_token=id_token("FAMILY")), connector_id=1
    )
    station.validators[0].publish(AuthTokenValidator.validate_result_update, update)
    station.world.settle()
    assert station.statuses[-1] == "Accepted"
    station.present(card("FAMILY"))
    assert station.stopped() == ["Local"]


def test_no_log_line_tells_a_token() -> None:
    with capture_logs() as logs:
        station = Station(answers=[None])
        station.present()
        station.present()
        station.questions[0].fail(CallError("HandlerException", "no CSMS"))
        station.world.settle()
        station.present(card(connectors=[4]))
    assert logs
    assert CARD not in str(logs)
    assert "…BE00" in str(logs)
