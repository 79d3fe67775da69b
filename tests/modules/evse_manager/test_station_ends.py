"""The process is told to end: a transaction ends with reason Reboot, stored and announced, within 10 s."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.station import END_S
from evse_daemon.types.evse_manager import EnableDisableSource
from tests.modules.evse_manager.lives import EVSE, Life, Site
from tests.modules.evse_manager.test_crash_matrix import (
    AFTERWARDS,
    Doing,
    accounted,
    grammar_of_all_lives,
    seconds,
    signals,
)

CHARGING: tuple[Doing, ...] = (
    Life.begin,
    signals("B"),
    Life.authorize,
    seconds(2),
    signals("C"),
    seconds(30),
)


class Ending:
    """``Module.end`` of a life's EvseManager, and when it was done."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.times = 0
        self.begun_s = life.world.clock.now_s()
        self.took_s = float("inf")
        life.manager.context.inbox.put(life.manager.end, self._done)
        life.world.settle()

    def _done(self) -> None:
        self.times += 1
        self.took_s = self.life.world.clock.now_s() - self.begun_s


def after(*doings: Doing) -> tuple[Life, Ending]:
    life = Site().live()
    assert life.runs(*doings)
    return life, Ending(life)


def follows_the_pilot(life: Life) -> Callable[[], None]:
    """A car that goes to B half a second after PWM went off."""

    def pwm_is_off() -> None:
        life.manager.after(0.5, lambda: life.signal("B"))

    return pwm_is_off


def test_a_transaction_ends_with_reason_reboot() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.bsp.handle(EvseBoardSupport.cp_state_X1, follows_the_pilot(life))
    before = len(life.names)
    ending = Ending(life)
    assert life.runs(seconds(2))
    assert life.names[before:] == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished",
        "SessionFinished",
    ]
    finished = life.events[-2].transaction_finished
    assert finished is not None
    assert finished.reason == "Reboot"
    assert finished.signed_meter_value is not None
    assert ending.took_s <= 1.0
    assert ending.times == 1
    assert not life.closed
    (record,) = [r for r in life.site.journal.read_from(EVSE, 0) if r.kind == "transaction_finished"]
    assert record.payload["reason"] == "Reboot"


def test_the_next_life_finds_nothing_to_end() -> None:
    life, _ = after(*CHARGING)
    assert life.runs(seconds(10))
    assert life.site.live().runs(*AFTERWARDS)
    grammar_of_all_lives(life.site)
    assert len(accounted(life.site)) == 2


def test_a_car_that_stays_in_c_has_its_6_s_and_not_more() -> None:
    life, ending = after(*CHARGING)
    assert life.runs(seconds(5.9))
    assert life.closed
    assert life.runs(seconds(0.3))
    assert not life.closed
    assert 6.0 <= ending.took_s < 6.3


def test_a_car_and_a_meter_that_do_not_answer_are_given_up_in_time() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.meter.handle(Powermeter.stop_transaction, lambda transaction_id: Deferred())
    ending = Ending(life)
    assert life.runs(seconds(END_S))
    assert ending.took_s < END_S
    assert life.events[-2].event == "TransactionFinished"


def test_a_board_that_does_not_confirm_does_not_hold_it_up() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.bsp.handle(EvseBoardSupport.allow_power_on, lambda value: None)
    ending = Ending(life)
    assert life.runs(seconds(END_S))
    assert ending.took_s < END_S


def test_a_disk_that_hangs_leaves_the_end_to_the_next_life() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.journal.hung = True
    ending = Ending(life)
    assert life.runs(seconds(END_S))
    assert ending.times == 0
    assert "TransactionFinished" not in life.names, "what is not stored is not announced"
    assert not life.closed
    assert life.site.live().runs(*AFTERWARDS)
    grammar_of_all_lives(life.site)
    accounted(life.site)


def test_a_disk_that_refuses_does_not_hold_it_up() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.journal.memory.failure = "the disk is full"
    ending = Ending(life)
    assert life.runs(seconds(END_S))
    assert ending.took_s < END_S
    assert "TransactionFinished" in life.names


