"""A kernel that failed and begins anew: what was said meanwhile, what lasts, and what was under way."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import CallError, Deferred
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.energy import EnforcedLimits, IntegerWithSource, LimitsRes, NumberWithSource
from tests.modules.evse_manager.evse_world import ENERGY, EVSE, LOCK, EvseWorld
from tests.modules.evse_manager.faulty_station import COMMAND
from tests.modules.evse_manager.plant import SOCKET, SWITCHES_PHASES
from tests.modules.evse_manager.rig import DELAY, source
from tests.modules.evse_manager.supervised import Supervised

EMERGENCY_STOP = "evse_board_support/MREC8EmergencyStop"
MREC17 = "evse_board_support/MREC17EVSEContactorFault"
INOPERATIVE = "evse_manager/Inoperative"


def hang_with_an_entry_to_store(evse: EvseWorld) -> None:
    """The store hangs, and all that is to be told waits behind an entry of the operator's."""
    evse.world.journal.hung = True
    evse.world.begin(EVSE, Interface.enable_disable, 0, source("LocalAPI", "Enable"))
    evse.world.settle()


def enforce_phases(evse: EvseWorld, count: int) -> None:
    limits = LimitsRes(
        ac_max_current_A=NumberWithSource(value=16.0, source="test"),
        ac_max_phase_count=IntegerWithSource(value=count, source="test"),
    )
    value = EnforcedLimits(uuid="evse", valid_for=10_000, limits_root_side=limits, schedule=[])
    evse.world.call(ENERGY, Energy.enforce_limits, value)


# What peers say only once


def test_an_error_at_which_the_kernel_fails_still_prevents_charging(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.fails_at(monkeypatch, ev.CausesChanged)
    evse.fail(evse.board, EMERGENCY_STOP)
    evse.world.advance(2.1)
    evse.enforce(16.0)
    evse.cp("C")
    evse.authorize()
    assert not evse.contactor_closed
    assert evse.errors == [INOPERATIVE]
    evse.mend(evse.board, EMERGENCY_STOP)
    assert evse.errors == []


def test_a_contactor_that_closes_while_the_kernel_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.contactor_follows = False
    evse.fails_at(monkeypatch, ev.ContactorChanged)
    evse.closes_by_itself()
    evse.world.recorder.clear()
    evse.world.advance(5)
    evse.cp("A")
    assert "ContactorWelded" in evse.sub_types
    assert evse.world.calls(LOCK, ConnectorLock.unlock) == [], "the plug may be live"


def test_what_the_board_can_is_known_although_the_kernel_failed_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.fails_at(monkeypatch, ev.CapabilitiesChanged)
    evse.boot()
    evse.world.advance(5)
    assert evse.names == ["Enabled"]
    evse.charge_again(40.0)
    assert evse.limit_a == 32.0, "what the board is built for"


def test_another_cable_is_known_although_the_kernel_failed_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.board.publish(EvseBoardSupport.capabilities, SOCKET)
    evse.cable("A_32")
    evse.fails_at(monkeypatch, ev.ProximityChanged)
    evse.cable("A_13")
    evse.world.advance(3)
    evse.charge_again(32.0)
    assert evse.limit_a == 13.0


def has_phases(evse: EvseWorld, count: int) -> None:
    """The board says on how many phases the car can charge."""
    evse.board.publish(EvseBoardSupport.ac_nr_of_phases_available, count)
    evse.world.settle()


def test_so_is_the_number_of_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.board.publish(EvseBoardSupport.capabilities, SWITCHES_PHASES)
    has_phases(evse, 1)
    evse.fails_at(monkeypatch, ev.PhasesAvailable)
    has_phases(evse, 3)
    evse.world.advance(3)
    evse.enforce(32.0, watts=6900.0)
    assert evse.limit_a == 10.0, "a limit in watt holds on all phases that there are"


def test_a_number_of_phases_from_before_a_switch_does_not_count_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.boot()
    evse.board.publish(EvseBoardSupport.capabilities, SWITCHES_PHASES)
    has_phases(evse, 1)
    has_phases(evse, 3)
    enforce_phases(evse, 1)
    evse.crash(monkeypatch)
    evse.world.advance(3)
    evse.enforce(32.0, watts=6900.0)
    assert evse.limit_a == 30.0


# What lasts


@pytest.mark.parametrize("failures_before", [0, 3])
def test_a_latch_that_a_failing_board_cut_off_is_stored(
    failures_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evse = Supervised()
    evse.boot()
    evse.failures["evse"] = failures_before
    run = evse.evse.board.run

    def breaks(effect: fx.BoardEffect) -> None:
        monkeypatch.setattr(evse.evse.board, "run", run)
        raise ZeroDivisionError("a fault in the driver's client")

    monkeypatch.setattr(evse.evse.board, "run", breaks)
    evse.fail(evse.board, MREC17)
    evse.world.advance(30)
    assert evse.recovered == [True]
    assert evse.world.journal.settings("evse")["latched_errors"]
    assert INOPERATIVE in evse.errors


def test_a_latch_that_could_not_be_stored_is_tried_again_although_the_kernel_failed_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.boot()
    evse.world.journal.memory.failure = "disk full"
    evse.fails_at(monkeypatch, ev.Committed)
    evse.fail(evse.board, MREC17)
    evse.world.advance(1)
    evse.world.journal.memory.failure = None
    evse.world.advance(15)
    assert evse.world.journal.settings("evse")["latched_errors"]


def test_a_latch_behind_an_answer_at_which_the_kernel_fails_for_good_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.boot()
    evse.world.journal.delay_s = 0.5
    evse.cp("B")
    evse.authorize()
    evse.fail(evse.board, MREC17)
    evse.fails_at(monkeypatch, ev.Committed)
    evse.failures["evse"] = 3
    evse.world.advance(60)
    assert evse.evse.state.charger == "Starting", "it stays off"
    assert evse.world.journal.settings("evse")["latched_errors"]


def test_a_latch_that_the_service_cleared_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.boot()
    evse.fail(evse.board, MREC17)
    evse.mend(evse.board, MREC17)
    hang_with_an_entry_to_store(evse)
    evse.world.send(COMMAND, MREC17)
    evse.crash(monkeypatch)
    evse.world.advance(3)
    evse.world.journal.hung = False
    evse.world.advance(30)
    assert evse.errors == []
    assert evse.world.journal.settings("evse")["latched_errors"] == []
    evse.charge_again()


def test_an_error_that_ended_behind_a_store_that_hangs_is_not_told_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: Any) -> None:
        raise CallError("Timeout", "no answer")

    evse = Supervised()
    evse.boot()
    hang_with_an_entry_to_store(evse)
    evse.board.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, refuse)
    evse.enforce(10.0)
    evse.board.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)
    evse.crash(monkeypatch)
    evse.world.advance(10)
    evse.world.journal.hung = False
    evse.world.advance(10)
    assert evse.errors == []
    evse.charge_again()


