"""A kernel that failed: transactions, reservations and the station itself still come to their ends."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.store import StoreError
from tests.modules.evse_manager.evse_world import EVSE
from tests.modules.evse_manager.rig import source
from tests.modules.evse_manager.supervised import Supervised
from tests.support.fakes import FakeJournal

CUT_OFF = ["SessionResumed", "TransactionFinished(PowerLoss)", "SessionFinished"]


def unreadable(*_: Any) -> None:
    raise StoreError("the file is locked")


def store_an_entry(evse: Supervised) -> None:
    """The store is asked for an entry of the operator's; what follows waits for its answer."""
    evse.world.begin(EVSE, Interface.enable_disable, 0, source("LocalAPI", "Enable"))
    evse.world.settle()


# Transactions


def test_an_end_that_is_tried_again_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.world.journal.memory.failure = "disk full"
    evse.cp("A")
    evse.world.advance(9)
    assert evse.sub_types == {"StoreEnd", ""}
    evse.world.journal.hung = True
    store_an_entry(evse)
    evse.world.advance(2)
    evse.crash(monkeypatch)  # it was asked for again, which waits behind the entry
    evse.world.journal.hung = False
    evse.world.journal.memory.failure = None
    evse.world.advance(20)
    assert evse.errors == []
    assert evse.world.journal.open_transactions("evse") == []


def test_a_session_does_not_end_without_its_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    with monkeypatch.context() as patch:
        patch.setattr(FakeJournal, "open_transactions", unreadable)
        evse.crash(monkeypatch)
        evse.world.advance(30)
        assert evse.names == [], "nobody knows yet whether it had one"
        assert evse.errors == ["evse_manager/Internal", "evse_manager/Inoperative"]
    evse.world.advance(3)
    assert evse.names == [*CUT_OFF, "Enabled"]
    assert evse.errors == []


def test_a_second_failure_while_the_meter_ends_the_transaction_ends_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.charge()
    evse.meter.handle(Powermeter.stop_transaction, lambda transaction_id: Deferred())
    evse.crash(monkeypatch)
    evse.world.advance(3)
    assert evse.names == ["SessionResumed"]
    evse.crash(monkeypatch)
    evse.world.advance(30)
    assert evse.names == [*CUT_OFF, "Enabled"]
    assert [kind for kind, _, _ in evse.world.journal.records] == [
        "transaction_started",
        "transaction_finished",
    ]


# Reservations


def test_the_end_of_a_reservation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.world.call(EVSE, Interface.reserve, 7)
    evse.world.journal.delay_s = 0.5
    store_an_entry(evse)
    evse.world.begin(EVSE, Interface.cancel_reservation)
    evse.world.settle()
    evse.crash(monkeypatch)
    evse.world.advance(10)
    assert evse.names == ["ReservationEnd", "Enabled"]
    assert evse.world.call(EVSE, Interface.reserve, 8)
    assert evse.names[2:] == ["ReservationStart"]


def test_so_is_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.world.journal.delay_s = 0.5
    store_an_entry(evse)
    evse.world.begin(EVSE, Interface.reserve, 7)
    evse.world.settle()
    evse.crash(monkeypatch)
    evse.world.advance(10)
    assert evse.names == ["ReservationStart", "Enabled"]
    evse.world.call(EVSE, Interface.cancel_reservation)
    assert evse.names[2:] == ["ReservationEnd"]


def test_a_reservation_ends_with_the_session_of_whom_it_was_kept_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.boot()
    evse.world.call(EVSE, Interface.reserve, 7)
    evse.authorize()
    evse.crash(monkeypatch)
    evse.world.advance(3)
    assert evse.names == ["ReservationEnd", "SessionFinished", "Enabled"]
    assert evse.world.call(EVSE, Interface.reserve, 8)


# The station is told to end


class Ended:
    """When the EVSE said that it has ended, and what it had told by then."""

    def __init__(self, evse: Supervised) -> None:
        self._evse = evse
        self.after: list[str] | None = None
        evse.evse.context.inbox.put(evse.evse.end, self._done)
        evse.world.settle()

    def _done(self) -> None:
        assert self.after is None, "it ends once"
        self._evse.world.bus._show_all()
        self.after = self._evse.names


def test_a_kernel_that_stays_off_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.failures["evse"] = 3
    evse.crash(monkeypatch)
    evse.world.advance(10)
    ended = Ended(evse)
    assert ended.after == [], "the next start finds the transaction in the journal"
    assert not evse.contactor_closed


def test_a_kernel_that_fails_for_the_last_time_while_it_ends_does_not_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.charge()
    ended = Ended(evse)
    evse.failures["evse"] = 3
    evse.crash(monkeypatch)
    assert ended.after == []
    assert not evse.contactor_closed


def test_a_kernel_that_is_about_to_begin_anew_ends_the_transaction_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.charge()
    evse.meter.handle(Powermeter.stop_transaction, lambda transaction_id: Deferred())
    evse.crash(monkeypatch)
    ended = Ended(evse)
    evse.world.advance(9)
    assert ended.after == CUT_OFF
    evse.world.advance(30)
    assert evse.names == CUT_OFF, "nothing new begins"


def test_a_kernel_that_fails_while_it_ends_has_no_more_time_than_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.charge()
    evse.meter.handle(Powermeter.stop_transaction, lambda transaction_id: Deferred())
    ended = Ended(evse)
    evse.world.advance(4)
    evse.crash(monkeypatch)
    evse.world.advance(5)
    assert ended.after == CUT_OFF


def test_a_kernel_that_fails_at_the_order_itself_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.world.recorder.clear()
    evse.fails_at(monkeypatch, ev.StationEnds)
    ended = Ended(evse)
    evse.world.advance(9)
    assert ended.after == CUT_OFF
    assert not evse.contactor_closed
