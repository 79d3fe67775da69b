"""The connector lock of a board that is lost or has yet to start; see test_board_driver.py for one that is there."""

from __future__ import annotations

import pytest

from drivers.board import driver
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.rig import Rig


@pytest.mark.parametrize("locked", [True, False])
def test_a_command_before_the_board_has_started_waits_for_it(locked: bool) -> None:
    rig = Rig()
    rig.board.lock = "unlocked" if locked else "locked"
    rig.feed(s.MoveLock(1, locked))
    assert driver.next_deadline(rig.state, rig.settings) is None
    rig.feed(s.LinkUp())
    rig.advance(1)
    assert rig.state.phase == "running"
    assert rig.answers() == [], "its motor runs"
    rig.advance(0.5)
    assert rig.answers() == [s.LockDone(1)]
    assert rig.board.lock == ("locked" if locked else "unlocked")


def test_a_command_while_the_board_starts_is_sent_when_it_runs() -> None:
    rig = Rig()
    rig.feed(s.LinkUp())
    rig.feed(s.Received(m.WasReset("user")))
    assert rig.state.phase == "starting"
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1.5)
    assert rig.answers() == [s.LockDone(1)]
    assert rig.board.lock == "locked"


def test_a_board_that_never_starts_is_a_lost_board_and_no_stuck_lock() -> None:
    rig = Rig()
    rig.feed(s.LinkUp())
    rig.board.silent = True
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(2.1)
    (answer,) = rig.answers()
    assert "was not heard" in answer.error
    rig.feed(s.MoveLock(2, locked=True))
    assert rig.answers()[-1].request_id == 2
    assert "not there" in rig.answers()[-1].error


def test_an_unlock_that_waits_is_refused_where_the_contactor_turns_out_to_be_closed() -> None:
    rig = Rig()
    rig.board.welded = rig.board.relay = True
    rig.board.lock = "locked"
    rig.feed(s.MoveLock(1, locked=False))
    rig.feed(s.LinkUp())
    rig.advance(3)
    assert rig.state.relay_closed
    (answer,) = rig.answers()
    assert "stays locked" in answer.error
    assert m.SetLock(False) not in [message for _, message in rig.sent]


@pytest.mark.parametrize("loss", ["restart", "silence", "port"])
def test_whoever_asked_hears_of_the_lost_board_first(loss: str) -> None:
    """So that a lock that failed with its board is not taken for a stuck one."""
    rig = Rig.running()
    rig.feed(s.MoveLock(1, locked=True))
    if loss == "port":
        rig.feed(s.LinkLost("/dev/ttyUSB0 has vanished"))
    else:
        rig.board.reports_lock = rig.board.lock_stuck = True
        rig.board.restart() if loss == "restart" else setattr(rig.board, "silent", True)
    rig.advance(2.3)
    told = [effect for _, effect in rig.told if isinstance(effect, s.Raise | s.LockDone)]
    assert isinstance(told[0], s.Raise)
    assert told[0].fault.type == "evse_board_support/CommunicationFault"
    assert isinstance(told[1], s.LockDone)
    assert told[1].error


def test_a_lock_whose_motor_failed_is_not_believed() -> None:
    """A board that does not report where its lock is, but that it could not move it."""
    rig = Rig.running()
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(1)
    rig.board.flags = m.ErrorFlags(connector_lock_failed=True)
    rig.advance(0.5)
    (answer,) = rig.answers()
    assert "motor" in answer.error
    rig.feed(s.MoveLock(2, locked=True))
    rig.advance(1)
    rig.board.flags = m.ErrorFlags()
    rig.advance(0.5)
    assert rig.answers()[-1] == s.LockDone(2)


def test_a_lock_that_is_mended_while_f_is_signalled_is_no_error_any_more() -> None:
    """The car has left; the charger is out of order, signals F, and the board does not report A again."""
    rig = Rig.running()
    rig.plug_in("B")
    rig.board.flags = m.ErrorFlags(connector_lock_failed=True)
    rig.plug_in("A")
    rig.feed(s.SetDuty(m.PILOT_F))
    rig.advance(0.3)
    assert rig.state.pilot == "F"
    assert rig.errors() == {"connector_lock/MREC1ConnectorLockFailure"}
    rig.board.flags = m.ErrorFlags(connector_lock_failed=True, over_current=True)
    rig.advance(0.3)
    rig.board.flags = m.ErrorFlags()
    rig.advance(0.3)
    assert rig.errors() == set()


def test_it_counts_until_the_car_has_left_where_f_was_signalled_with_the_car_there() -> None:
    rig = Rig.running()
    rig.plug_in("B")
    rig.board.flags = m.ErrorFlags(connector_lock_failed=True)
    rig.feed(s.SetDuty(m.PILOT_F))
    rig.advance(0.3)
    rig.board.flags = m.ErrorFlags()
    rig.advance(0.3)
    assert rig.errors() == {"connector_lock/MREC1ConnectorLockFailure"}
    rig.feed(s.SetDuty(m.PILOT_X1))
    rig.plug_in("A")
    assert rig.errors() == set()
