"""A board in another process: charging with it, and what its silence does."""

from __future__ import annotations

import json

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from tests.standalone.world import Board, StandaloneWorld, config_text, play

TOKEN = b'{"id_token":{"value":"DEADBEEF","type":"ISO14443"},"authorization_type":"RFID"}'
CAPABILITIES = {
    "connector_type": "IEC62196Type2Cable",
    "max_current_A_export": 0.0,
    "max_current_A_import": 32.0,
    "max_phase_count_export": 3,
    "max_phase_count_import": 3,
    "min_current_A_export": 0.0,
    "min_current_A_import": 6.0,
    "min_phase_count_export": 1,
    "min_phase_count_import": 1,
    "supports_changing_phases_during_charging": False,
    "supports_cp_state_E": False,
}
FAULT = "evse_board_support/CommunicationFault"
BOARD = ("yeti_driver", "board_support")
METER = ("yeti_driver", "powermeter")
CMD = "everest/modules/yeti_driver/impl/board_support/cmd/"


async def charging(world: StandaloneWorld) -> Board:
    """A car charges."""
    board = Board()
    world.connect(board)
    await world.advance(1)
    board.var("board_support", "capabilities", CAPABILITIES)
    board.car("A")
    await world.advance(2)
    board.car("B")
    await world.advance(1)
    world.broker.take("everest_api/dummy_token_provider/cmd/provide", TOKEN, 0, retain=False)
    await world.advance(2)
    board.car("C")
    await world.advance(8)
    assert board.closed, "the car does not charge"
    assert world.errors(*BOARD) == []
    return board


def session_events(world: StandaloneWorld) -> list[str]:
    payloads = world.broker.on("everest/modules/evse_manager/impl/evse/var/session_event")
    return [json.loads(payload)["data"]["data"]["event"] for payload in payloads]


def test_a_car_charges_by_a_board_of_another_process() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        assert "ChargingStarted" in session_events(world)
        board.car("A")
        await world.advance(5)
        assert not board.allowed
        assert "TransactionFinished" in session_events(world)

    play(scenario, config_text("yeti_driver"))


def test_a_board_that_falls_silent_stops_charging_and_is_told_to_open_first_when_it_is_back() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        board.silent = True
        await world.advance(1.8)
        assert world.errors(*BOARD) == []
        await world.advance(1.0)
        assert world.errors(*BOARD) == [FAULT]
        assert not board.allowed, "the kernel has commanded power off"
        board.held.clear()
        board.commands.clear()
        await world.advance(10)
        assert world.errors(*BOARD) == [FAULT]
        board.silent = False
        await world.advance(1)
        assert world.errors(*BOARD) == []
        told = [command for _, command, _ in board.commands]
        assert told[0] == "allow_power_on"

    play(scenario, config_text("yeti_driver"))


def test_a_meter_that_falls_silent_stops_charging_although_its_board_answers() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        board.measures = False
        await world.advance(2.5)
        assert world.errors(*METER) == []
        await world.advance(1.5)
        assert world.errors(*METER) == ["powermeter/CommunicationFault"]
        assert world.errors(*BOARD) == []
        assert not board.closed
        await world.advance(10)
        assert world.errors(*METER) == ["powermeter/CommunicationFault"]
        board.measures = True
        await world.advance(1.5)
        assert world.errors(*METER) == []

    play(scenario, config_text("yeti_driver"))


def test_a_board_that_dies_and_starts_again_is_configured_anew_and_gets_no_power_on_before() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        world.disconnect(board)
        await world.advance(3)
        assert world.errors(*BOARD) == [FAULT]
        assert world.broker.on(CMD + "allow_power_on")[-1].count('"allow_power_on":false') == 1

        again = Board()
        world.connect(again)
        await world.advance(0.5)
        assert again.died == ""
        assert again.config is not None
        assert again.ready_seen == 1
        assert world.errors(*BOARD) == []
        first = next(arguments for _, command, arguments in again.commands if command == "allow_power_on")
        assert first["value"]["allow_power_on"] is False
        assert not any(
            payload for payload in world.broker.retained_messages.values() if b"Configuration" in payload
        )

    play(scenario, config_text("yeti_driver"))


def test_late_answers_change_nothing() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        board.silent = True
        await world.advance(2)
        late = list(board.held)
        await world.advance(2)
        world.disconnect(board)
        for topic, payload in late:
            board.client.publish(topic, payload)
        await world.advance(1)
        assert world.errors(*BOARD) == [FAULT], "what was asked before the silence proves nothing"

    play(scenario, config_text("yeti_driver"))


