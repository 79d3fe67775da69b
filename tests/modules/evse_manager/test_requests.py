"""Requests of the core to store, meter and lock: order, failures, late answers; and that the core is pure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.step import next_deadline_s, step
from evse_daemon.types.powermeter import TransactionStartResponse, TransactionStopResponse
from evse_daemon.types.units_signed import SignedMeterValue
from tests.modules.evse_manager.plant import ACCEPTED, TOKEN, UTC, Plant, meter
from tests.modules.evse_manager.scenario import ENDED, News, Scenario, cause, source

STORE_START = "+Internal/StoreStart +Inoperative"
STORE_END = "+Internal/StoreEnd +Inoperative"


def asked_the_store() -> Scenario:
    """A card was presented; the start of the transaction waits for the store."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    evse.authorize()
    evse.answer()
    evse.since_last()
    return evse


def commits(evse: Plant) -> list[fx.Commit]:
    return [request for request in evse.pending if isinstance(request, fx.Commit)]


def test_the_start_is_stored_before_it_is_told_and_the_end_after_the_meter() -> None:
    evse = Scenario()
    evse.charging()
    evse.cp("A")
    order = [what for what in evse.order if not what.startswith("<")]
    start, end = order.index("TransactionStarted"), order.index("TransactionFinished")
    assert order[start - 2 : start] == ["meter.start", "commit transaction_started"]
    assert order[end - 3 : end] == ["meter.stop", "commit transaction_finished", "ChargingFinished"]


def test_no_power_before_the_start_is_stored() -> None:
    evse = asked_the_store()
    assert evse.cp("C") == News()
    assert evse.wait(9) == News()
    evse.answer()
    assert evse.since_last() == News(
        "TransactionStarted PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33"
    )


@pytest.mark.parametrize("answers", [True, False], ids=["it fails", "it does not answer"])
def test_a_start_that_cannot_be_stored_is_none(answers: bool) -> None:
    evse = asked_the_store()
    evse.cp("C")
    if answers:
        evse.answer("disk full")
    else:
        evse.advance(10.1)
    assert evse.since_last() == News(errors=STORE_START, meter="stop")
    assert evse.state.charger == "Finished"
    assert commits(evse)[-1].payload["void"] is True
    evse.prompt = True
    while evse.pending:
        evse.answer()
    assert evse.cp("A").errors == "-Internal/StoreStart -Inoperative"


def test_a_start_that_is_stored_too_late_changes_nothing() -> None:
    evse = asked_the_store()
    evse.cp("C")
    evse.advance(10.1)
    evse.since_last()
    evse.answer()
    assert evse.since_last() == News()


def test_what_happens_while_the_store_thinks_counts_when_it_has_answered() -> None:
    evse = asked_the_store()
    assert evse.errors_are(cause("ac_rcd/DC")) == News(errors="+Inoperative")
    assert evse.cp("A") == News(lock="unlock")
    evse.answer()
    evse.prompt = True
    while evse.pending:
        evse.answer()
    assert evse.since_last() == News(
        f"TransactionStarted PrepareCharging StoppingCharging {ENDED}", pilot="F", meter="stop"
    )


def test_an_end_that_cannot_be_stored_is_told_is_an_error_and_is_tried_again() -> None:
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    evse.cp("A")
    evse.move_contactor()
    evse.answer_all_but_commits()
    evse.since_last()
    evse.answer("disk full")
    assert evse.since_last() == News(pilot="F", errors=STORE_END)
    assert evse.events[-1].event == "SessionFinished"
    assert evse.wait(9.9) == News()
    evse.advance(0.2)
    assert [commit.kind for commit in commits(evse)] == ["transaction_finished"]
    evse.answer("disk full")
    assert evse.since_last() == News()
    evse.advance(10.1)
    evse.answer()
    assert evse.since_last() == News(pilot="X1", errors="-Internal/StoreEnd -Inoperative")
    assert evse.wait(600) == News()
    assert not commits(evse)


