"""What a board said before it was restarted, and what it does not say again after: neither is believed."""

from __future__ import annotations

from dataclasses import replace

from drivers.board import driver
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.rig import Rig


def test_a_lock_reported_before_the_restart_answers_no_command() -> None:
    rig = Rig()
    rig.feed(s.LinkUp())
    assert rig.state.phase == "resetting"
    rig.feed(s.MoveLock(1, locked=True))
    rig.feed(s.Received(m.LockState("locked")))
    assert rig.answers() == [], "the restart opens it: only what the board says after counts"
    rig.advance(2.5)
    assert rig.answers() == [s.LockDone(1)]
    assert rig.board.lock == "locked"


def cables(rig: Rig) -> list[m.Cable]:
    return [effect.cable for _, effect in rig.told if isinstance(effect, s.TellCable)]


def test_a_cable_that_was_taken_away_while_the_board_was_off_is_forgotten() -> None:
    """Boards begin with none, and tell only changes: the rating would be that of a cable which is gone."""
    rig = Rig.running()
    rig.board.cable = "32A"
    rig.advance(1)
    rig.feed(s.LinkLost("unplugged"))
    rig.advance(5)
    rig.board.cable = "none"
    rig.feed(s.LinkUp())
    rig.advance(2)
    assert rig.state.phase == "running"
    assert cables(rig) == ["32A", "none"]


def test_a_cable_that_is_still_there_after_a_restart_is_told_once() -> None:
    rig = Rig.running()
    rig.board.cable = "32A"
    rig.advance(1)
    rig.board.restart()
    rig.advance(2)
    assert rig.state.phase == "running"
    assert cables(rig) == ["32A"]


def test_a_board_that_tells_of_no_cable_has_none_told_of_it() -> None:
    rig = Rig.running()
    rig.board.restart()
    rig.advance(2)
    assert cables(rig) == []


def test_neither_lock_nor_phases_move_while_the_contactor_may_be_closing() -> None:
    rig = Rig.running()
    rig.plug_in("C")
    rig.feed(s.SetDuty(1600))
    rig.feed(s.SetPower(True))
    assert not rig.state.relay_closed, "it is on its way"
    assert driver.why_not_unlock(rig.state)
    assert driver.why_not_phases(rig.state)


def test_the_reset_line_is_held_long_enough_where_the_port_comes_back_at_once() -> None:
    rig = Rig.running(replace(s.Settings(protocol_major=0), reset_line=True))
    rig.told.clear()
    begin_s = rig.now_s
    rig.feed(s.LinkLost("error 1 of 3 in its driver"))
    rig.feed(s.LinkUp())
    rig.advance(1)
    line = [
        (round(at_s - begin_s, 6), effect.held)
        for at_s, effect in rig.told
        if isinstance(effect, s.ResetLine)
    ]
    assert line == [(0, True), (0.01, False)]
    assert rig.state.phase == "running"
