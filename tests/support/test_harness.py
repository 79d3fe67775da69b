"""The harness itself: a test that cannot fail shows nothing."""

from __future__ import annotations

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.framework.module import Module, ModuleOptions, Provides, RequiresOptional
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.types.board_support_common import BspEvent
from tests.support.harness import World


class Charger(Module):
    """Sets X1 on each A, and remembers how often."""

    class Options(ModuleOptions):
        label: str

    shelf = Provides(Kvs)
    board = RequiresOptional(EvseBoardSupport)

    def init(self) -> None:
        for command in (Kvs.store, Kvs.delete):
            self.shelf.handle(command, lambda **_arguments: None)
        self.shelf.handle(Kvs.exists, lambda key: key == "there")
        self.shelf.handle(Kvs.load, lambda key: 1 / 0)
        assert self.board is not None
        self.board.subscribe(EvseBoardSupport.event, self.on_event)

    def ready(self) -> None:
        self.every(1.0, lambda: self.mqtt.publish("outside", "tick", latest=True))

    def on_event(self, event: BspEvent) -> None:
        assert self.board is not None
        self.board.call(EvseBoardSupport.cp_state_X1)


@pytest.fixture
def world() -> World:
    world = World()
    world.add(Charger, "charger", {"label": "x"}, connections={"board": [("board", "main")]})
    world.fake("board", main=EvseBoardSupport)
    return world


def test_a_module_and_a_fake_talk_and_all_of_it_is_recorded(world: World) -> None:
    world.start()
    board = world.bus.implementations["board", "main"]
    board.publish(EvseBoardSupport.event, BspEvent(event="A"))
    world.advance(2.5)
    assert world.published(("board", "main"), EvseBoardSupport.event) == [BspEvent(event="A")]
    assert world.calls(("board", "main"), EvseBoardSupport.cp_state_X1) == [{}]
    assert [entry.kind for entry in world.recorder.entries] == ["var", "call", "result"]
    assert world.mqtt.payloads("outside") == ["tick", "tick"]


def test_calls_give_their_result_or_raise(world: World) -> None:
    world.start()
    assert world.call(("charger", "shelf"), Kvs.exists, "there") is True
    with pytest.raises(ZeroDivisionError):
        world.call(("charger", "shelf"), Kvs.load, "key")


def test_a_fake_refuses_what_it_has_no_answer_for() -> None:
    world = World()
    fake = world.fake("kvs", main=Kvs)
    world.start()
    with pytest.raises(CallError, match="exists"):
        world.call(("kvs", "main"), Kvs.exists, "key")
    fake["main"].handle(Kvs.exists, lambda key: True)
    assert world.call(("kvs", "main"), Kvs.exists, "key") is True


def test_a_published_value_that_breaks_its_type_fails_the_test(world: World) -> None:
    world.start()
    board = world.bus.implementations["board", "main"]
    board.publish(EvseBoardSupport.ac_nr_of_phases_available, 4)
    with pytest.raises(ValueError, match="less than or equal"):
        world.settle()


def test_a_message_that_nobody_hears_fails_the_test(world: World) -> None:
    world.start()
    with pytest.raises(AssertionError, match="nowhere"):
        world.send("nowhere", "x")


def test_the_journal_can_be_slow_broken_and_hung_and_outlives_its_world() -> None:
    world = World()
    outcomes: list[str | None] = []
    started = {"session_id": "1"}
    world.journal.delay_s = 0.5
    world.journal.append("transaction_started", "evse", started, outcomes.append)
    world.settle()
    assert outcomes == []
    world.advance(0.5)
    assert outcomes == [None]
    world.journal.memory.failure = "disk full"
    world.journal.append("transaction_finished", "evse", started, outcomes.append)
    world.advance(0.5)
    world.journal.hung = True
    world.journal.append("transaction_finished", "evse", started, outcomes.append)
    world.advance(10)
    assert outcomes == [None, "disk full"]
    assert world.journal.records == [("transaction_started", "evse", started)]
    assert World(stored=world.journal.memory).journal.open_transactions("evse") == [started]
