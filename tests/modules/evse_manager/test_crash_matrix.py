"""The process is killed between every two effects of a session and started again, with a good store and a bad one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.powermeter import Powermeter as MeterInterface
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.store.records import MODELS, parse
from tests.modules.evse_manager.lives import EVSE, Life, Site
from tests.modules.evse_manager.plant import Grammar

Doing = Callable[[Life], None]


def seconds(number: float) -> Doing:
    return lambda life: life.advance(number)


def signals(pilot: Any) -> Doing:
    return lambda life: life.signal(pilot)


SESSION: tuple[Doing, ...] = (
    Life.begin,
    signals("B"),
    seconds(2),
    Life.authorize,
    seconds(2),
    signals("C"),
    seconds(130),
    Life.pause,
    signals("B"),
    seconds(3),
    Life.resume,
    seconds(1),
    signals("C"),
    seconds(7),
    signals("A"),
    seconds(3),
)
"""Start, authorize, transaction start, charging, pause, resume, stop, finish."""

AFTERWARDS: tuple[Doing, ...] = (
    Life.begin,
    seconds(20),
    signals("A"),
    seconds(2),
    signals("B"),
    seconds(1),
    Life.authorize,
    seconds(1),
    signals("C"),
    seconds(5),
    signals("A"),
    seconds(3),
)
"""The next life: the car leaves, and another one is charged."""


def effects_of_the_session() -> list[Any]:
    life = Site().live()
    assert life.runs(*SESSION)
    return life.manager.done


EFFECTS = effects_of_the_session()


def grammar_of_all_lives(site: Site, *, ends_not_stored: bool = False) -> None:
    """The session events of all lives are words; an end that could not be stored may be told once more."""
    grammar = Grammar()
    for life in site.lives:
        for event in life.events:
            grammar.read(event)
        left_open = life.left_open if ends_not_stored else []
        grammar.die(str(payload["session_id"]) for payload in left_open)
    assert not grammar.owed, "a transaction that was announced is not finished"


def accounted(site: Site) -> dict[str, float]:
    """The energy of each transaction in the journal; each is started once and finished once."""
    kinds: dict[str, Counter[str]] = {}
    energy_wh: Counter[str] = Counter()
    for record in site.journal.read_from(EVSE, 0):
        assert type(parse(record)) is MODELS[record.kind]
        session_id = record.payload["session_id"]
        kinds.setdefault(session_id, Counter())[record.kind] += 1
        total_wh = record.payload["meter_value"]["energy_Wh_import"]["total"]
        if record.kind == "transaction_started":
            energy_wh[session_id] -= total_wh
        elif record.kind == "transaction_finished":
            energy_wh[session_id] += total_wh
    for session_id, found in kinds.items():
        assert found["transaction_started"] == found["transaction_finished"] == 1, (session_id, found)
    assert not site.journal.open_transactions(EVSE)
    assert not site.journal.untold_ends(EVSE)
    return dict(energy_wh)


def test_the_session_that_is_cut_has_everything_in_it() -> None:
    life = Site().live()
    assert life.runs(*SESSION)
    assert life.names == [
        "Enabled",
        "SessionStarted",
        "AuthRequired",
        "Authorized",
        "TransactionStarted",
        "PrepareCharging",
        "ChargingStarted",
        "StoppingCharging",
        "ChargingPausedEVSE",
        "PrepareCharging",
        "ChargingStarted",
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished",
        "SessionFinished",
    ]
    kinds = [record.kind for record in life.site.journal.read_from(EVSE, 0)]
    assert kinds == ["transaction_started", "meter_value", "meter_value", "transaction_finished"]
    assert len(EFFECTS) > 60


@pytest.mark.parametrize("number", range(len(EFFECTS) + 1))
def test_killed_between_two_effects_and_started_again(number: int) -> None:
    site = Site()
    assert site.live(dies_at=number).runs(*SESSION) == (number >= len(EFFECTS))
    at_death_wh = site.energy_wh
    life = site.live()
    assert life.runs(*AFTERWARDS)
    grammar_of_all_lives(site)
    energy_wh = accounted(site)
    assert life.names[-1] == "SessionFinished"
    assert "ChargingStarted" in life.names
    # What flowed before the cut is in the transaction that was cut, the rest in the next one.
    ids = list(energy_wh)
    if len(ids) == 2:
        assert energy_wh[ids[0]] == pytest.approx(at_death_wh - 1000.0, abs=1.1)
    assert sum(energy_wh.values()) == pytest.approx(site.energy_wh - 1000.0, abs=1.1)


@pytest.mark.parametrize("number", range(0, len(EFFECTS) + 1, 3))
def test_killed_in_the_next_life_too(number: int) -> None:
    site = Site()
    site.live(dies_at=len(EFFECTS) - 25).runs(*SESSION)
    site.live(dies_at=number).runs(*SESSION)
    assert site.live().runs(*AFTERWARDS)
    grammar_of_all_lives(site)
    assert sum(accounted(site).values()) == pytest.approx(site.energy_wh - 1000.0, abs=2.1)


def test_the_end_after_a_crash_says_what_the_meter_signed() -> None:
    site = Site()
    start = next(
        number
        for number, effect in enumerate(EFFECTS)
        if isinstance(effect, fx.Announce) and effect.event.event == "ChargingStarted"
    )
    site.live(dies_at=start + 3).runs(*SESSION)
    life = site.live()
    assert life.runs(*AFTERWARDS)
    resumed, finished, ended = life.events[:3]
    assert [resumed.event, finished.event, ended.event] == [
        "SessionResumed",
        "TransactionFinished",
        "SessionFinished",
    ]
    old = site.lives[0].events[-1].uuid
    assert {resumed.uuid, finished.uuid, ended.uuid} == {old}
    details = finished.transaction_finished
    assert details is not None
    assert details.reason == "PowerLoss"
    assert details.start_signed_meter_value is not None
    assert details.start_signed_meter_value.signed_meter_data == "start"
    assert details.signed_meter_value is not None
    assert details.signed_meter_value.signed_meter_data == "stop"
    assert site.meter_transaction == "", "the meter is told that nothing goes on"


@pytest.mark.parametrize("number", range(len(EFFECTS) + 1))
def test_broken_between_two_effects_it_recovers_in_the_same_process(number: int) -> None:
    site = Site()
    life = site.live()
    life.manager.breaks_at = number
    assert life.runs(*SESSION, seconds(10), *AFTERWARDS[1:])
    grammar_of_all_lives(site)
    assert sum(accounted(site).values()) == pytest.approx(site.energy_wh - 1000.0, abs=2.1)
    assert life.names[-1] == "SessionFinished"
    assert not life.world.errors((EVSE, "evse"))


FULL = "the disk is full"


def fails(life: Life) -> None:
    life.journal.memory.failure = FULL


def works(life: Life) -> None:
    life.journal.memory.failure = None


@pytest.mark.parametrize("number", range(0, len(EFFECTS) + 1, 2))
def test_killed_with_a_store_that_takes_nothing(number: int) -> None:
    site = Site()
    site.live(dies_at=number).runs(fails, *SESSION)
    assert "TransactionStarted" not in site.lives[0].names, "a start that cannot be stored means no power"
    assert site.energy_wh == 1000.0
    assert site.live().runs(works, *AFTERWARDS)
    grammar_of_all_lives(site)
    assert sum(accounted(site).values()) == pytest.approx(site.energy_wh - 1000.0, abs=1.1)


@pytest.mark.parametrize("number", range(len(EFFECTS) + 8))
def test_killed_with_a_store_that_takes_no_end(number: int) -> None:
    site = Site()
    site.live(dies_at=number).runs(*SESSION[:6], fails, *SESSION[6:], seconds(25))
    at_death_wh = site.energy_wh
    assert site.live().runs(works, *AFTERWARDS)
    grammar_of_all_lives(site, ends_not_stored=True)
    energy_wh = accounted(site)
    if len(energy_wh) == 2:
        assert next(iter(energy_wh.values())) == pytest.approx(at_death_wh - 1000.0, abs=1.1)
    assert sum(energy_wh.values()) == pytest.approx(site.energy_wh - 1000.0, abs=1.1)


def test_an_end_that_is_stored_late_is_stored_once_and_told_once() -> None:
    site = Site()
    life = site.live()
    assert life.runs(*SESSION[:6], fails, *SESSION[6:], works, seconds(15))
    assert life.names.count("TransactionFinished") == 1
    assert not life.world.errors((EVSE, "evse"))
    accounted(site)
    assert site.live().runs(*AFTERWARDS)
    grammar_of_all_lives(site)
    accounted(site)


@pytest.mark.parametrize("delay_s", [9.0, 11.0, 19.0, 21.0, 45.0])
def test_a_disk_that_answers_after_the_deadline_records_nothing_twice(delay_s: float) -> None:
    site = Site()
    life = site.live()

    def slow(life: Life) -> None:
        life.journal.delay_s = delay_s

    assert life.runs(*SESSION[:6], slow, *SESSION[6:], seconds(100))
    assert life.names.count("TransactionFinished") == 1
    accounted_but_not_told = site.journal.untold_ends(EVSE)
    for payload in accounted_but_not_told:
        site.journal.told(EVSE, payload["session_id"])
    accounted(site)


def test_a_start_whose_disk_answers_late_is_void() -> None:
    site = Site()
    life = site.live()
    life.journal.delay_s = 11.0
    assert life.runs(*SESSION[:6], seconds(60))
    assert "TransactionStarted" not in life.names
    found = [(record.kind, record.payload.get("void")) for record in site.journal.read_from(EVSE, 0)]
    assert found == [("transaction_started", None), ("transaction_finished", True)]
    assert site.live().runs(*AFTERWARDS)
    grammar_of_all_lives(site)


def test_the_kvs_store_holds_the_session_as_everests_does() -> None:
    site = Site()
    life = site.live()
    assert life.runs(*SESSION[:6])
    key = f"{EVSE}_session"
    assert site.kvs[key] == life.events[-1].uuid != ""
    assert life.runs(*SESSION[6:])
    assert site.kvs[key] == ""


def test_a_meter_that_forgot_is_not_believed_but_the_journal_is() -> None:
    site = Site()
    site.live(dies_at=45).runs(*SESSION)
    (left,) = site.journal.open_transactions(EVSE)
    site.energy_wh = 0.0
    assert site.live().runs(*AFTERWARDS)
    energy_wh = accounted(site)[left["session_id"]]
    stored_wh = left["last_meter_value"]["energy_Wh_import"]["total"]
    assert energy_wh == stored_wh - left["meter_value"]["energy_Wh_import"]["total"] > 100.0


def test_a_meter_that_does_not_answer_delays_the_boot_by_its_deadline_at_most() -> None:
    site = Site()
    site.live(dies_at=45).runs(*SESSION)
    life = site.live()
    life.meter.handle(MeterInterface.stop_transaction, lambda transaction_id: Deferred())
    assert life.runs(Life.begin, seconds(5))
    assert life.names == ["SessionResumed"]
    assert life.runs(seconds(6))
    assert life.names[:4] == ["SessionResumed", "TransactionFinished", "SessionFinished", "Enabled"]
    finished = life.events[1].transaction_finished
    assert finished is not None
    assert finished.signed_meter_value is None


def test_a_record_that_cannot_be_read_does_not_keep_the_charger_off() -> None:
    site = Site()
    site.journal.append("transaction_started", EVSE, {"session_id": "old"}, lambda _: None)
    site.journal.append("transaction_started", EVSE, {"session_id": "older"}, lambda _: None)
    site.journal.append("transaction_finished", EVSE, {"session_id": "older"}, lambda _: None)
    life = site.live()
    assert life.runs(Life.begin, seconds(2))
    assert life.names == ["SessionResumed", "TransactionFinished", "SessionFinished", "Enabled"]
    assert not site.journal.open_transactions(EVSE)
