"""The daemon as manager of standalone modules: configuration, ready, restarts, the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.config import ConfigurationError, load_text
from evse_daemon.standalone.manager import START_S
from evse_daemon.store import MemoryJournal
from tests.standalone.world import (
    VALIDATOR_COMMANDS,
    Board,
    StandaloneWorld,
    config_text,
    play,
)
from tests.support.foreign_module import ForeignModule
from tests.support.memory_broker import MemoryBroker
from tests.support.waiting import run

DEFINITIONS = ("everest/interfaces", "everest/module_names", "everest/manifests/YetiSimulator")
READY = "everest/ready"
PAUSE = "everest/modules/evse_manager/impl/evse/cmd/pause_charging"
RESPONSE = "everest/modules/yeti_driver/response"


def validator(generation: str = "ConfigurationRequest") -> ForeignModule:
    accepted = {"authorization_status": "Accepted"}
    return ForeignModule("token_validator", VALIDATOR_COMMANDS, lambda *_: accepted, generation)


def left(broker: MemoryBroker) -> list[str]:
    return [topic for topic in broker.retained_messages if topic.startswith("everest/")]


@pytest.mark.parametrize("generation", ["GetConfig", "ConfigurationRequest"])
def test_modules_are_configured_and_told_once_that_all_are_ready(generation: str) -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board, other = Board(generation), validator(generation)
        world.connect(board)
        await world.advance(1)
        assert world.broker.on(READY) == [], "one of two is ready"
        assert set(DEFINITIONS) <= set(left(world.broker))
        call = {"data": {"args": {}, "id": "1", "origin": "tester"}, "msg_type": "Cmd"}
        world.broker.take(PAUSE, json.dumps(call).encode(), 2, retain=False)
        await world.advance(0.1)
        (answer,) = world.broker.on(f"{PAUSE}/response/tester")
        assert "NotReady" in answer
        assert "token_validator" in answer

        world.connect(other)
        await world.advance(1)
        assert (board.died, other.died) == ("", "")
        assert world.broker.on(READY) == ['{"data":true,"msg_type":"GlobalReady"}']
        assert (board.ready_seen, other.ready_seen) == (1, 1)
        assert left(world.broker) == [], "definitions are cleared before GlobalReady"
        seen = [message.topic for message in world.broker.seen]
        assert all(seen.index(READY) > len(seen) - 1 - seen[::-1].index(topic) for topic in DEFINITIONS)
        board.publish("modules/yeti_driver/ready", "ModuleReady", True)
        await world.advance(1)
        assert len(world.broker.on(READY)) == 1, "a second ModuleReady is no start"

    play(scenario, config_text("yeti_driver", "token_validator", daemon={"config_messages": generation}))


def test_a_module_is_told_what_it_is_and_what_it_is_connected_to() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = Board()
        world.connect(board)
        await world.advance(1)
        assert board.config is not None
        config = board.config["module_config"]
        assert (config["module_id"], config["module_name"], config["standalone"]) == (
            "yeti_driver",
            "YetiSimulator",
            True,
        )
        parameters = config["configuration_parameters"]
        first = {
            "characteristics": {"datatype": "number", "mutability": "ReadOnly"},
            "name": "ac_nominal_frequency",
            "value": 50.0,
        }
        assert parameters["!module"][0] == first
        assert sorted(parameters) == [
            "!module", "board_support", "connector_lock", "ev_board_support", "powermeter", "rcd",
            "temperature_sensor",
        ]  # fmt: skip
        assert config["mapping"] == {"module": {"evse": 1}}
        assert board.config["mappings"] == {"yeti_driver": {"module": {"evse": 1}}}
        powermeter = board.definitions["interface_definitions/powermeter"]
        assert powermeter["cmds"]["stop_transaction"] == {
            "arguments": {"transaction_id": {"type": "string"}},
            "result": {"$ref": "/powermeter#/TransactionStopResponse", "type": "object"},
        }
        assert powermeter["vars"]["public_key_ocmf"] == {"qos": 2, "type": "string"}
        manifest = board.definitions["manifests/YetiSimulator"]
        assert manifest["provides"]["rcd"]["interface"] == "ac_rcd"
        assert {"metadata", "requires", "enable_global_errors"} <= set(manifest)
        assert len(board.definitions["settings"]) == 8

    play(scenario, config_text("yeti_driver"))


def test_the_other_generation_is_not_answered_and_the_log_names_the_setting() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        with capture_logs() as logs:
            world.connect(Board("GetConfig"))
            await world.advance(1)
        assert world.broker.on(RESPONSE) == []
        reasons = [line.get("reason", "") for line in logs]
        assert any("set daemon.config_messages to GetConfig" in reason for reason in reasons)

    play(scenario, config_text("yeti_driver"))


def test_a_validator_of_another_process_is_asked_and_its_death_does_not_stop_a_session() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        other = validator()
        world.connect(other)
        await world.advance(1)
        token = b'{"id_token":{"value":"A","type":"ISO14443"},"authorization_type":"RFID"}'
        for _ in range(2):
            world.broker.take("everest_api/dummy_token_provider/cmd/provide", token, 0, retain=False)
            await world.advance(2)
        assert [command for _, command, _ in other.commands] == ["validate_token"] * len(other.commands)
        assert other.commands
        world.disconnect(other)
        token = token.replace(b'"A"', b'"B"')
        world.broker.take("everest_api/dummy_token_provider/cmd/provide", token, 0, retain=False)
        await world.advance(150)
        assert world.errors("token_validator", "main") == ["generic/CommunicationFault"]
        assert world.errors("evse_manager", "evse") == []
        again = validator()
        world.connect(again)
        await world.advance(1)
        assert (again.died, again.ready_seen) == ("", 1)
        assert world.errors("token_validator", "main") == []
        assert left(world.broker) == []

    play(scenario, config_text("token_validator"))


def test_two_modules_that_start_anew_together_are_both_configured() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        first = [Board(), validator()]
        for module in first:
            world.connect(module)
        await world.advance(1)
        for module in first:
            world.disconnect(module)
        await world.advance(1)
        again = [Board(), validator()]
        for module in again:
            world.connect(module)
        await world.advance(1)
        assert [module.died for module in again] == ["", ""]
        assert all(module.ready_seen for module in again)
        assert left(world.broker) == []

    play(scenario, config_text("yeti_driver", "token_validator"))


def test_definitions_stay_while_another_module_starts() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        first = [Board(), validator()]
        for module in first:
            world.connect(module)
        await world.advance(1)
        for module in first:
            world.disconnect(module)
        slow, fast = validator(), Board()
        slow.boot_step = False
        world.connect(slow)
        await world.advance(0.5)
        world.connect(fast)
        await world.advance(0.5)
        assert (fast.died, fast.ready_seen) == ("", 1)
        slow.go_on()
        await world.advance(0.5)
        assert slow.died == ""
        assert slow.ready_seen
        assert left(world.broker) == []

    play(scenario, config_text("yeti_driver", "token_validator"))


def test_an_answer_of_before_an_outage_is_not_given_after_it() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = Board()
        world.connect(board)
        world.broker.lose()  # it has asked, and is not answered yet
        await world.advance(1)
        world.broker.reach()
        await world.advance(1)
        assert world.broker.on(RESPONSE) == []
        board.boot()
        await world.advance(1)
        assert (board.died, board.ready_seen) == ("", 1)
        assert len(world.broker.on(RESPONSE)) == 1

    play(scenario, config_text("yeti_driver"))


def test_a_daemon_that_starts_anew_takes_over_a_module_that_runs_and_opens_the_contactor() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        broker.retained_messages["everest/module_names"] = b"stale"
        world = StandaloneWorld(load_text(config_text("yeti_driver")), broker=broker)
        await world.start()
        board = Board()
        world.connect(board)
        await world.advance(1)
        assert board.died == ""
        board.allowed = board.closed = True
        board.car_state = "C"
        broker.lose()  # kill -9

        after = StandaloneWorld(load_text(config_text("yeti_driver")), broker=broker)
        await after.start()
        await after.advance(3)
        assert not board.closed
        assert after.errors("yeti_driver", "board_support") == []
        assert board.ready_seen == 1, "a second GlobalReady could make a real module deaf"
        call = {"data": {"args": {}, "id": "1", "origin": "tester"}, "msg_type": "Cmd"}
        broker.take(PAUSE, json.dumps(call).encode(), 2, retain=False)
        await after.advance(0.1)
        assert "NotReady" not in broker.on(f"{PAUSE}/response/tester")[-1], "calls are taken"
        await after.stop()

    run(scenario())


def test_at_the_end_power_goes_off_first_and_modules_are_told_to_end() -> None:
    async def scenario() -> None:
        world = StandaloneWorld(load_text(config_text("yeti_driver", "token_validator")))
        await world.start()
        board = Board()
        world.connect(board)
        await world.advance(1)
        await world.stop()
        assert left(world.broker) == []
        assert board.shutdown_seen == 1
        topics = [message.topic for message in world.broker.seen]
        off = (
            len(topics)
            - 1
            - topics[::-1].index("everest/modules/yeti_driver/impl/board_support/cmd/allow_power_on")
        )
        assert off < topics.index("everest/shutdown")
        assert world.broker.on("everest/shutdown") == ["true"]

    run(scenario())


def test_hardware_takes_calls_of_a_module_that_the_configuration_connects_and_of_nobody_else() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        kernel = ForeignModule("evse_manager", {}, lambda *_: None)
        stranger = ForeignModule("token_validator", VALIDATOR_COMMANDS, lambda *_: None)
        world.connect(kernel)
        world.connect(stranger)
        await world.advance(1)
        for module in (kernel, stranger):
            module.call("yeti_driver", "board_support", "enable", {"value": True})
        await world.advance(0.2)
        assert [result.get("retval", "refused") for result in kernel.results] == [None]
        assert [result.get("retval", "refused") for result in stranger.results] == ["refused"]

    play(scenario, config_text("evse_manager", "token_validator"))


def test_the_station_begins_without_a_module_that_does_not_come() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = Board()
        world.connect(board)
        enabled = "everest/modules/evse_manager/impl/evse/var/session_event"
        await world.advance(START_S - 2)
        assert world.broker.on(enabled) == []
        assert not any(command == "enable" for _, command, _ in board.commands), "modules begin together"
        await world.advance(10)
        assert "Enabled" in world.broker.on(enabled)[0]
        assert world.broker.on(READY) == []
        world.connect(validator())
        await world.advance(1)
        assert len(world.broker.on(READY)) == 1

    play(scenario, config_text("yeti_driver", "token_validator"))


# A changed value


def writable(folder: Path) -> str:
    """A validator that is known by its manifest, with parameters of every kind."""
    manifest = {
        "description": "A validator in another language.",
        "provides": {"main": {"interface": "auth_token_validator", "description": "it"}},
        "config": {
            "url": {"type": "string", "default": "http://x", "mutability": "ReadWrite"},
            "retries": {"type": "integer", "default": 3, "minimum": 0},
        },
        "metadata": {"license": "MIT", "authors": ["me"]},
    }
    (folder / "PyValidator").mkdir()
    (folder / "PyValidator" / "manifest.yaml").write_text(json.dumps(manifest))

    def change(document: Any) -> None:
        document["settings"] = {"modules_dir": str(folder)}
        document["active_modules"]["token_validator"] = {
            "module": "PyValidator",
            "standalone": True,
            "config_module": {"retries": 5},
        }

    return config_text(change=change)


def ask(module: ForeignModule, request: dict[str, Any], kind: str) -> None:
    data = {"origin": module.module_id, "request": request, "type": kind}
    module.publish("config/request", "ConfigurationRequest", data)


def identifier(name: str) -> dict[str, str]:
    return {"configuration_parameter_name": name, "module_id": "token_validator"}


def test_a_module_in_another_language_changes_a_value_that_survives(tmp_path: Path) -> None:
    journal = MemoryJournal()
    text = writable(tmp_path)

    async def scenario() -> None:
        world = StandaloneWorld(load_text(text), journal)
        await world.start()
        module = validator()
        world.connect(module)
        await world.advance(1)
        assert module.died == ""
        answers = "everest/modules/token_validator/response"
        ask(module, {"identifier": identifier("url"), "value": "http://y"}, "Set")
        await world.advance(0.5)
        assert world.broker.on(answers)[-1] == (
            '{"data":{"response":{"status":"Accepted","status_info":""},"status":"Ok","status_info":"",'
            '"type":"Set"},"msg_type":"ConfigurationResponse"}'
        )
        ask(module, {"identifier": identifier("retries"), "value": "7"}, "Set")
        await world.advance(0.5)
        assert '"RebootRequired"' in world.broker.on(answers)[-1]
        world.disconnect(module)
        ask(module, {"identifier": identifier("url"), "value": "http://z"}, "Set")
        await world.advance(4)
        assert len(world.broker.on("everest/modules/token_validator/config/set_request")) == 2
        await world.advance(7)
        assert len(world.broker.on("everest/modules/token_validator/config/set_request")) == 3, "asked twice"
        assert "did not answer" in world.broker.on(answers)[-1]
        await world.stop()

    run(scenario())

    async def after() -> None:
        world = StandaloneWorld(load_text(text), journal)
        await world.start()
        module = validator()
        world.connect(module)
        await world.advance(1)
        assert module.config is not None
        parameters = module.config["module_config"]["configuration_parameters"]["!module"]
        assert {each["name"]: each["value"] for each in parameters} == {"url": "http://z", "retries": 7}
        await world.stop()

    run(after())


# What check-config says


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mqtt_dialect": "documented"}, "the daemon speaks the dialect documented"),
        ({"config_messages": "GetConfi"}, "did you mean 'GetConfig'?"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(config_text("yeti_driver", daemon=change))
    assert message in str(caught.value)


def test_a_module_that_nothing_is_known_of_is_a_problem(tmp_path: Path) -> None:
    text = writable(tmp_path)
    load_text(text)
    for old, new, message in (
        ("PyValidator", "JsValidator", "there is no JsValidator/manifest.yaml"),
        ("retries: 5", "retries: -5", "retries"),
        ("retries: 5", "retri: 5", "did you mean 'retries'?"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load_text(text.replace(old, new))
        assert message in str(caught.value)
    manifest = tmp_path / "PyValidator" / "manifest.yaml"
    for content, message in (("[", "is no YAML"), ("5", "is no manifest"), ('{"provides": 5}', "wrong")):
        manifest.write_text(content)
        with pytest.raises(ConfigurationError) as caught:
            load_text(text)
        assert message in str(caught.value)
