"""The connector lock while its board is lost: nothing is asked, nothing has failed, and all is asked anew."""

from __future__ import annotations

import pytest

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.scenario import News, Scenario, cause

LOST = cause("evse_board_support/CommunicationFault")


def test_a_lock_that_is_asked_when_the_board_is_lost_is_asked_again() -> None:
    evse = Scenario()
    evse.begin()
    evse.prompt = False
    assert evse.cp("B").lock == "lock"
    assert "ConnectorLock" not in evse.errors_are(LOST).errors
    evse.answer("the board is not there")
    assert evse.since_last() == News()
    assert evse.wait(60) == News(), "nor is it late"
    assert evse.errors_are().lock == "lock"
    evse.answer()
    assert evse.state.pilot.lock == "locked"


@pytest.mark.parametrize("before", ["B", "A"])
def test_no_lock_is_asked_of_a_lost_board(before: str) -> None:
    evse = Scenario()
    evse.begin()
    evse.cp(before)
    evse.errors_are(LOST)
    assert evse.cp("A" if before == "B" else "B").lock == ""
    assert evse.wait(10).lock == ""
    assert evse.errors_are().lock == ("unlock" if before == "B" else "lock")


def test_power_waits_for_the_lock_that_is_asked_anew() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.errors_are(LOST).power == "off"
    evse.move_contactor()
    evse.since_last()
    evse.prompt = False
    news = evse.errors_are()
    assert (news.lock, news.power) == ("lock", "")
    evse.answer()
    assert evse.since_last().power == "on"


def test_a_stuck_lock_stays_an_error_when_its_board_is_lost_and_back() -> None:
    evse = Scenario()
    evse.begin()
    evse.prompt = False
    evse.cp("B")
    evse.answer("the motor is blocked")
    assert "+Internal/ConnectorLock" in evse.since_last().errors
    evse.errors_are(LOST)
    assert "ConnectorLock" not in evse.errors_are().errors
    assert any(own.sub_type == "ConnectorLock" for own in evse.state.own_errors)


def test_a_forced_unlock_is_done_at_the_latest_when_the_board_is_back() -> None:
    """At once where the lock is another one's; otherwise it is refused, which is no failure."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.errors_are(LOST)
    evse.prompt = False
    assert evse.accepted(ev.ForceUnlock()).lock == "unlock"
    evse.answer("the board is not there")
    assert evse.since_last() == News()
    assert evse.errors_are().lock == "unlock"
