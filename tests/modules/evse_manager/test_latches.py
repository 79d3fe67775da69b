"""Errors that outlast their cause, at a whole EvseManager: a weld above all."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import latches
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.modules.evse_manager.settings import ENABLE_TABLE, LATCHED_ERRORS, Settings
from evse_daemon.store import StoreError
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.board_support_common import BspEvent
from tests.modules.evse_manager.evse_world import EVSE
from tests.modules.evse_manager.faulty_station import FaultyStation

WELDED = "evse_manager/Internal/ContactorWelded"
MREC17 = "evse_board_support/MREC17EVSEContactorFault"
INOPERATIVE = "evse_manager/Inoperative"


def weld(station: FaultyStation) -> None:
    station.charge()
    station.welded = True
    station.fault("ac_rcd/DC")
    station.clear("ac_rcd/DC")
    station.run(3)
    assert station.raised == [WELDED, INOPERATIVE]


def unweld(station: FaultyStation) -> None:
    """The contactor is replaced."""
    station.welded = False
    station.board.publish(EvseBoardSupport.event, BspEvent(event="PowerOff"))
    station.contactor_closed = False
    station.world.settle()


def test_a_weld_survives_a_restart_and_keeps_the_connector_locked() -> None:
    station = FaultyStation()
    weld(station)
    assert station.locked
    station.pilot("A")
    assert station.locked, "the plug may be live"

    after = FaultyStation(stored=station.world.journal.memory)
    after.run(3)
    assert after.raised == [WELDED, INOPERATIVE]
    assert after.locked
    after.pilot("A", "B")
    after.authorize()
    after.pilot("C")
    assert not after.contactor_closed
    assert "TransactionStarted" not in after.names


def test_a_technician_clears_a_weld_when_the_contactor_is_open() -> None:
    station = FaultyStation()
    weld(station)
    refused = station.clear_latched(WELDED)
    assert refused["cleared"] is False
    assert "contactor closed" in refused["reason"]
    assert WELDED in station.raised

    unweld(station)
    assert station.clear_latched(WELDED) == {"error": WELDED, "cleared": True, "reason": ""}
    station.run(10)
    assert not station.contactor_closed, (
        "the car that is still there has to leave: somebody has hands near it"
    )
    station.pilot("A")
    assert station.raised == []
    assert not station.locked
    station.charge()
    after = FaultyStation(stored=station.world.journal.memory)
    assert after.raised == []


def test_the_contactor_fault_of_a_board_is_latched_although_the_board_forgets_it() -> None:
    station = FaultyStation()
    station.charge()
    station.fault(MREC17)
    assert "still reports" in station.clear_latched(MREC17)["reason"]
    station.clear(MREC17)
    station.pilot("B", "A", "B")
    assert station.raised == [INOPERATIVE]
    after = FaultyStation(stored=station.world.journal.memory)
    assert [error.message for error in after.world.active_errors(("evse", "evse"))] == [MREC17]
    assert after.locked
    assert after.clear_latched(MREC17)["cleared"] is True
    assert after.raised == []


@pytest.mark.parametrize("payload", ["", "true", "evse_manager/Internal", "ac_rcd/DC", "x" * 5000, "{\x00"])
def test_only_the_exact_name_of_a_latched_error_clears_it(payload: str) -> None:
    station = FaultyStation()
    weld(station)
    unweld(station)
    answer = station.clear_latched(payload)
    assert answer["cleared"] is False
    assert answer["reason"] == f"no such error is latched; latched are: {WELDED}"
    assert WELDED in station.raised


def test_a_forced_unlock_does_not_open_what_the_service_has_to_release() -> None:
    station = FaultyStation()
    station.charge()
    station.fault(MREC17)
    station.clear(MREC17)
    station.pilot("B")
    assert not station.contactor_closed
    station.world.call(EVSE, Interface.force_unlock, connector_id=1)
    station.run(2)
    assert station.locked


def test_nothing_is_cleared_while_the_board_does_not_answer() -> None:
    station = FaultyStation()
    weld(station)
    unweld(station)
    station.fault("evse_board_support/CommunicationFault")
    assert "does not answer" in station.clear_latched(WELDED)["reason"]


def test_a_weld_is_stored_before_it_is_told() -> None:
    station = FaultyStation()
    station.charge()
    station.welded = True
    station.world.journal.delay_s = 1.0
    station.fault("ac_rcd/DC")
    station.world.advance(1.2)
    assert WELDED not in station.raised
    station.world.advance(1.0)
    assert WELDED in station.raised
    assert station.world.journal.memory.settings("evse")[LATCHED_ERRORS]


def test_a_weld_that_cannot_be_stored_is_tried_again() -> None:
    station = FaultyStation()
    station.charge()
    station.welded = True
    station.world.journal.memory.failure = "the disk is full"
    station.fault("ac_rcd/DC")
    station.run(3)
    assert WELDED in station.raised, "it is told all the same"
    assert station.world.journal.memory.settings("evse") == {}
    station.world.journal.memory.failure = None
    station.run(12)
    assert station.world.journal.memory.settings("evse")[LATCHED_ERRORS]


def test_a_store_that_cannot_be_read_at_first_does_not_lose_a_weld() -> None:
    station = FaultyStation()
    weld(station)

    class Unreadable(MemoryJournal):
        broken = True

        def settings(self, evse: str) -> dict[str, Any]:
            if self.broken:
                raise StoreError("the file is locked")
            return station.world.journal.memory.settings(evse)

    journal = Unreadable()
    after = FaultyStation(stored=journal)
    assert after.raised == []
    journal.broken = False
    after.run(11)
    assert after.raised == [WELDED, INOPERATIVE]


@pytest.mark.parametrize("stored", ["rubbish", {"a": 1}, [17], [{"type": "x"}], [{"source": 3}], [None]])
def test_a_record_that_cannot_be_read_counts_as_a_weld(stored: Any) -> None:
    assert latches.from_json(stored) == (latches.WELDED,)


def test_what_is_stored_is_what_is_read() -> None:
    causes = (latches.WELDED, ev.Cause("bsp", MREC17, "L2", "High", "stuck", "Acme"))
    assert latches.from_json(latches.to_json(causes)) == causes
    assert latches.from_json(None) == ()


def test_a_contactor_that_is_closed_at_the_start_is_found() -> None:
    station = FaultyStation()
    station.welded = station.contactor_closed = True
    station.board.publish(EvseBoardSupport.event, BspEvent(event="PowerOn"))
    station.run(3)
    assert WELDED in station.raised
    assert station.locked


def crash(station: FaultyStation) -> None:
    """The kernel fails on its next event, once."""
    evse: EvseManager = station.evse

    def fail(_value: Any) -> None:
        raise ZeroDivisionError("planted")

    evse.context.inbox.put(fail, None)
    station.world.settle()


def supervised() -> FaultyStation:
    found: list[FaultyStation] = []

    def failed(module_id: str, error: Exception) -> None:
        assert module_id == "evse"
        found[0].evse.recover(error, 1)

    station = FaultyStation(failed=failed)
    found.append(station)
    return station


def test_a_weld_outlasts_a_failure_of_the_kernel() -> None:
    station = supervised()
    weld(station)
    crash(station)
    station.run(5)
    assert station.raised == [WELDED, INOPERATIVE]
    assert station.locked
    unweld(station)
    assert station.clear_latched(WELDED)["cleared"] is True


def test_a_latch_that_could_not_be_stored_outlasts_a_failure_of_the_kernel() -> None:
    station = supervised()
    station.charge()
    station.evse.settings._values = None
    station.world.journal.settings = unreadable  # type: ignore[method-assign]  # the disk is gone
    station.fault(MREC17)
    station.clear(MREC17)
    crash(station)
    station.run(5)
    assert [error.message for error in station.world.active_errors(("evse", "evse"))] == [MREC17]
    assert station.locked


def unreadable(evse: str) -> dict[str, Any]:
    raise StoreError(f"{evse} cannot be read")


def test_a_contactor_that_stays_closed_through_a_failure_of_the_kernel_is_found() -> None:
    station = supervised()
    station.charge()
    station.welded = True
    crash(station)
    station.run(5)
    assert WELDED in station.raised


def test_an_error_that_outlasts_a_failure_of_the_kernel_still_prevents_charging() -> None:
    station = supervised()
    station.charge()
    station.fault("ac_rcd/DC")
    crash(station)
    station.run(5)
    assert [error.message for error in station.world.active_errors(("evse", "evse"))] == ["ac_rcd/DC"]
    station.clear("ac_rcd/DC")
    assert station.raised == []


def test_errors_from_before_a_failure_of_the_kernel_do_not_stay_for_ever() -> None:
    station = supervised()
    station.charge()
    station.silent = True
    station.fault("ac_rcd/DC")
    crash(station)
    station.board.publish(EvseBoardSupport.event, BspEvent(event="PowerOff"))
    station.silent = False
    station.clear("ac_rcd/DC")
    station.run(5)
    assert station.raised == []


def test_a_lost_link_to_the_board_is_no_weld() -> None:
    """What cannot be heard cannot be confirmed: the second begins when the board is back."""
    station = FaultyStation()
    station.charge()
    station.silent = True
    station.fault("evse_board_support/CommunicationFault")
    station.run(30)
    assert WELDED not in station.raised
    assert station.locked
    assert station.names[-1] == "ChargingPausedEVSE(Error)", "the session does not hang"
    station.silent = False
    station.clear("evse_board_support/CommunicationFault")
    station.board.publish(EvseBoardSupport.event, BspEvent(event="PowerOff"))
    station.run(3)
    assert station.raised == []
    assert station.contactor_closed, "charging goes on"


def test_a_board_that_comes_back_with_a_closed_contactor_is_welded() -> None:
    station = FaultyStation()
    station.charge()
    station.welded = True
    station.fault("evse_board_support/CommunicationFault")
    station.run(5)
    station.clear("evse_board_support/CommunicationFault")
    station.run(2)
    assert WELDED in station.raised


def test_two_writers_of_the_settings_do_not_undo_each_other() -> None:
    journal = MemoryJournal()
    settings = Settings(journal, "evse")
    said: list[str | None] = []
    settings.put(ENABLE_TABLE, [1], said.append)
    settings.put(LATCHED_ERRORS, [2], said.append)
    assert journal.settings("evse") == {ENABLE_TABLE: [1], LATCHED_ERRORS: [2]}
    assert Settings(journal, "evse").get(ENABLE_TABLE) == [1]
    assert said == [None, None]


def test_settings_that_cannot_be_read_are_not_overwritten() -> None:
    class Unreadable(MemoryJournal):
        def settings(self, evse: str) -> dict[str, Any]:
            raise StoreError(f"{evse} cannot be read")

        def save_settings(self, *_: Any, **__: Any) -> None:
            raise AssertionError("it was overwritten")

    said: list[str | None] = []
    Settings(Unreadable(), "evse").put(LATCHED_ERRORS, [], said.append)
    assert said == ["evse cannot be read"]
