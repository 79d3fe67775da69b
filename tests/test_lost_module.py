"""A module that fails for good: who waits for it is told at once."""

from __future__ import annotations

from evse_daemon.framework.bus import Client, Inbox, InboxOverflowError
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from tests.test_station import World


def test_calls_that_it_has_not_handled_are_answered() -> None:
    world = World()
    world.station.begin()
    world.advance(1)
    bus = world.station.bus
    board = bus.implementations["board_1", "board_support"]
    client: Client[EvseBoardSupport] = Client(board, Inbox(bus, "tester"))
    errors: list[CallError] = []
    waiting = [client.call(EvseBoardSupport.cp_state_X1).then(None, errors.append) for _ in range(2)]
    world.station._failed("board_1", InboxOverflowError("too far behind"))
    later = client.call(EvseBoardSupport.cp_state_X1).then(None, errors.append)
    bus.settle()
    assert [call.outcome for call in (*waiting, later)] == errors
    assert {(error.type, error.message) for error in errors} == {
        ("HandlerException", "module board_1 has failed")
    }
