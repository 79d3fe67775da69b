"""The shell of EvseManager when something fails: peers, lost modules, and the kernel itself."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.store import StoreError
from evse_daemon.types.powermeter import TransactionStartResponse
from tests.modules.evse_manager.evse_world import BOARD, EVSE, LOCK, METER, EvseWorld
from tests.modules.evse_manager.supervised import Supervised
from tests.support.fakes import FakeJournal

INOPERATIVE = "evse_manager/Inoperative"

SOURCES = [
    ("board", "evse_board_support/MREC8EmergencyStop"),
    ("board", "ac_rcd/AC"),
    ("rcd", "ac_rcd/DC"),
    ("lock", "connector_lock/ConnectorLockFailedLock"),
    ("meter", "powermeter/CommunicationFault"),
]


@pytest.mark.parametrize(("source", "type_"), SOURCES)
def test_an_error_of_any_source_cuts_power_and_its_end_resumes(source: str, type_: str) -> None:
    evse = EvseWorld()
    evse.charge()
    peer = getattr(evse, source)
    evse.fail(peer, type_)
    assert evse.power[-1] is False
    assert evse.errors == [INOPERATIVE]
    (inoperative,) = evse.world.active_errors(EVSE)
    assert inoperative.message == type_
    assert evse.names[-2:] == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    evse.mend(peer, type_)
    assert evse.errors == []
    assert evse.contactor_closed


def test_the_same_error_of_board_and_device_lasts_until_both_are_gone() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.fail(evse.rcd, "ac_rcd/DC")
    evse.fail(evse.board, "ac_rcd/DC")
    evse.mend(evse.rcd, "ac_rcd/DC")
    assert not evse.contactor_closed
    evse.mend(evse.board, "ac_rcd/DC")
    assert evse.contactor_closed


def test_errors_of_the_meter_may_be_ignored() -> None:
    evse = EvseWorld(fail_on_powermeter_errors=False)
    evse.charge()
    evse.fail(evse.meter, "powermeter/CommunicationFault")
    assert evse.contactor_closed
    assert evse.errors == []


def test_a_meter_that_does_not_bill_may_fail() -> None:
    evse = EvseWorld(car_meter=True)
    evse.charge()
    evse.fail(evse.meter, "powermeter/CommunicationFault")
    assert evse.contactor_closed


@pytest.mark.parametrize("source", ["board", "rcd", "lock", "meter"])
def test_a_module_that_failed_for_good_ends_charging(source: str) -> None:
    evse = EvseWorld()
    evse.charge()
    getattr(evse, source).lose()
    evse.world.settle()
    assert evse.power[-1] is False
    assert INOPERATIVE in evse.errors
    assert "CommunicationFault" in evse.world.active_errors(EVSE)[-1].description
    assert evse.names[7] == "StoppingCharging"


def test_a_lost_meter_is_none_of_our_business_where_its_errors_are_not() -> None:
    evse = EvseWorld(fail_on_powermeter_errors=False)
    evse.charge()
    evse.meter.lose()
    evse.world.settle()
    assert evse.contactor_closed
    evse.cp("A")
    assert evse.names[-2:] == ["TransactionFinished(EVDisconnected)", "SessionFinished"]


def refuse(**_: Any) -> None:
    raise CallError("Timeout", "no answer")


def test_a_lock_that_refuses_is_an_error_and_no_power() -> None:
    evse = EvseWorld()
    evse.lock.handle(ConnectorLock.lock, refuse)
    evse.boot()
    evse.enforce(16.0)
    evse.cp("B")
    assert evse.errors == ["evse_manager/Internal", INOPERATIVE]
    evse.authorize()
    evse.cp("C")
    assert True not in evse.power
    evse.lock.handle(ConnectorLock.lock, lambda: None)
    evse.cp("A")
    assert evse.errors == []
    evse.charge()


def test_a_lock_that_answers_late_holds_power_back() -> None:
    evse = EvseWorld()
    answer: Deferred[None] = Deferred()
    evse.lock.handle(ConnectorLock.lock, lambda: answer)
    evse.boot()
    evse.enforce(16.0)
    evse.cp("B")
    evse.authorize()
    evse.cp("C")
    assert True not in evse.power
    answer.resolve(None)
    evse.world.settle()
    assert evse.contactor_closed
    assert len(evse.world.calls(LOCK, ConnectorLock.lock)) == 1


def test_a_meter_that_refuses_to_start() -> None:
    evse = EvseWorld()
    failed = TransactionStartResponse(status="UNEXPECTED_ERROR", error="sealed")
    evse.meter.handle(PowermeterInterface.start_transaction, lambda value: failed)
    evse.boot()
    evse.enforce(16.0)
    evse.cp("B")
    evse.authorize()
    assert evse.errors == ["evse_manager/PowermeterTransactionStartFailed", INOPERATIVE]
    assert "sealed" in evse.world.active_errors(EVSE)[0].message
    assert evse.names[-1] == "Authorized"
    evse.cp("A")
    assert evse.errors == []


def test_a_meter_whose_call_fails_is_told_to_stop() -> None:
    evse = EvseWorld()
    evse.meter.handle(PowermeterInterface.start_transaction, refuse)
    evse.boot()
    evse.cp("B")
    evse.authorize()
    assert evse.errors == ["evse_manager/PowermeterTransactionStartFailed", INOPERATIVE]
    stops = evse.world.calls(METER, PowermeterInterface.stop_transaction)
    assert [bool(call["transaction_id"]) for call in stops] == [False, True], "at boot; then this one"


def test_a_contactor_that_does_not_open_is_an_error() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.contactor_follows = False
    evse.cp("B")
    evse.world.advance(1.1)
    assert evse.errors == ["evse_manager/Internal", INOPERATIVE]
    assert evse.world.active_errors(EVSE)[0].sub_type == "ContactorWelded"
    assert evse.world.calls(LOCK, ConnectorLock.unlock) == [{}]


def test_a_journal_that_cannot_be_read_at_boot_does_not_keep_the_evse_out_of_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(*_: Any) -> None:
        raise StoreError("a damaged file")

    monkeypatch.setattr(FakeJournal, "open_transactions", unreadable)
    evse = EvseWorld()
    evse.boot()
    assert evse.names == ["Enabled"]


def test_the_outputs_are_made_safe_without_the_core() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.world.recorder.clear()
    evse.board.handle(EvseBoardSupport.cp_state_X1, refuse)
    evse.evse.make_safe()
    evse.world.settle()
    calls = [entry.name for entry in evse.world.recorder.select("call", *BOARD)]
    assert calls == ["allow_power_on", "cp_state_X1"]
    assert not evse.contactor_closed


# The kernel fails


@pytest.fixture
def crashed(monkeypatch: pytest.MonkeyPatch) -> Supervised:
    evse = Supervised()
    evse.charge()
    evse.crash(monkeypatch)
    return evse


def test_a_kernel_that_fails_powers_off_first(crashed: Supervised) -> None:
    calls = [entry.name for entry in crashed.world.recorder.select("call", *BOARD)]
    assert calls[:2] == ["allow_power_on", "cp_state_X1"]
    assert crashed.power == [False]
    assert not crashed.contactor_closed
    assert crashed.recovered == [True]
    assert crashed.errors == ["evse_manager/Internal", INOPERATIVE]


def test_it_begins_anew_as_after_a_crash(crashed: Supervised) -> None:
    crashed.world.advance(2.1)
    assert crashed.names == ["SessionResumed", "TransactionFinished(PowerLoss)", "SessionFinished", "Enabled"]
    assert crashed.errors == []
    crashed.enforce(16.0)
    crashed.cp("C")
    crashed.authorize()
    assert crashed.contactor_closed
    assert crashed.names[-1] == "ChargingStarted"


def test_three_times_then_it_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    for _ in range(4):
        evse.crash(monkeypatch)
        evse.world.advance(10)
    assert evse.recovered == [True] * 4
    assert evse.evse.state.charger == "Starting"
    assert evse.errors == ["evse_manager/Internal", INOPERATIVE]
    evse.enforce(16.0)
    evse.cp("C")
    evse.authorize()
    evse.world.advance(3600)
    assert True not in evse.power


def test_a_failure_while_it_waits_to_begin_anew_begins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.crash(monkeypatch)
    evse.world.advance(1)
    evse.crash(monkeypatch)
    evse.world.advance(1.5)
    assert evse.names == []
    evse.world.advance(1)
    assert evse.names == ["Enabled"]


def test_a_session_without_a_transaction_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.cp("B")
    old = evse.events[-1].uuid
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    assert evse.names == ["SessionFinished", "Enabled"]
    assert evse.events[0].uuid == old
    evse.cp("B")
    assert evse.names[2:] == ["SessionStarted(EVConnected)", "AuthRequired"]


def test_what_still_prevents_charging_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.crash(monkeypatch)
    evse.fail(evse.rcd, "ac_rcd/DC")
    evse.world.advance(2.1)
    assert evse.errors == [INOPERATIVE]
    assert evse.world.active_errors(EVSE)[0].message == "ac_rcd/DC"
    evse.mend(evse.rcd, "ac_rcd/DC")
    assert evse.errors == []


def test_a_weld_is_not_forgotten_and_passing_errors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.contactor_follows = False
    evse.cp("B")
    evse.world.advance(1.1)
    evse.board.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, refuse)
    evse.enforce(10.0)
    assert {error.sub_type for error in evse.world.active_errors(EVSE)} == {"ContactorWelded", "Board", ""}
    evse.board.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    assert {error.sub_type for error in evse.world.active_errors(EVSE)} == {"ContactorWelded", ""}
    evse.cp("B")
    evse.enforce(16.0)
    evse.authorize()
    evse.cp("C")
    assert True not in evse.power


def test_an_end_that_is_not_stored_yet_is_not_ended_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.world.journal.memory.failure = "disk full"
    evse.cp("A")
    assert evse.names[-1] == "SessionFinished"
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    assert evse.names == ["Enabled"]
    evse.world.journal.memory.failure = None
    evse.world.advance(20)
    assert evse.errors == []
    assert [kind for kind, _, _ in evse.world.journal.records] == [
        "transaction_started",
        "transaction_finished",
    ]


def test_an_answer_to_the_kernel_that_failed_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.enforce(16.0)
    answers: list[Deferred[None]] = []

    def lock() -> Deferred[None]:
        answers.append(Deferred())
        return answers[-1]

    evse.lock.handle(ConnectorLock.lock, lock)
    evse.cp("B")
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    evse.enforce(16.0)
    for state in ("A", "B"):
        evse.cp(state)
    evse.authorize()
    evse.cp("C")
    assert len(answers) == 2
    answers[0].resolve(None)
    evse.world.settle()
    assert True not in evse.power
    answers[1].resolve(None)
    evse.world.settle()
    assert evse.contactor_closed


def test_external_ready_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave it at boot knows nothing of a kernel that failed."""
    evse = Supervised(external_ready_to_start_charging=True)
    evse.boot()
    evse.world.call(EVSE, Interface.external_ready_to_start_charging)
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    assert evse.names == ["Enabled"]


def test_what_the_operator_disabled_stays_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.enable("Disable")
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    assert evse.names == ["Disabled"]
