"""The mirror of the bus on the broker: order, outages, presence, leftovers, other programs' topics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.calls import CallError
from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import ExternalMqtt, Message
from evse_daemon.mqtt.client import BrokerUnreachable, Will
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.external import MAX_BEHIND, MAX_PAYLOAD_BYTES
from evse_daemon.mqtt.topics import Topics
from tests.mqtt.bench_station import Bench, FakeBroker, Reading, Sent, Station, settle
from tests.support.waiting import run

STATUS = "evse_daemon/everest/status"
VARS = "everest/modules/m/impl/i/var/"
CMDS = "everest/modules/m/impl/i/cmd/"


def play(
    scenario: Callable[[Station, FakeBroker], Awaitable[None]], dialect: DialectName = "documented"
) -> FakeBroker:
    """Runs a scenario on a station that has started, and stops it."""
    broker = FakeBroker()

    async def whole() -> None:
        station = Station(broker, dialect)
        await station.start()
        await settle(station)
        broker.sent.clear()
        await scenario(station, broker)
        await settle(station)
        await station.gateway.stop()
        assert broker.open == 0

    run(whole())
    return broker


def test_the_start_in_the_documented_dialect() -> None:
    async def scenario() -> None:
        broker = FakeBroker(leftovers=["everest/ready", "everest/modules/gone/ready"])
        station = Station(broker)
        station.bench.publish(Bench.level, 1)
        station.bench.publish(Bench.level, 2)
        station.bench.publish(Bench.note, 7)
        station.bus.settle()
        await station.start()
        await settle(station)
        assert broker.will == Will(STATUS, b"offline", 1, retain=True)
        assert broker.subscriptions == [("everest/modules/+/impl/+/cmd/+", 2)]
        assert station.gateway.connected
        assert broker.sent == [
            Sent(STATUS, "online", 1, True),
            Sent("everest/ready", "", 1, True),
            Sent("everest/modules/gone/ready", "", 1, True),
            Sent(VARS + "note", '{"data":7,"msg_type":"Var"}', 1, False),
            Sent("everest/modules/m/ready", '{"data":true,"msg_type":"ModuleReady"}', 1, True),
            Sent(VARS + "level", '{"data":2,"msg_type":"Var"}', 1, False),
            Sent("everest/ready", '{"data":true,"msg_type":"GlobalReady"}', 1, True),
        ]
        broker.sent.clear()
        await station.gateway.stop()
        assert broker.sent == [
            Sent("everest/modules/m/ready", "", 1, True),
            Sent("everest/ready", "", 1, True),
            Sent(STATUS, "offline", 1, True),
        ]
        station.bench.publish(Bench.note, 8)
        assert station.gateway.waiting == 0

    run(scenario())


def test_the_start_in_the_everest_dialect() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker, "everest")
        await station.start()
        await settle(station)
        metadata = (
            '{"data":{"module":"TestModule","provides":{"i":{"interface":"bench"},"relay":{"interface":"relay"}}},'
            '"msg_type":"ConfigurationResponse"}'
        )
        assert broker.sent == [
            Sent(STATUS, "online", 1, True),
            Sent("everest/modules/m/metadata", metadata, 2, False),
            Sent("everest/modules/m/ready", '{"data":true,"msg_type":"ModuleReady"}', 2, False),
            Sent("everest/ready", '{"data":true,"msg_type":"GlobalReady"}', 2, False),
        ]
        broker.lose()
        broker.sent.clear()
        broker.reach()
        await settle(station)
        assert broker.sent == [Sent(STATUS, "online", 1, True)], "GlobalReady exactly once"
        await station.gateway.stop()
        assert broker.sent[1:] == [Sent(STATUS, "offline", 1, True)]

    run(scenario())


def test_every_kind_of_message_is_mirrored_in_its_order() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        station.bench.publish(Bench.session_event, "SessionStarted")
        results: list[float] = []
        call = station.client.call(Bench.add, 1, 2.5).then(results.append)
        station.bench.publish(Bench.sample, Reading(value=1))
        station.bus.settle()
        error = Error(
            type="generic/VendorError",
            message="x",
            severity="High",
            module_id="m",
            implementation_id="i",
            timestamp="t",
        )
        station.gateway.error_changed(station.bench, error)
        await settle(station)
        assert results == [3.5]
        assert [(sent.topic, sent.qos, sent.retain) for sent in broker.sent] == [
            (VARS + "session_event", 2, False),
            (CMDS + "add", 1, False),
            (VARS + "sample", 0, False),
            (CMDS + "add/response/caller", 1, False),
            ("everest/modules/m/impl/i/error/generic/VendorError", 1, False),
        ]
        payloads = [json.loads(sent.payload) for sent in broker.sent]
        assert payloads[1]["data"] == {"id": call.id, "origin": "caller", "args": {"a": 1, "b": 2.5}}
        assert payloads[2]["data"] == {"value": 1.0}
        assert payloads[3]["data"] == {"id": call.id, "origin": "m", "retval": 3.5}

    play(scenario)


def test_the_echo_of_our_own_call_is_not_executed() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        station.client.call(Bench.ping)
        await settle(station)
        assert station.executed == ["ping"]
        mirrored = broker.on(CMDS + "ping")[0]
        broker.send(CMDS + "ping", mirrored, 1)
        await settle(station)
        assert station.executed == ["ping"]
        assert len(broker.on(CMDS + "ping/response/caller")) == 1

    play(scenario)


def test_an_outage() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        station.bench.publish(Bench.level, 1)
        station.bench.publish(Bench.ready, True)
        station.gateway.external.publish("api/info", "a", retain=True)
        await settle(station)
        station.bench.publish(Bench.sample, Reading(value=1))
        broker.lose()
        broker.sent.clear()
        assert not station.gateway.connected
        for number in range(3):
            station.bench.publish(Bench.session_event, f"event {number}")
            station.bench.publish(Bench.level, 10 + number)
            station.bench.publish(Bench.sample, Reading(value=number))
            station.gateway.external.publish("api/power", str(number), latest=True)
            station.gateway.external.publish("api/each", str(number))
        await settle(station)
        assert broker.sent == []
        broker.reach()
        await settle(station)
        assert broker.on(VARS + "sample") == [], "telemetry of the outage is worth nothing"
        events = broker.on(VARS + "session_event")
        assert [json.loads(event)["data"] for event in events] == ["event 0", "event 1", "event 2"]
        assert broker.on("api/power") == ["2"]
        assert broker.on("api/each") == ["0", "1", "2"]
        assert broker.on("api/info") == ["a"]
        topics = [sent.topic for sent in broker.sent]
        assert topics[0] == STATUS
        assert topics[-2:] == [VARS + "level", VARS + "ready"], "states behind what happened before"
        assert json.loads(broker.on(VARS + "level")[0])["data"] == 12
        assert {"everest/modules/m/ready", "everest/ready"} <= set(topics)
        assert len(topics) == len(set(topics)) + 4, "nothing twice but three events and three others"

    play(scenario)


def test_it_is_not_online_before_it_hears_calls() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.lose()
        station.bench.publish(Bench.session_event, "while away")
        broker.sent.clear()
        broker.hears = False
        broker.reach()
        await settle(station)
        assert [sent.topic for sent in broker.sent] == [VARS + "session_event"], "what waited waits no longer"
        broker.hears = True
        broker.hear()
        await settle(station)
        topics = [sent.topic for sent in broker.sent[1:]]
        assert topics == [STATUS, "everest/modules/m/ready", "everest/ready"]
        broker.hear()
        await settle(station)
        assert len(broker.on(STATUS)) == 1, "told once"

    play(scenario)


def test_a_failed_module_has_no_state() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        station.bench.publish(Bench.level, 1)
        await settle(station)
        station.bench.lose()
        broker.lose()
        broker.sent.clear()
        broker.reach()
        await settle(station)
        assert broker.on(VARS + "level") == []

    play(scenario)


def test_a_long_outage_is_bounded_and_keeps_session_events() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.lose()
        station.bench.publish(Bench.session_event, "first")
        with capture_logs() as logs:
            for number in range(12_000):
                station.bench.publish(Bench.note, number)
            station.bus.settle()
        assert station.gateway.waiting == 10_000
        assert station.gateway.dropped > 2000
        assert [line["event"] for line in logs] == [
            "too many messages wait for the MQTT broker, the oldest are dropped"
        ]
        broker.sent.clear()
        broker.reach()
        await settle(station)
        assert len(broker.on(VARS + "session_event")) == 1

    play(scenario)


def test_a_broker_that_comes_later() -> None:
    async def scenario() -> None:
        broker = FakeBroker(reachable=False)
        station = Station(broker)
        with pytest.raises(BrokerUnreachable):
            await station.gateway.start()
        await station.gateway.stop()
        station = Station(broker)
        await station.gateway.start(required=False)
        station.bench.publish(Bench.note, 1)
        await settle(station)
        assert broker.sent == []
        broker.reach()
        await settle(station)
        assert [sent.topic for sent in broker.sent] == [STATUS, VARS + "note"]
        broker.lose()
        started = asyncio.get_running_loop().time()
        await station.gateway.stop()
        assert asyncio.get_running_loop().time() - started < 0.5, "no time without a connection"

    run(scenario())


def test_where_the_second_connection_fails_the_first_is_ended() -> None:
    async def scenario() -> None:
        broker = FakeBroker(subscriber_starts=False)
        station = Station(broker)
        with pytest.raises(BrokerUnreachable):
            await station.gateway.start()
        assert broker.open == 0

    run(scenario())


def test_a_value_that_is_no_json_stops_nothing() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        with capture_logs() as logs:
            station.bench.publish(Bench.sample, Reading.model_construct(value=float("nan")))
            station.bench.publish(Bench.note, 1)
            await settle(station)
        assert [sent.topic for sent in broker.sent] == [VARS + "note"]
        assert [line["topic"] for line in logs] == [VARS + "sample"]

    play(scenario)


def test_stop_answers_who_still_waits() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        broker.send(CMDS + "later", {"id": "1", "origin": "api"})
        await settle(station)
        assert station.executed == ["later"]
        station.gateway.begin_shutdown()
        broker.send(CMDS + "ping", {"id": "2", "origin": "api"})
        await settle(station)
        assert station.executed == ["later"]
        assert json.loads(broker.on(CMDS + "ping/response/api")[0])["data"]["error"]["event"] == "Shutdown"

    broker = play(scenario)
    answer = json.loads(broker.on(CMDS + "later/response/api")[0])
    assert answer["data"]["error"]["event"] == "Shutdown"
    assert broker.sent[-1] == Sent(STATUS, "offline", 1, True)


def test_a_failed_call_inside_is_mirrored_too() -> None:
    async def scenario(station: Station, broker: FakeBroker) -> None:
        errors: list[CallError] = []
        station.client.call(Bench.refuse).then(None, errors.append)
        await settle(station)
        assert [error.message for error in errors] == ["not now"]
        answer = json.loads(broker.on(CMDS + "refuse/response/caller")[0])["data"]
        assert answer["error"] == {"event": "HandlerException", "msg": "not now"}

    play(scenario)


def test_other_programs_topics() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker, topics=Topics("everest", "x/"))
        external: ExternalMqtt = station.gateway.external
        heard: list[Message] = []
        external.subscribe("api/cmd/pause", station.inbox, heard.append)
        external.subscribe("api/cmd/pause", station.inbox, heard.append)
        for wrong in ("api/+/pause", "api/#", "+/+"):
            with pytest.raises(ValueError, match="exact topics"):
                external.subscribe(wrong, station.inbox, heard.append)
        await station.gateway.start()
        assert broker.subscriptions[1:] == [("x/api/cmd/pause", 2)]
        with pytest.raises(RuntimeError, match="too late"):
            external.subscribe("api/cmd/resume", station.inbox, heard.append)

        with capture_logs() as logs:
            broker.send("x/api/cmd/pause", "early")
            station.gateway.all_ready()
            broker.send("x/api/cmd/pause", "old", retain=True)
            broker.send("x/api/cmd/pause", b"\xff")
            broker.send("x/api/cmd/pause", "x" * (MAX_PAYLOAD_BYTES + 1))
            broker.send("x/other", "nobody asked")
            await settle(station)
        assert heard == []
        assert len(logs) == 1
        broker.send("x/api/cmd/pause", "ü")
        await settle(station)
        assert heard == [Message("api/cmd/pause", "ü")] * 2

        for _ in range(20 * MAX_BEHIND):
            broker.send("x/api/cmd/pause", "flood")
        await settle(station)
        assert station.failures == []
        assert MAX_BEHIND <= len(heard) - 2 <= MAX_BEHIND + 2

        broker.sent.clear()
        external.publish("api/var/info", "ä", qos=2, retain=True)
        await settle(station)
        assert broker.sent == [Sent("x/api/var/info", "ä", 2, True)]
        station.gateway.begin_shutdown()
        broker.send("x/api/cmd/pause", "late")
        await settle(station)
        assert heard[-1].payload == "flood"
        await station.gateway.stop()

    run(scenario())


def test_all_topics_of_one_level_can_be_heard() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker, topics=Topics("everest", "x/"))
        heard: list[Message] = []
        station.gateway.external.subscribe("api/reply/+", station.inbox, heard.append)
        await station.gateway.start()
        assert broker.subscriptions[1:] == [("x/api/reply/+", 2)]
        station.gateway.all_ready()
        broker.send("x/api/reply/1", "one")
        broker.send("x/api/reply/1/2", "deeper")
        broker.send("x/api/reply", "above")
        await settle(station)
        assert heard == [Message("api/reply/1", "one")]
        await station.gateway.stop()

    run(scenario())


def test_what_tells_something_is_heard_until_the_end_orders_are_not() -> None:
    """A board that reports its contactor open, while a session is brought to its end."""

    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        heard: list[str] = []
        for name, order in (("event", False), ("order", True)):
            station.gateway.external.subscribe(
                name, station.inbox, lambda message: heard.append(message.topic), order=order
            )
        await station.gateway.start()
        broker.send("event", "early")
        await settle(station)
        assert heard == []
        station.gateway.all_ready()
        station.gateway.begin_shutdown()
        broker.send("event", "late")
        broker.send("order", "late")
        broker.send("event", "old", retain=True)
        await settle(station)
        assert heard == ["event"]
        await station.gateway.stop()

    run(scenario())


def test_what_is_volatile_is_not_sent_when_the_broker_is_back() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        external: ExternalMqtt = station.gateway.external
        external.publish("board/power", "before", volatile=True)
        assert not external.connected
        await station.gateway.start()
        await settle(station)
        assert external.connected
        external.publish("board/power", "now", volatile=True)
        await settle(station)
        assert broker.on("board/power") == ["now"]
        broker.lose()
        assert not external.connected
        external.publish("board/power", "meanwhile", volatile=True)
        external.publish("board/event", "meanwhile")
        broker.reach()
        await settle(station)
        assert broker.on("board/power") == ["now"]
        assert broker.on("board/event") == ["meanwhile"]
        await station.gateway.stop()

    run(scenario())


@pytest.mark.parametrize("connected", [True, False])
def test_stop_waits_for_no_broker(connected: bool) -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        await station.start()
        await settle(station)
        broker.hangs = True
        station.bench.publish(Bench.note, 1)
        await settle(station)
        if not connected:
            broker.lose()
        started = asyncio.get_running_loop().time()
        with capture_logs() as logs:
            await station.gateway.stop(timeout_s=0.2)
        took_s = asyncio.get_running_loop().time() - started
        assert (0.15 < took_s < 1) if connected else took_s < 0.1
        assert logs[-1]["event"] == "messages for the MQTT broker were not sent at the end"

    run(scenario())