def test_a_lost_broker_stops_charging_and_the_board_is_told_everything_after_it() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        world.broker.lose()
        await world.advance(1.5)
        assert world.errors(*BOARD) == []
        await world.advance(1)
        assert world.errors(*BOARD) == [FAULT]
        assert board.closed, "nobody could tell it"
        board.commands.clear()
        world.broker.reach()
        await world.advance(1)
        assert board.commands[0][1] == "allow_power_on"
        assert board.commands[0][2]["value"]["allow_power_on"] is False
        assert world.errors(*BOARD) == []
        await world.advance(5)
        assert board.closed, "the car is still there, and charging goes on"

    play(scenario, config_text("yeti_driver"))


def test_a_board_that_talks_but_does_not_obey_counts_as_silent() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        board.silent = True
        board.car("B")  # the kernel commands power off
        for _ in range(15):
            assert world.errors(*BOARD) == []
            board.var("board_support", "event", {"event": "B"})
            await world.advance(0.12)
        for _ in range(10):
            board.var("board_support", "event", {"event": "B"})
            await world.advance(0.12)
        assert world.errors(*BOARD) == [FAULT]

    play(scenario, config_text("yeti_driver"))


def test_a_call_that_was_given_up_is_not_sent_after_an_outage() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        evse = world.station.modules["evse_manager"]
        evse.clients["bsp"][0].call(EvseBoardSupport.ac_switch_three_phases_while_charging, value=True)
        world.bus.settle()
        world.broker.lose()  # before it was sent
        await world.advance(8)
        board.commands.clear()
        world.broker.reach()
        await world.advance(1)
        names = [command for _, command, _ in board.commands]
        assert names
        assert "ac_switch_three_phases_while_charging" not in names

    play(scenario, config_text("yeti_driver"))


def test_commands_to_hardware_are_sent_at_most_once() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        await charging(world)
        sent = [message for message in world.broker.seen if message.topic.startswith(CMD)]
        commands = [message for message in sent if "/response/" not in message.topic]
        assert {(message.qos, message.retain) for message in commands} == {(0, False)}

    play(scenario, config_text("yeti_driver"))


def test_garbage_of_a_module_changes_nothing() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        root = "everest/modules/yeti_driver/"
        for topic in (
            "impl/board_support/var/event", "impl/board_support/var/nothing", "impl/nothing/var/event",
            "impl/board_support/error/evse_board_support/DiodeFault", "impl/board_support/error/x/Y",
            "impl/board_support/cmd/enable/response/evse_manager", "ready", "config/set_response",
        ):  # fmt: skip
            for payload in (
                b"", b"x", b"\xff", b"[]", b"true", b"{}", b"[" * 100_000, b'{"data":NaN,"msg_type":"Var"}',
                b'{"data":{"data":{"event":"Z"}},"msg_type":"Var"}', b'{"data":{},"msg_type":"RaiseError"}',
                b'{"data":{"data":{"id":5},"type":"result"},"msg_type":"CmdResult"}',
                b'{"data":{"data":{"id":"x"},"type":"result"},"msg_type":"CmdResult"}',
                b'{"data":1e999,"msg_type":"ModuleReady"}', b'{"data":"true","msg_type":"ModuleReady"}',
            ):  # fmt: skip
                world.broker.take(root + topic, payload.decode("latin-1").encode(), 2, retain=False)
        await world.advance(3)
        assert board.closed
        assert world.errors(*BOARD) == []

    play(scenario, config_text("yeti_driver"))


def test_errors_of_a_module_reach_the_kernel_once_and_are_gone_when_it_starts_anew() -> None:
    async def scenario(world: StandaloneWorld) -> None:
        board = await charging(world)
        topic = "modules/yeti_driver/impl/board_support/error/evse_board_support/MREC8EmergencyStop"
        error = {
            "description": "", "message": "pressed", "severity": "High", "state": "Active", "sub_type": "",
            "origin": {"implementation_id": "board_support", "module_id": "yeti_driver"}, "vendor_id": "everest",
            "timestamp": "2026-11-21T08:03:21.105Z", "type": "evse_board_support/MREC8EmergencyStop", "uuid": "u-1",
        }  # fmt: skip
        board.publish(topic, "RaiseError", error)
        await world.advance(1)
        assert world.errors(*BOARD) == ["evse_board_support/MREC8EmergencyStop"]
        assert not board.closed
        assert len(world.broker.on("everest/" + topic)) == 1, "the module has told it itself"
        world.disconnect(board)
        await world.advance(3)
        world.connect(Board())
        await world.advance(1)
        assert world.errors(*BOARD) == []
        told = [json.loads(payload)["data"] for payload in world.broker.on("everest/" + topic)]
        assert [(each["uuid"], each["state"]) for each in told] == [
            ("u-1", "Active"),
            ("u-1", "ClearedByModule"),
        ]

    play(scenario, config_text("yeti_driver"))
