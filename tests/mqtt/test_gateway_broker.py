"""The station on a real Mosquitto: the clients people use, restarts, kills."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from evse_daemon.framework.clock import RealClock
from evse_daemon.mqtt.client import BrokerUnreachable
from evse_daemon.mqtt.connections import MqttBroker
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.settings import BrokerSettings
from tests.mqtt.bench_station import Bench, Station
from tests.mqtt.helpers import Recorder, publisher
from tests.support.brokers import Mosquitto, free_port, start_mosquitto
from tests.support.waiting import run, until

ROOT = Path(__file__).parents[2]
CMDS = "everest/modules/m/impl/i/cmd/"
VARS = "everest/modules/m/impl/i/var/"
STATUS = "evse_daemon/everest/status"


@asynccontextmanager
async def station_on(broker: Mosquitto, dialect: DialectName = "documented") -> AsyncIterator[Station]:
    loop = asyncio.get_running_loop()
    station = Station(
        MqttBroker(broker.settings, "everest"), dialect, clock=RealClock(), schedule=loop.call_soon
    )
    await station.start()
    try:
        yield station
    finally:
        await station.gateway.stop()
        assert station.failures == []


@pytest.fixture
def persistent(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = start_mosquitto(tmp_path, persistent=True)
    yield broker
    broker.stop()


def heard(recorder: Recorder, topic: str) -> list[str]:
    return [message.payload.decode() for message in recorder.messages if message.topic == topic]


async def mosquitto_pub(broker: Mosquitto, topic: str, payload: str, *options: str) -> None:
    program = shutil.which("mosquitto_pub")
    if program is None:
        pytest.skip("NOT TESTED: the program mosquitto_pub is not installed (apt install mosquitto-clients)")
    arguments = ["-p", str(broker.port), "-t", topic, "-m", payload, *options]
    process = await asyncio.create_subprocess_exec(program, *arguments)
    assert await process.wait() == 0


@pytest.mark.parametrize("dialect", ["documented", "everest", "classic"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_a_call_with_mosquitto_pub_in_both_forms(
    mosquitto: Mosquitto, dialect: DialectName, qos: str
) -> None:
    async def scenario() -> None:
        async with (
            Recorder(mosquitto.settings, "everest/#") as recorder,
            station_on(mosquitto, dialect) as station,
        ):
            bare = '{"id":"x-1","origin":"external","args":{"a":1,"b":2}}'
            await mosquitto_pub(mosquitto, CMDS + "add", bare, "-q", qos)
            answers = CMDS + "add/response/external"
            await until(lambda: len(heard(recorder, answers)) == 1)
            await mosquitto_pub(mosquitto, CMDS + "add", f'{{"data":{bare},"msg_type":"Cmd"}}', "-q", qos)
            await until(lambda: len(heard(recorder, answers)) == 2)
            result = '{"id":"x-1","origin":"m","retval":3.0}'
            documented = f'{{"data":{result},"msg_type":"CmdResult"}}'
            everest = f'{{"data":{{"data":{result},"type":"result"}},"msg_type":"CmdResult"}}'
            assert heard(recorder, answers) == [
                f'{{"data":{result},"name":"add","type":"result"}}',
                everest if dialect == "everest" else documented,
            ]
            assert station.executed == ["add 1 2.0"] * 2
            assert [m.qos for m in recorder.messages if m.topic == answers] == [
                2 if dialect == "everest" else 1
            ] * 2

    run(scenario())


def test_a_paho_client(mosquitto: Mosquitto) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client", reason="NOT TESTED: paho-mqtt is not installed")

    async def scenario() -> None:
        answers: list[str] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda _client, _data, message: answers.append(message.payload.decode())
        async with station_on(mosquitto) as station:
            client.connect(mosquitto.host, mosquitto.port)
            client.loop_start()
            client.subscribe(CMDS + "+/response/paho", qos=2)
            for number in range(100):
                call = {"id": number, "origin": "paho", "args": {"a": number, "b": 0.5}}
                client.publish(CMDS + "add", json.dumps({"data": call, "msg_type": "Cmd"}), qos=number % 3)
            await until(lambda: len(answers) == 100)
            client.loop_stop()
            client.disconnect()
            found = {
                json.loads(answer)["data"]["id"]: json.loads(answer)["data"]["retval"] for answer in answers
            }
            assert found == {number: number + 0.5 for number in range(100)}
            assert len(station.executed) == 100

    run(scenario())


def test_bad_input_disturbs_nothing(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        sender = publisher(mosquitto.settings, "vandal")
        await sender.start()
        async with Recorder(mosquitto.settings, "everest/#") as recorder, station_on(mosquitto) as station:
            for topic in (CMDS + "add", CMDS + "nothing", "everest/modules/x/impl/y/cmd/z"):
                for payload in (b"", b"\xff", b"{", b"[" * 200_000, b'{"id":"1"}', b"x" * 1_000_000):
                    await sender.publish(topic, payload, 2)
            await sender.publish(CMDS + "add", b'{"id":"1","origin":"v","args":{"a":NaN}}', 1)
            await sender.publish(
                CMDS + "add", b'{"id":"2","origin":"v","args":{"a":1,"b":2}}', 1, retain=True
            )
            await sender.publish(
                "everest/modules/m/impl/relay/cmd/switch", b'{"id":"3","origin":"v","args":{"on":true}}', 1
            )
            await until(
                lambda: len(heard(recorder, "everest/modules/m/impl/relay/cmd/switch/response/v")) == 1
            )
            # A retained message reaches those who are subscribed already as any other: it is executed once.
            assert station.executed == ["add 1 2.0"]
            assert '"MessageParsingFailed"' in heard(recorder, CMDS + "add/response/v")[0]
        await sender.stop()

    run(scenario())


def test_a_retained_command_waits_for_nobody(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        sender = publisher(mosquitto.settings, "vandal")
        await sender.start()
        await sender.publish(CMDS + "ping", b'{"id":"1","origin":"v"}', 1, retain=True)
        async with station_on(mosquitto) as station:
            await sender.publish(CMDS + "add", b'{"id":"2","origin":"v","args":{"a":1,"b":2}}', 1)
            await until(lambda: station.executed)
            assert station.executed == ["add 1 2.0"]
        await sender.stop()

    run(scenario())


def test_leftovers_of_a_dead_run_go_before_the_new_appears(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        sender = publisher(mosquitto.settings, "dead run")
        await sender.start()
        left = ["everest/ready", "everest/modules/gone/ready", "everest/modules/m/ready", VARS + "ready"]
        kept = ["everest2/ready", "other/thing"]
        for topic in [*left, *kept]:
            await sender.publish(topic, b"old", 1, retain=True)
        await sender.stop()
        async with Recorder(mosquitto.settings, "everest/#", "everest2/#", STATUS) as watcher:
            async with station_on(mosquitto) as station:
                station.bench.publish(Bench.ready, True)
                await until(lambda: heard(watcher, VARS + "ready")[-1:] == ['{"data":true,"msg_type":"Var"}'])
                not_ready = '{"data":false,"msg_type":"Var"}'
                for topic in left:
                    assert heard(watcher, topic)[:2] == ["old", not_ready if topic == VARS + "ready" else ""]
                assert heard(watcher, "everest2/ready") == ["old"]
                async with Recorder(mosquitto.settings, "everest/#", "everest2/#", STATUS) as late:
                    await until(lambda: len(late.messages) == 5)
                    assert {message.topic for message in late.messages if message.retain} == {
                        "everest/ready", "everest/modules/m/ready", VARS + "ready", STATUS, "everest2/ready",
                    }  # fmt: skip
                    assert heard(late, STATUS) == ["online"]
            await until(lambda: heard(watcher, STATUS) == ["online", "offline"])
        async with Recorder(mosquitto.settings, "everest/#", STATUS) as after:
            await until(lambda: len(after.messages) == 2)
            assert heard(after, STATUS) == ["offline"]
            assert heard(after, VARS + "ready") == [not_ready], "an empty payload is no message of a variable"

    run(scenario())


def test_the_everest_dialect_retains_nothing_in_the_tree(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with station_on(mosquitto, "everest") as station:
            station.bench.publish(Bench.ready, True)
            await until(lambda: station.gateway.waiting == 0)
            async with Recorder(mosquitto.settings, "everest/#", STATUS) as late:
                await until(lambda: late.messages)
                # What was on its way when it subscribed may come as well, but not as retained.
                assert [message.topic for message in late.messages if message.retain] == [STATUS]

    run(scenario())


def test_the_broker_restarts_in_the_middle(persistent: Mosquitto) -> None:
    async def scenario() -> None:
        # A persistent session with QoS 2 hears each message exactly once, restarts or not.
        watcher = await asyncio.create_subprocess_exec(
            shutil.which("mosquitto_sub") or "mosquitto_sub", "-p", str(persistent.port), "-V", "311", "-c", "-i", "watcher",
            "-q", "2", "-t", VARS + "session_event", "-t", VARS + "level", "-t", STATUS, "-F", "%m %t %p",
            stdout=subprocess.PIPE,
        )  # fmt: skip
        lines: list[str] = []

        async def read() -> None:
            assert watcher.stdout is not None
            delivered: set[bytes] = set()
            while line := await watcher.stdout.readline():
                # Mosquitto 2.0.11 publishes to a subscriber again, after its own restart, what it had sent PUBREL
                # for and has no PUBCOMP of: the same packet id tells. A message doubled by us would have another.
                if line not in delivered:
                    lines.append(line.decode().strip().partition(" ")[2])
                delivered.add(line)

        reading = asyncio.create_task(read())
        async with station_on(persistent) as station:
            await until(lambda: any(line.startswith(STATUS) for line in lines))
            station.bench.publish(Bench.level, 5)
            for number in range(300):
                station.bench.publish(Bench.session_event, str(number))
                if number == 100:
                    restart = asyncio.create_task(asyncio.to_thread(persistent.restart))
                await asyncio.sleep(0.002)
            await restart
            await until(lambda: sum("session_event" in line for line in lines) >= 300)
            await until(lambda: lines.count(f'{VARS}level {{"data":5,"msg_type":"Var"}}') == 2)
            await asyncio.sleep(0.2)
        watcher.terminate()
        await reading
        await watcher.wait()
        events = [json.loads(line.split(" ", 1)[1])["data"] for line in lines if "session_event" in line]
        assert events == [str(number) for number in range(300)]
        assert station.gateway.dropped == 0

    run(scenario(), timeout_s=30)


CHILD = """
    import asyncio, sys
    from evse_daemon.framework.clock import RealClock
    from evse_daemon.mqtt.connections import MqttBroker
    from evse_daemon.mqtt.settings import BrokerSettings
    from tests.mqtt.bench_station import Bench, Station

    async def main() -> None:
        loop = asyncio.get_running_loop()
        broker = MqttBroker(BrokerSettings(port=int(sys.argv[1])), "everest")
        station = Station(broker, clock=RealClock(), schedule=loop.call_soon)
        await station.start()
        while True:
            station.client.call(Bench.ping)
            await asyncio.sleep(0.001)

    asyncio.run(main())