def test_no_car_charges_while_an_end_is_not_stored() -> None:
    evse = Scenario()
    evse.charging()
    evse.accepted(ev.Stop("Remote"))
    evse.prompt = False
    evse.cp("B")
    evse.move_contactor()
    evse.answer_all_but_commits()
    evse.answer("disk full")
    evse.cp("A")
    evse.cp("B")
    assert evse.state.charger == "Idle"
    assert evse.pilot == "F"


def test_a_meter_that_does_not_answer_does_not_hold_up_the_end() -> None:
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    evse.cp("A")
    assert evse.after_contactor().meter == "stop"
    assert evse.wait(9.9) == News()
    assert evse.wait(0.2).events == ENDED


def signed(data: str) -> SignedMeterValue:
    return SignedMeterValue(signed_meter_data=data, signing_method="dummy", encoding_method="plain")


@pytest.mark.parametrize("early", [True, False], ids=["signed at the start", "signed at the end"])
def test_signed_values_are_passed_on(early: bool) -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    evse.authorize()
    request = evse.pending.pop()
    assert isinstance(request, fx.StartMeter)
    assert request.token == TOKEN
    value = signed("start") if early else None
    evse.tell(
        ev.MeterStarted(request.request_id, TransactionStartResponse(status="OK", signed_meter_value=value))
    )
    evse.answer()
    started = evse.events[-2].transaction_started
    assert started is not None
    assert started.signed_meter_value == value
    evse.tell(ev.Stop("Local"))
    stop = evse.pending.pop()
    assert isinstance(stop, fx.StopMeter)
    assert stop.session_id == request.session_id == evse.events[-1].uuid
    response = TransactionStopResponse(
        status="OK", start_signed_meter_value=signed("late"), signed_meter_value=signed("end")
    )
    evse.tell(ev.MeterStopped(stop.request_id, response))
    finished = evse.events[-1].transaction_finished
    assert finished is not None
    assert finished.start_signed_meter_value == signed("start" if early else "late")
    assert finished.signed_meter_value == signed("end")


def test_a_meter_that_cannot_sign_is_no_failure() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    evse.authorize()
    request = evse.pending.pop()
    evse.tell(ev.MeterStarted(request.request_id, TransactionStartResponse(status="NOT_SUPPORTED")))
    evse.answer()
    assert evse.since_last().events.endswith("TransactionStarted PrepareCharging")


def test_a_meter_that_runs_backwards_is_not_believed_within_a_transaction() -> None:
    evse = Scenario()
    evse.begin()
    evse.sample(500.0)
    evse.sample(-500.0)
    assert evse.state.meter == meter(0.0)
    evse.sample(100.0)
    evse.cp("B")
    evse.authorize()
    evse.sample(-50.0)
    assert evse.state.meter == meter(100.0)
    evse.sample(60.0)
    evse.cp("A")
    finished = next(event.transaction_finished for event in evse.events if event.transaction_finished)
    assert finished.meter_value == meter(110.0)


def test_unplugged_while_the_meter_starts() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    assert evse.authorized() == News("Authorized", meter="start")
    assert evse.cp("A") == News("SessionFinished", lock="unlock", meter="stop")
    request = next(each for each in evse.pending if isinstance(each, fx.StartMeter))
    assert evse.after(ev.MeterStarted(request.request_id, TransactionStartResponse(status="OK"))) == News()


def test_the_end_carries_the_reason_that_was_given_last() -> None:
    evse = Scenario()
    evse.charging()
    evse.disable()
    evse.accepted(ev.Stop("PowerLoss"))
    assert "TransactionFinished(PowerLoss)" in evse.cp("B").events


SITUATIONS = [
    "Starting",
    "Disabled",
    "Idle",
    "WaitingForAuthentication",
    "PrepareCharging",
    "Charging",
    "Finished",
]


