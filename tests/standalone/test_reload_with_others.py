"""A reload in a station some of whose modules are of other processes."""

from __future__ import annotations

from pathlib import Path

from evse_daemon.config import load_text
from evse_daemon.config.differences import changes
from tests.standalone.test_manager import ask, writable
from tests.standalone.world import StandaloneWorld
from tests.support.foreign_module import ForeignModule
from tests.support.waiting import run

TIMEOUT = "connection_timeout: 30"


def test_a_manifest_that_is_read_again_is_no_difference(tmp_path: Path) -> None:
    text = writable(tmp_path)
    found = changes(load_text(text), load_text(text))
    assert (found.taken, found.waiting) == ((), ())


def test_an_option_of_another_process_waits_for_its_start(tmp_path: Path) -> None:
    text = writable(tmp_path)
    found = changes(load_text(text), load_text(text.replace("retries: 5", "retries: 6")))
    assert [each.text for each in found.waiting] == ["option retries of token_validator (5 → 6)"]


def test_whoever_asks_for_an_option_is_told_what_the_module_has_taken_over(tmp_path: Path) -> None:
    text = writable(tmp_path).replace(
        "standalone: true", "standalone: true\n    access: {config: {allow_global_read: true}}"
    )
    assert text.count(TIMEOUT) == 1

    async def scenario() -> None:
        world = StandaloneWorld(load_text(text))
        await world.start()
        module = ForeignModule(
            "token_validator", {"main": ["validate_token"]}, lambda *_: None, "ConfigurationRequest"
        )
        world.connect(module)
        await world.advance(1)
        found = changes(world.station.config, load_text(text.replace(TIMEOUT, "connection_timeout: 60")))
        world.station.reconfigure(found.config, found.modules)
        world.standalone.reconfigured(found.config, found.modules)
        wanted = {"configuration_parameter_name": "connection_timeout", "module_id": "auth"}
        ask(module, {"identifier": wanted, "type": "Value"}, "Get")
        await world.advance(0.5)
        answer = world.broker.on("everest/modules/token_validator/response")[-1]
        await world.stop()
        assert '"mutability":"ReadWrite"' in answer
        assert '"value":60' in answer

    run(scenario())
