"""Calls from an MQTT client: answered once, in the client's form; whatever is wrong changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.bus import Implementation, Inbox
from evse_daemon.framework.calls import CallErrorType
from evse_daemon.framework.interface import ArgumentError
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.remote_calls import MAX_IN_FLIGHT, REMEMBERED_S
from tests.mqtt.bench_station import Bench, FakeBroker, Station, settle
from tests.mqtt.test_gateway import play
from tests.support.waiting import run

CMDS = "everest/modules/m/impl/i/cmd/"
ADD = CMDS + "add"
ANSWER = ADD + "/response/api"
ADD_1_2 = {"id": "1", "origin": "api", "args": {"a": 1, "b": 2.5}}


def enveloped(call: dict[str, Any]) -> dict[str, Any]:
    return {"data": call, "msg_type": "Cmd"}


def error_of(answer: str) -> tuple[str, str]:
    data = json.loads(answer)["data"]
    return data["error"]["event"], data["error"]["msg"]


@pytest.mark.parametrize("dialect", ["documented", "everest", "classic"])
def test_a_bare_call_gets_the_classic_answer(dialect: DialectName) -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(ADD, ADD_1_2)
        await settle(station)
        assert broker.on(ANSWER) == [
            '{"data":{"id":"1","origin":"m","retval":3.5},"name":"add","type":"result"}'
        ]
        assert broker.on(ADD) == [], "what came from the broker is not mirrored to it"

    play(scenario, dialect)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("documented", '{"data":{"id":"1","origin":"m","retval":3.5},"msg_type":"CmdResult"}'),
        (
            "everest",
            '{"data":{"data":{"id":"1","origin":"m","retval":3.5},"type":"result"},"msg_type":"CmdResult"}',
        ),
        ("classic", '{"data":{"id":"1","origin":"m","retval":3.5},"msg_type":"CmdResult"}'),
    ],
)
def test_an_enveloped_call_gets_an_enveloped_answer(dialect: DialectName, expected: str) -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(ADD, enveloped(ADD_1_2))
        await settle(station)
        assert broker.on(ANSWER) == [expected]
        assert broker.sent[-1].qos == (2 if dialect == "everest" else 1)

    play(scenario, dialect)


@pytest.mark.parametrize(
    ("topic", "call", "event", "words"),
    [
        (ADD, {"args": {"a": 1}}, "SchemaValidationFailed", ["b: argument missing"]),
        (ADD, {"args": None}, "SchemaValidationFailed", ["a: argument missing", "b: argument missing"]),
        (ADD, {}, "SchemaValidationFailed", ["a: argument missing", "b: argument missing"]),
        (
            ADD,
            {"args": {"a": "x", "b": True}},
            "SchemaValidationFailed",
            ["a: ", "valid integer", "b: ", "number"],
        ),
        (ADD, {"args": {"a": 1.5, "b": 1}}, "SchemaValidationFailed", ["a: "]),
        (ADD, {"args": {"a": {"x" * 100_000: 1}, "b": 1}}, "SchemaValidationFailed", ["a: "]),
        (ADD, {"args": [1, 2]}, "MessageParsingFailed", ["args: must be an object"]),
        (CMDS + "nothing", {}, "SchemaValidationFailed", ["bench has no command nothing", "add, broken"]),
        (
            "everest/modules/m/impl/j/cmd/add",
            {},
            "SchemaValidationFailed",
            ["no implementation j", "i, relay"],
        ),
        ("everest/modules/x/impl/i/cmd/add", {}, "SchemaValidationFailed", ["no module x", "there are: m"]),
        ("everest/modules/m/impl/relay/cmd/switch", {"args": {"on": True}}, "HandlerException", ["hardware"]),
        (CMDS + "refuse", {}, "HandlerException", ["not now"]),
        (CMDS + "orphan", {}, "HandlerException", ["does not implement"]),
        (CMDS + "broken", {}, "HandlerException", ["does not fit"]),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    topic: str, call: dict[str, Any], event: CallErrorType, words: list[str]
) -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(topic, {"id": 17, "origin": "api", **call})
        await settle(station)
        (answer,) = broker.on(f"{topic}/response/api")
        found, message = error_of(answer)
        assert found == event
        for word in words:
            assert word in message
        assert len(message) <= 2000
        assert json.loads(answer)["data"]["id"] == 17
        assert station.executed == []
        assert station.failures == []

    play(scenario)


def test_a_whole_number_is_an_integer_and_an_integer_a_number() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(ADD, {"id": "1", "origin": "api", "args": {"a": 1.0, "b": 2}})
        await settle(station)
        assert station.executed == ["add 1 2.0"]

    play(scenario)


@pytest.mark.parametrize(
    "payload", ["", "hello", "[]", "{}", b"\xff", "[" * 100_000, '{"id":"1","origin":"a/b"}', '{"id":NaN}']
)
def test_what_cannot_be_answered_is_logged_once(payload: str | bytes) -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        with capture_logs() as logs:
            for _ in range(50):
                broker.send(ADD, payload)
                broker.send("everest/modules/x/impl/y/cmd/z", payload)
                broker.send("everest/modules/x2/impl/y/cmd/z", payload)
            await settle(station)
        assert broker.sent == []
        assert [line["event"] for line in logs] == ["command from MQTT refused"] * 2
        assert station.executed == []

    play(scenario)


def test_a_retained_command_is_never_executed() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        with capture_logs() as logs:
            broker.send(ADD, ADD_1_2, 1, retain=True)
            await settle(station)
        assert station.executed == []
        assert broker.sent == []
        assert "retained" in logs[0]["reason"]

    play(scenario)


def test_before_all_are_ready() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        await station.gateway.start()
        broker.send(ADD, ADD_1_2)
        await settle(station)
        assert error_of(broker.on(ANSWER)[0])[0] == "NotReady"
        assert station.executed == []
        await station.gateway.stop()

    run(scenario())


def test_an_unknown_argument_is_ignored_and_logged_once() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        with capture_logs() as logs:
            for _ in range(3):
                broker.send(CMDS + "ping", {"id": "1", "origin": "api", "args": {"more": 1}})
            await settle(station)
        assert station.executed == ["ping"] * 3
        assert [line["argument"] for line in logs] == ["more"]

    play(scenario)


def test_a_call_delivered_twice_is_executed_once_and_answered_again() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(CMDS + "later", {"id": "1", "origin": "api"}, 1)
        await settle(station)
        broker.send(CMDS + "later", {"id": "1", "origin": "api"}, 1)
        await settle(station)
        assert station.executed == ["later"]
        station.deferred[0].resolve("done")
        await settle(station)
        answers = broker.on(CMDS + "later/response/api")
        assert len(answers) == 1
        broker.send(CMDS + "later", {"id": "1", "origin": "api"}, 1)
        await settle(station)
        assert station.executed == ["later"]
        assert broker.on(CMDS + "later/response/api") == answers * 2

        broker.send(CMDS + "later", {"id": "1", "origin": "other"}, 1)
        broker.send(CMDS + "later", {"id": "2", "origin": "api"}, 1)
        await settle(station)
        assert len(station.executed) == 3
        station.now_s += REMEMBERED_S
        broker.send(CMDS + "later", {"id": "1", "origin": "api"}, 1)
        await settle(station)
        assert len(station.executed) == 4

    play(scenario)


def test_a_call_typed_again_at_qos_0_is_executed_again() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        for _ in range(2):
            broker.send(CMDS + "ping", {"id": "1", "origin": "api"}, 0)
            await settle(station)
        assert station.executed == ["ping", "ping"]
        broker.send(CMDS + "ping", {"id": "1", "origin": "api"}, 1)
        broker.send(CMDS + "ping", {"id": "1", "origin": "api"}, 0)
        await settle(station)
        assert station.executed == ["ping"] * 4

    play(scenario)


def test_every_call_is_answered_in_time() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(CMDS + "later", {"id": "1", "origin": "api"})
        broker.send(CMDS + "ping", {"id": "2", "origin": "api"})
        station.inbox.close()  # the module has failed: it answers nothing any more
        station.clock.advance(5.9, station.bus.settle)  # type: ignore[attr-defined]
        await settle(station)
        assert broker.sent == []
        station.clock.advance(0.2, station.bus.settle)  # type: ignore[attr-defined]
        await settle(station)
        assert error_of(broker.on(CMDS + "later/response/api")[0]) == ("Timeout", "no result within 5 s")
        assert error_of(broker.on(CMDS + "ping/response/api")[0])[0] == "Timeout"

    play(scenario)


def test_a_slow_module_and_a_late_result() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(CMDS + "later", {"id": "1", "origin": "api"})
        await settle(station)
        station.clock.advance(10, station.bus.settle)  # type: ignore[attr-defined]
        station.deferred[0].resolve("too late")
        await settle(station)
        (answer,) = broker.on(CMDS + "later/response/api")
        assert error_of(answer)[0] == "Timeout"

    play(scenario)


def test_a_flood_of_calls_fills_no_inbox() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        for number in range(20_000):
            broker.send(CMDS + "ping", {"id": number, "origin": "api"})
        await settle(station)
        assert station.executed == ["ping"] * MAX_IN_FLIGHT
        assert station.failures == []
        assert error_of(broker.sent[-1].payload)[0] == "NotReady"
        broker.send(CMDS + "ping", {"id": "again", "origin": "api"})
        await settle(station)
        assert len(station.executed) == MAX_IN_FLIGHT + 1

    play(scenario)


def test_a_result_has_to_fit_its_declaration() -> None:
    assert Bench.add.result_to_jsonable(2.5) == 2.5
    for result in (float("nan"), "2.5", None, object()):
        with pytest.raises(ArgumentError):
            Bench.add.result_to_jsonable(result)  # type: ignore[arg-type]


def test_an_unknown_argument_is_logged_for_each_module() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        other = Implementation(station.bus, Inbox(station.bus, "m2"), Bench, "i", None)
        for name in Bench.commands:
            other.handle(Bench.commands[name], lambda **_: None)
        with capture_logs() as logs:
            for module_id in ("m", "m2", "m", "m2"):
                broker.send(
                    f"everest/modules/{module_id}/impl/i/cmd/ping",
                    {"id": "1", "origin": "a", "args": {"x": 1}},
                )
            await settle(station)
        assert [line["topic"].split("/")[2] for line in logs] == ["m", "m2"]

    play(scenario)


def test_the_end_may_begin_before_the_station_is_ready() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        await station.gateway.start()
        station.gateway.begin_shutdown()
        station.gateway.all_ready()
        broker.send(ADD, ADD_1_2)
        await settle(station)
        assert error_of(broker.on(ANSWER)[0])[0] == "Shutdown"
        assert broker.on("everest/ready") == []
        await station.gateway.stop()

    run(scenario())


def test_a_connected_module_of_another_process_is_heard_to_the_end() -> None:
    switch = "everest/modules/m/impl/relay/cmd/switch"

    async def scenario(station: Station, broker: FakeBroker) -> None:
        station.relay.standalone_callers.add("kernel")
        station.gateway.begin_shutdown()
        for origin in ("kernel", "stranger"):
            broker.send(switch, {"id": "1", "origin": origin, "args": {"on": False}})
            broker.send(ADD, {**ADD_1_2, "origin": origin})
        await settle(station)
        assert station.executed == ["switch False"]
        assert json.loads(broker.on(f"{switch}/response/kernel")[0])["data"]["retval"] is None
        assert error_of(broker.on(f"{switch}/response/stranger")[0])[0] == "Shutdown"
        assert error_of(broker.on(f"{ADD}/response/kernel")[0])[0] == "Shutdown"

    play(scenario)