def in_state(charger: str) -> Scenario:
    evse = Scenario()
    if charger == "Starting":
        return evse
    evse.begin()
    if charger == "Disabled":
        evse.disable()
    if charger in SITUATIONS[3:]:
        evse.cp("B")
    if charger in SITUATIONS[4:]:
        evse.authorized()
    if charger == "Charging":
        evse.cp("C")
    if charger == "Finished":
        evse.accepted(ev.Stop("Local"))
    assert evse.state.charger == charger
    evse.since_last()
    return evse


EVENTS: list[ev.Event] = [
    ev.Boot(),
    ev.ExternalReady(),
    ev.CpChanged("B"),
    ev.CpChanged("A"),
    ev.CpChanged("F"),
    ev.ContactorChanged(closed=True),
    ev.LimitChanged(10.0, 100.0),
    ev.CausesChanged((cause("ac_rcd/DC"),)),
    ev.BoardFailed("it refused"),
    ev.Authorize(TOKEN, ACCEPTED),
    ev.Withdraw(),
    ev.EnableDisable(1, source("Disable")),
    ev.EnableDisable(0, source("Enable")),
    ev.Pause(),
    ev.Stop("Local"),
    ev.ForceUnlock(),
    ev.Tick(),
]


@pytest.mark.parametrize("charger", SITUATIONS)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_step_never_changes_the_state_it_is_given(charger: str, event: ev.Event) -> None:
    evse = in_state(charger)
    given, kept = evse.state, copy.deepcopy(evse.state)
    first = step(evse.config, given, event, evse.now_s, UTC, "fresh")
    assert given == kept
    assert step(evse.config, given, event, evse.now_s, UTC, "fresh") == first


MISFITS: list[tuple[str, ev.Event, Any]] = [
    ("Idle", ev.Pause(), False),
    ("Idle", ev.Resume(), False),
    ("Idle", ev.Stop("Local"), False),
    ("Idle", ev.Withdraw(), None),
    ("Idle", ev.Tick(), None),
    ("Idle", ev.Boot(), None),
    ("Disabled", ev.Authorize(TOKEN, ACCEPTED), None),
    ("Disabled", ev.CpChanged("C"), None),
    ("Disabled", ev.Withdraw(), None),
    ("Starting", ev.Authorize(TOKEN, ACCEPTED), None),
    ("Starting", ev.ExternalReady(), False),
    ("Starting", ev.CpChanged("C"), None),
    ("WaitingForAuthentication", ev.Pause(), False),
    ("WaitingForAuthentication", ev.Stop("Local"), False),
    ("Finished", ev.Authorize(TOKEN, ACCEPTED), None),
    ("Finished", ev.Pause(), False),
    ("Finished", ev.Stop("Remote"), False),
    ("Charging", ev.Boot(), None),
    ("Charging", ev.Tick(), None),
    ("Charging", ev.CpChanged("C"), None),
    ("Charging", ev.ContactorChanged(closed=True), None),
    ("Charging", ev.Committed(4711, "disk full"), None),
    ("Charging", ev.LockDone(4711, "blocked"), None),
    ("Charging", ev.MeterStarted(4711, None), None),
    ("Charging", ev.MeterStopped(4711, None), None),
]


@pytest.mark.parametrize(("charger", "event", "reply"), MISFITS)
def test_what_does_not_fit_changes_nothing(charger: str, event: ev.Event, reply: bool | None) -> None:
    evse = in_state(charger)
    before = copy.deepcopy(evse.state)
    assert evse.tell(event) is reply
    assert evse.state == before
    assert evse.since_last() == News()


@pytest.mark.parametrize("charger", SITUATIONS)
def test_nothing_is_due_at_once(charger: str) -> None:
    """A deadline that lies in the past would keep the shell busy."""
    evse = in_state(charger)
    deadline_s = next_deadline_s(evse.config, evse.state)
    assert deadline_s is None or deadline_s > evse.now_s