def test_what_waits_until_the_car_has_left_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    evse.charge()
    evse.fail(evse.rcd, "ac_rcd/Selftest")
    evse.mend(evse.rcd, "ac_rcd/Selftest")
    evse.crash(monkeypatch)
    evse.world.advance(3)
    assert evse.errors == [INOPERATIVE]
    evse.enforce(16.0)
    evse.cp("C")
    evse.authorize()
    assert not evse.contactor_closed
    evse.charge_again()


def test_a_kernel_that_stays_off_says_so_whatever_was_to_be_told_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.boot()
    hang_with_an_entry_to_store(evse)
    evse.fail(evse.board, EMERGENCY_STOP)
    evse.mend(evse.board, EMERGENCY_STOP)
    evse.failures["evse"] = 3
    evse.crash(monkeypatch)
    evse.world.advance(30)
    assert evse.errors == ["evse_manager/Internal", INOPERATIVE]


# What was under way


def test_no_power_while_the_board_still_switches_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised(disable_authentication=True)
    answers: list[Deferred[None]] = []

    def switch(value: bool) -> Deferred[None]:
        answers.append(Deferred())
        return answers[-1]

    def tells_the_pilot_when_enabled(value: bool) -> None:
        if value:
            evse.board.publish(EvseBoardSupport.event, BspEvent(event="C"))

    evse.board.handle(EvseBoardSupport.ac_switch_three_phases_while_charging, switch)
    evse.boot()
    evse.board.publish(EvseBoardSupport.capabilities, SWITCHES_PHASES)
    evse.world.settle()
    enforce_phases(evse, 3)
    evse.cp("B")
    evse.cp("C")
    assert evse.contactor_closed
    evse.board.handle(EvseBoardSupport.enable, tells_the_pilot_when_enabled)
    enforce_phases(evse, 1)
    evse.world.advance(10.5)
    assert len(answers) == 1
    evse.crash(monkeypatch)
    evse.world.advance(2.1)
    enforce_phases(evse, 3)
    assert True not in evse.power
    answers[0].resolve(None)
    evse.world.settle()
    evse.world.advance(6)
    enforce_phases(evse, 1)
    assert evse.contactor_closed
    assert len(answers) == 1


def test_a_countdown_ends_with_the_delay_that_a_failure_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    evse = Supervised(uk_smartcharging_random_delay_enable=True)
    evse.charge()
    evse.world.advance(10)
    evse.enforce(10.0)
    assert evse.world.published(DELAY, UkRandomDelay.countdown)[-1].countdown_s > 0
    evse.crash(monkeypatch)
    evse.world.advance(3)
    assert evse.world.published(DELAY, UkRandomDelay.countdown)[-1].countdown_s == 0


def test_a_meter_that_speaks_first_does_not_hurry_a_kernel_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evse = Supervised()
    evse.crash(monkeypatch)
    evse.boot()
    assert evse.names == []
    evse.world.advance(2.1)
    assert evse.names == ["Enabled"]
    assert evse.errors == []


def test_a_kernel_that_failed_four_times_before_the_start_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    evse = Supervised()
    for _ in range(4):
        evse.crash(monkeypatch)
    evse.boot()
    evse.world.advance(30)
    assert evse.names == []
    evse.enforce(16.0)
    evse.cp("C")
    evse.authorize()
    assert True not in evse.power
