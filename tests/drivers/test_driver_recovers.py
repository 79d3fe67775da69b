"""An exception between two effects of a driver: what was decided and not done is made good."""

from __future__ import annotations

import asyncio

import pytest

from drivers.board import messages as m
from drivers.board import state as s
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from tests.drivers.test_yeti_driver import BOARD, LOCK, Rig


def fail_once(rig: Rig, monkeypatch: pytest.MonkeyPatch, at: type[s.Effect]) -> None:
    """The next effect of this kind fails."""
    connector = rig.module.connectors[0]
    run = connector.run

    def fails(effect: s.Effect) -> None:
        if not isinstance(effect, at):
            run(effect)
            return
        monkeypatch.setattr(connector, "run", run)
        raise ArithmeticError

    monkeypatch.setattr(connector, "run", fails)


@pytest.mark.parametrize("at", [s.TellEvent, s.Clear])
def test_an_error_that_was_not_cleared_is_cleared(
    at: type[s.Effect], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()
    rig.charge()
    rig.board.silent = True
    rig.advance(2.5)
    assert rig.world.errors(BOARD)
    rig.board.silent = False
    fail_once(rig, monkeypatch, at)
    rig.advance(5)
    assert len(rig.failures) == 1
    assert not rig.board.relay
    assert rig.module.state.phase == "running"
    assert rig.world.errors(BOARD) == []


def test_an_error_that_was_not_raised_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.charge()
    rig.board.flags = m.ErrorFlags(diode_fault=True)
    fail_once(rig, monkeypatch, s.Raise)
    rig.advance(5)
    assert len(rig.failures) == 1
    assert rig.world.errors(BOARD) == ["evse_board_support/DiodeFault"]


@pytest.mark.parametrize("at", [s.TellEvent, s.LockDone])
def test_a_command_to_the_lock_is_answered(at: type[s.Effect], monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.charge()
    call = rig.world.begin(LOCK, ConnectorLock.lock)
    rig.board.car = "B"
    fail_once(rig, monkeypatch, at)
    rig.advance(1.5)
    assert len(rig.failures) == 1
    assert isinstance(call.outcome, CallError)
    assert "has failed" in call.outcome.message
    again = rig.world.begin(LOCK, ConnectorLock.lock)
    rig.advance(3)
    assert again.outcome == (None,)


def test_a_contactor_whose_opening_was_not_told_is_told_open(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.charge()
    assert rig.events()[-1] == "PowerOn"
    rig.allow(False)
    fail_once(rig, monkeypatch, s.TellEvent)
    rig.advance(3)
    assert len(rig.failures) == 1
    assert rig.events()[-1] == "PowerOff", "or its EvseManager would take it for welded"


def test_capabilities_that_were_not_told_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    told = len(rig.world.published(BOARD, EvseBoardSupport.capabilities))
    rig.board.version = "2.3"
    fail_once(rig, monkeypatch, s.TellBoard)
    rig.advance(3)
    assert len(rig.failures) == 1
    assert len(rig.world.published(BOARD, EvseBoardSupport.capabilities)) == told + 1


def test_a_wire_whose_task_failed_is_opened_anew() -> None:
    rig = Rig()
    rig.charge()
    begun = rig.world.spawned.count(("yeti", "link"))
    with pytest.raises(NotImplementedError) as failure:
        asyncio.run(rig.module._carry())  # the wire of this rig does not run
    rig.failed(failure.value)
    assert rig.world.spawned.count(("yeti", "link")) == begun + 1
    assert not rig.module.state.wire, "nothing is sent into it before it is open"
    assert not rig.board.power
    rig.advance(3)
    assert rig.world.errors(BOARD) == ["evse_board_support/CommunicationFault"]
    rig.module.link_up()
    rig.advance(2)
    assert rig.world.errors(BOARD) == []
    assert rig.module.state.phase == "running"
