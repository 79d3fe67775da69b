"""Commands that a board has not heard, which answers none of them."""

from __future__ import annotations

from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.rig import Rig


def test_a_lock_without_feedback_that_heard_no_command_is_told_before_power() -> None:
    """Its command counts as done when its time is over, also where noise has taken it."""
    rig = Rig.running()
    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.board.deaf = True
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(2)
    assert rig.answers() == [s.LockDone(1)]
    rig.board.deaf = False
    rig.feed(s.SetPower(True))
    rig.advance(0.5)
    assert rig.board.relay
    assert rig.board.lock == "locked"


def test_so_it_is_where_power_was_allowed_unheard_too() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.board.deaf = True
    rig.feed(s.MoveLock(1, locked=True))
    rig.advance(2)
    rig.feed(s.SetPower(True))
    rig.advance(2)
    rig.board.deaf = False
    rig.advance(1.2)
    assert rig.board.relay
    assert rig.board.lock == "locked"
    begin_s = rig.now_s
    rig.advance(5)
    assert rig.sent_since(begin_s, m.SetLock(True)) == [], "its motor rests while power flows"


def test_a_lock_that_nobody_commands_is_left_alone() -> None:
    rig = Rig.charging()
    assert not any(isinstance(message, m.SetLock) for _, message in rig.sent)