@pytest.mark.parametrize(
    ("doings", "events"),
    [
        ((Life.begin,), []),
        ((Life.begin, signals("B")), ["SessionFinished"]),
        ((Life.begin, Life.authorize), ["SessionFinished"]),
        (
            (*CHARGING[:4], seconds(1)),
            ["StoppingCharging", "ChargingFinished", "TransactionFinished", "SessionFinished"],
        ),
        (
            (*CHARGING, Life.pause, signals("B"), seconds(1)),
            ["StoppingCharging", "ChargingFinished", "TransactionFinished", "SessionFinished"],
        ),
        ((), []),
    ],
    ids=["idle", "waiting for a card", "waiting for a car", "preparing", "paused", "not begun yet"],
)
def test_without_power_it_ends_at_once(doings: tuple[Doing, ...], events: list[str]) -> None:
    life = Site().live()
    if not doings:
        life.world.start()
    assert life.runs(*doings)
    before = len(life.names)
    ending = Ending(life)
    life.world.advance(0.1)
    assert ending.took_s <= 0.1
    assert life.names[before:] == events


def test_while_the_start_is_being_stored() -> None:
    life = Site().live()
    assert life.runs(*CHARGING[:2])
    life.journal.delay_s = 2.0
    assert life.runs(Life.authorize, seconds(1))
    ending = Ending(life)
    assert life.runs(seconds(END_S))
    assert ending.took_s < END_S
    assert life.names[-6:] == [
        "TransactionStarted",
        "PrepareCharging",
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished",
        "SessionFinished",
    ]
    assert life.runs(seconds(5))
    assert not life.closed
    accounted(life.site)


@pytest.mark.parametrize("told_after_s", [0.0, 4.0])
def test_while_it_ends_what_a_run_before_it_began(told_after_s: float) -> None:
    site = Site()
    assert site.live().runs(*CHARGING)
    life = site.live()
    life.meter.handle(Powermeter.stop_transaction, lambda transaction_id: Deferred())
    assert life.runs(Life.begin, seconds(told_after_s))
    assert life.names == ["SessionResumed"]
    ending = Ending(life)
    assert ending.times == 0
    assert life.runs(seconds(END_S))
    assert ending.times == 1
    assert ending.took_s < END_S
    assert life.names == ["SessionResumed", "TransactionFinished", "SessionFinished"]
    assert not site.journal.open_transactions(EVSE), "it is not left to the run after this one"
    grammar_of_all_lives(site)


def test_while_it_stops_for_another_reason_that_reason_stays() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    source = EnableDisableSource(enable_source="LocalAPI", enable_state="Disable", enable_priority=1)
    life.world.begin((EVSE, "evse"), Interface.enable_disable, connector_id=1, cmd_source=source)
    life.world.settle()
    ending = Ending(life)
    assert life.runs(seconds(8))
    assert ending.times == 1
    finished = next(e.transaction_finished for e in life.events if e.event == "TransactionFinished")
    assert finished is not None
    assert finished.reason == "EVSEDisabled"


def test_nothing_new_begins_meanwhile_or_afterwards() -> None:
    life, ending = after(*CHARGING)
    assert life.runs(Life.authorize, seconds(8), Life.authorize, signals("A"), signals("B"), Life.authorize)
    assert ending.times == 1
    assert life.runs(signals("C"), seconds(30))
    assert life.names[-1] == "SessionFinished"
    assert not life.closed


def test_told_twice_it_ends_once() -> None:
    life, first = after(*CHARGING)
    assert life.runs(seconds(3))
    second = Ending(life)
    assert life.runs(seconds(4))
    assert (first.times, second.times) == (0, 1)
    assert life.names.count("TransactionFinished") == 1


def test_a_kernel_that_breaks_while_it_ends_is_done() -> None:
    life = Site().live()
    assert life.runs(*CHARGING)
    life.manager.breaks_at = len(life.manager.done) + 2
    ending = Ending(life)
    assert life.runs(seconds(8))
    assert ending.times == 1
    assert not life.closed
    assert "Enabled" not in life.names[life.broke_after :], "it does not begin anew"
