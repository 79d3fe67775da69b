"""The daemon as manager of a standalone module: configuration, ready, restarts, the end."""

from __future__ import annotations

from tests.standalone.world import Board, StandaloneWorld, config_text, play
from tests.support.foreign_module import ForeignModule

DEFINITIONS = ("everest/interfaces", "everest/module_names", "everest/manifests/YetiSimulator")


def test_a_module_is_configured_and_told_once_that_all_are_ready() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        assert world.broker.on("everest/ready") == []
        board = Board()
        world.connect(board)
        await world.advance(1)
        assert board.died == ""
        assert board.ready_seen == 1
        for topic in DEFINITIONS:
            assert world.broker.on(topic)[-1] == "", "definitions are cleared before GlobalReady"
        board.publish("modules/yeti_driver/ready", "ModuleReady", True)
        await world.advance(1)
        assert board.ready_seen == 1, "a second ModuleReady is no start"

    play(scenario, config_text("yeti_driver"))
