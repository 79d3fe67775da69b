"""What boards' wires, Modbus lines, the broker's connections, the journal and the watchdog count."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable
from pathlib import Path

import can
import structlog

from drivers.board.module import BoardModule
from drivers.infy_power.module import InfyPower
from drivers.link.can_bus import CanBus, CanSettings
from drivers.link.isotp_link import TO_BOARD, TO_HOST, IsoTpLink
from drivers.link.serial_link import SerialLink
from drivers.modbus.client import SerialPort, TcpPlace
from drivers.modbus.requests import NoLine, Refusal, Request, Silence
from drivers.modbus_tcp_hub.module import ModbusTcpHub
from drivers.serial_comm_hub.module import SerialCommHub
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.framework.measures import Measure, Measured
from evse_daemon.mqtt.backoff import Backoff
from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.store import MemoryJournal, SqliteJournal
from simulators.modbus_meter.device import Device
from simulators.modbus_meter.server import Bus, on_pty
from tests.drivers.can_support import Adapter, Heard
from tests.drivers.modbus.lines import ask
from tests.drivers.modbus.lines import running as line_running
from tests.drivers.pty_board import PtyEnd
from tests.drivers.test_can_bus import running as bus_running
from tests.drivers.test_serial_link import CP_C, Listener
from tests.drivers.test_serial_link import running as link_running
from tests.mqtt.bench_station import Bench, FakeBroker, Station, settle
from tests.store.test_journal import append
from tests.support.brokers import free_port
from tests.support.harness import World
from tests.support.waiting import run, until


def values(measures: Iterable[Measure]) -> dict[tuple[str, ...], float]:
    """By name and labels, without the module's."""
    return {
        (each.metric.name, *(label for label in each.labels if label != "driver")): each.value
        for each in measures
    }


def test_a_serial_line_counts_frames_damage_and_what_did_not_leave(tmp_path: Path) -> None:
    async def scenario() -> None:
        board = PtyEnd(tmp_path / "board")
        board.plug_in()
        link, listener = SerialLink(str(board.path), 115200, Backoff(lambda _low, _high: 0.05)), Listener()
        link.send(b"before the port is open")
        async with link_running(link, listener):
            await until(lambda: listener.events == ["up"])
            board.send(CP_C)
            board.write(b"\x13garbage\0")
            board.write(b"\x03ab\x02c\0")
            board.send(CP_C)
            await until(lambda: len(listener.messages) == 2)
        found = values(link.measures("driver"))
        assert found["evse_serial_frames_received_total",] == 2
        assert found["evse_serial_messages_unsent_total",] == 1
        damaged = {key[1]: value for key, value in found.items() if key[0].endswith("damaged_total")}
        assert set(damaged) == {"too long", "bad COBS", "too short", "bad checksum"}
        assert sum(damaged.values()) == 2
        assert found["evse_serial_garbage_bytes_total",] == 13

    run(scenario())


def test_a_can_bus_counts_error_frames_and_losses() -> None:
    async def scenario() -> None:
        adapter, heard = Adapter(), Heard()
        bus = CanBus(CanSettings("test", "can0"), structlog.get_logger("test"), open_=adapter)
        link = IsoTpLink(bus, sends=TO_BOARD, receives=TO_HOST, log=structlog.get_logger("test"))
        assert values(link.measures("driver"))["evse_can_bus_up",] == 0
        async with bus_running((bus, heard)):
            adapter.bus.give_error_frame(0x20)
            adapter.bus.give_error_frame(0x4)
            await until(lambda: values(link.measures("driver"))["evse_can_error_frames_total",] == 2)
            assert values(link.measures("driver"))["evse_can_bus_up",] == 1
            adapter.bus.give(can.CanOperationError("gone", errno.ENODEV))
            await until(lambda: heard.lost)
            assert values(link.measures("driver"))["evse_can_bus_losses_total",] == 1
        assert values(link.measures("driver"))["evse_isotp_messages_dropped_total",] == 0

    run(scenario())


def test_each_device_on_a_modbus_line_has_its_requests_timeouts_and_refusals() -> None:
    async def scenario() -> None:
        good, bad = Device("sdm630", 1), Device("sdm630", 2)
        async with on_pty(Bus([good, bad])) as path, line_running(SerialPort(path, 115200)) as line:
            for _ in range(3):
                await ask(line, Request(1, 4, 0, 2))
            bad.fault = "silence"
            while not isinstance(await ask(line, Request(2, 4, 0, 2)), Silence):
                pass
            bad.fault = "exception"
            while not isinstance(await ask(line, Request(2, 4, 0, 2)), Refusal):
                pass
            found = values(line.measures("driver"))
        assert found["evse_modbus_requests_total", "1"] >= 3
        assert found["evse_modbus_timeouts_total", "2"] >= 1
        assert found["evse_modbus_refusals_total", "2"] >= 1
        assert found["evse_modbus_refusals_total", "1"] == 0
        assert found["evse_modbus_requests_total", "2"] >= 2
        assert found["evse_modbus_line_failures_total",] == 0

    run(scenario())