"""


def test_after_kill_9_nothing_old_is_executed(persistent: Mosquitto) -> None:
    async def scenario() -> None:
        async with Recorder(persistent.settings, CMDS + "ping", STATUS) as recorder:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", textwrap.dedent(CHILD), str(persistent.port),
                cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            await until(lambda: len(heard(recorder, CMDS + "ping")) > 50, timeout_s=15)
            child.send_signal(signal.SIGKILL)
            await child.wait()
            await until(lambda: heard(recorder, STATUS)[-1] == "offline")
            async with station_on(persistent) as station:
                # The broker may hand on late what it has got; it is known as ours by its id.
                replay = publisher(persistent.settings, "replay")
                await replay.start()
                await replay.publish(CMDS + "ping", heard(recorder, CMDS + "ping")[-1], 2)
                await replay.publish(CMDS + "add", b'{"id":"n","origin":"v","args":{"a":1,"b":2}}', 1)
                await until(lambda: station.executed)
                await asyncio.sleep(0.3)
                assert station.executed == ["add 1 2.0"]
                await replay.stop()

    run(scenario(), timeout_s=40)


def test_no_broker(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MqttBroker(BrokerSettings(host="127.0.0.1", port=free_port()), "everest")
        station = Station(broker, clock=RealClock(), schedule=asyncio.get_running_loop().call_soon)
        with pytest.raises(BrokerUnreachable, match="EV_MQTT_BROKER_"):
            await station.gateway.start()
        with pytest.raises(BrokerUnreachable):
            await broker.retained(station.topics.can_be_retained)
        gateway = Gateway(station.bus, station.topics, "documented", broker)
        await gateway.start(required=False)
        await gateway.stop()

    run(scenario())