def test_a_modbus_line_that_cannot_be_opened_is_counted() -> None:
    async def scenario() -> None:
        async with line_running(TcpPlace("127.0.0.1", free_port())) as line:
            assert isinstance(await ask(line, Request(1, 4, 0, 2)), NoLine)
            assert values(line.measures("driver")) == {("evse_modbus_line_failures_total",): 1}

    run(scenario())


def test_each_driver_tells_of_its_wire() -> None:
    world = World()
    drivers = [
        world.add(YetiDriver, "board", {"serial_port": "/dev/null", "reset_gpio_chip": ""}),
        world.add(InfyPower, "power", {}),
        world.add(ModbusTcpHub, "tcp", impl_options={"main": {"host": "h"}}),
        world.add(SerialCommHub, "serial"),
    ]
    found = {name for driver in drivers for name, *_ in values(driver.measures())}
    assert {
        "evse_board_link_up",
        "evse_serial_frames_received_total",
        "evse_can_bus_up",
        "evse_modbus_line_failures_total",
    } <= found


def test_messages_to_and_from_a_board_are_counted() -> None:
    world = World()
    board = world.add(YetiDriver, "board", {"serial_port": "/dev/null", "reset_gpio_chip": ""})
    assert isinstance(board, BoardModule)
    world.start()
    board.link_up()
    world.settle()
    sent = values(board.measures())["evse_board_messages_sent_total", "board"]
    assert sent > 0
    board.received(b"\xff\xff\xff")
    board.received(CP_C)
    world.settle()
    found = values(board.measures())
    assert found["evse_board_messages_received_total", "board"] == 2
    assert found["evse_board_messages_ignored_total", "board"] == 1
    assert found["evse_board_link_up", "board"] == 1
    assert found["evse_board_running", "board"] == 0


def test_the_broker_goes_and_comes_and_calls_are_refused() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        station = Station(broker)
        await station.start()
        await settle(station)
        found = values(station.gateway.measures())
        assert found["evse_daemon_mqtt_connected", "publisher"] == 1
        assert found["evse_daemon_mqtt_connected", "subscriber"] == 1
        assert found["evse_daemon_mqtt_reconnects_total", "publisher"] == 0
        for name in ("i/cmd/ping", "i/cmd/nothing", "relay/cmd/switch"):
            call = {"id": name, "args": {"on": True} if "switch" in name else {}, "origin": "somebody"}
            broker.send(f"everest/modules/m/impl/{name}", {"data": call, "msg_type": "Cmd"}, 2)
        broker.send("everest/modules/m/impl/i/cmd/ping", "{", 2)
        broker.send("everest/modules/m/impl/i/cmd/ping", "{}", 2, retain=True)
        await settle(station)
        broker.lose()
        for number in range(5):
            station.bench.publish(Bench.note, number)
        station.bus.settle()
        found = values(station.gateway.measures())
        assert found["evse_daemon_mqtt_connected", "publisher"] == 0
        assert found["evse_daemon_mqtt_connected", "subscriber"] == 0
        assert found["evse_daemon_mqtt_outbox_messages",] >= 5
        broker.reach()
        await settle(station)
        found = values(station.gateway.measures())
        assert found["evse_daemon_mqtt_reconnects_total", "publisher"] == 1
        assert found["evse_daemon_mqtt_reconnects_total", "subscriber"] == 1
        assert found["evse_daemon_mqtt_outbox_messages",] == 0
        assert found["evse_daemon_mqtt_calls_total",] == 1
        assert found["evse_daemon_mqtt_calls_in_progress",] == 0
        refused = {key[1]: value for key, value in found.items() if key[0].endswith("calls_refused_total")}
        assert refused == {
            "SchemaValidationFailed": 1,
            "HandlerException": 1,
            "unanswerable": 1,
            "retained": 1,
        }
        await station.gateway.stop()

    run(scenario())


def test_the_journal_counts_commits_failures_and_their_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = SqliteJournal(tmp_path / "journal.db", asyncio.get_running_loop())
        for number in range(3):
            assert await append(journal, "meter", "evse_1", n=number) is None
        assert await append(journal, "meter", "evse_1", n=object()) is not None
        found = values(journal.measures())
        assert found["evse_daemon_journal_commits_total",] == 3
        assert found["evse_daemon_journal_failures_total",] == 1
        assert found["evse_daemon_journal_waiting_records",] == 0
        longest_s = found["evse_daemon_journal_commit_max_seconds",]
        assert 0 < longest_s <= found["evse_daemon_journal_commit_seconds_total",]
        assert journal.close()

    run(scenario())


def test_a_journal_in_memory_has_nothing_to_tell() -> None:
    assert not isinstance(MemoryJournal(), Measured)


def test_the_watchdogs_feeds_are_counted() -> None:
    service = ServiceManager({})
    service.alive()
    service.alive()
    assert values(service.measures()) == {("evse_daemon_watchdog_feeds_total",): 2}
