"""The simulated board as a module: the car over the bus, the host over the line, faults by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drivers.board import messages as m
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.yeti.codec import YetiCodec
from evse_daemon.framework.registry import find_module_class
from evse_daemon.interfaces.ev_manager import EvManager as EvManagerInterface
from evse_daemon.mqtt import topics
from simulators.ev_manager.module import EvManager
from simulators.yeti_firmware.module import YetiFirmware
from tests.support.harness import World
from tests.support.memory_wire import MemoryBoard

EXECUTE = topics.carsim_command(1, "execute_charging_session")
ERROR = topics.carsim_error(1)
FAULT = topics.service_command("everest", "board", "fault")
CODEC = YetiCodec()
A16 = m.SetPilot(2666)
CHARGE = "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 10000"


class Host:
    """A host at the other end of the line, and the car's module beside the board."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        self.board = self.world.add(MemoryBoard, "board", {"connector_id": 1, **options})
        self.world.add(
            EvManager,
            "car",
            {"connector_id": 1, "auto_enable": True},
            connections={"ev_board_support": [("board", "ev_board_support")]},
        )
        self.decoder = FrameDecoder()
        self.heard: list[m.FromBoard] = []
        self.board.pipe.host_received = self._received
        self.world.start()

    def _received(self, data: bytes) -> None:
        self.heard += map(CODEC.decode_from_board, self.decoder.feed(data))

    def tell(self, *messages: m.ToBoard) -> None:
        for message in messages:
            self.board.pipe.host_write(encode_frame(CODEC.encode_to_board(message)))
        self.world.settle()

    def charge(self) -> None:
        self.world.send(EXECUTE, CHARGE)
        self.world.advance(1)
        self.tell(A16, m.AllowPower(True))
        self.world.advance(2)
        assert m.RelayState(True) in self.heard
        self.heard.clear()

    def fault(self, text: str, seconds: float = 1) -> None:
        self.world.send(FAULT, text)
        self.world.advance(seconds)

    @property
    def changes(self) -> list[m.FromBoard]:
        periodic = (m.BoardAlive, m.PilotVoltages, m.MeterReading)
        return [message for message in self.heard if not isinstance(message, periodic)]

    def last(self, kind: type[Any]) -> Any:
        return next(message for message in reversed(self.heard) if isinstance(message, kind))


@pytest.fixture
def host() -> Host:
    return Host()


def test_the_configuration_finds_it_by_its_name() -> None:
    assert find_module_class("YetiFirmware") is YetiFirmware


def test_a_session_of_the_car_as_its_host_sees_it(host: Host) -> None:
    host.world.advance(1)
    host.heard.clear()
    host.world.send(EXECUTE, "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 20;unplug")
    host.world.advance(1)
    host.tell(A16, m.AllowPower(True))
    host.world.advance(30)
    assert host.changes == [
        m.PilotState("B"),
        m.PilotState("C"),
        m.RelayState(True),
        m.PilotState("A"),
        m.RelayState(False),
    ]
    of_car = host.world.published(("car", "ev_manager"), EvManagerInterface.bsp_event)
    assert [event.event for event in of_car] == ["B", "C", "A"]


def test_the_meter_counts_what_the_car_draws(host: Host) -> None:
    host.charge()
    host.world.advance(360)
    reading = host.last(m.MeterReading)
    assert reading.current_A == pytest.approx((16, 16, 16), rel=0.02)
    assert reading.total_energy_Wh == pytest.approx(3 * 16 * 22.2, rel=0.05)
    assert reading.total_energy_Wh == pytest.approx(sum(reading.energy_Wh), rel=1e-3)


def test_energy_stands_while_no_power_flows(host: Host) -> None:
    host.charge()
    host.world.advance(10)
    host.tell(m.AllowPower(False))
    host.world.advance(1)
    first = host.last(m.MeterReading).total_energy_Wh
    host.world.advance(100)
    assert host.last(m.MeterReading).total_energy_Wh == first > 0


def test_the_cars_residual_current_trips(host: Host) -> None:
    host.world.send(
        EXECUTE, "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 5;rcd_current 10.3;sleep 8;unplug"
    )
    host.world.advance(1)
    host.tell(A16, m.AllowPower(True))
    host.world.advance(7)
    assert host.changes[-2:] == [m.RelayState(False), m.ErrorFlags(rcd_triggered=True)]
    host.world.advance(10)
    assert host.changes[-2:] == [m.PilotState("A"), m.ErrorFlags()]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("diode on", [m.PilotState("F"), m.RelayState(False), m.ErrorFlags(diode_fault=True)]),
        ("rcd 30", [m.RelayState(False), m.ErrorFlags(rcd_triggered=True)]),
        ("flag cp_signal_fault on", [m.ErrorFlags(cp_signal_fault=True)]),
        ("pp A20", [m.ProximityState("20A")]),
        ("reset", [m.WasReset("user")]),
        ("watchdog", [m.WasReset("watchdog")]),
        ("hang", []),
        ("hang 0.2", [m.WasReset("watchdog")]),
        ("mute on", []),
        ("port off", []),
    ],
)
def test_each_fault_as_its_host_sees_it(host: Host, fault: str, told: list[m.FromBoard]) -> None:
    host.charge()
    host.fault(fault, 0.3)
    if told and isinstance(told[0], m.WasReset):
        host.heard = [message for message in host.heard if not isinstance(message, m.PilotState)]
    assert host.changes == told
    if not told:
        host.heard.clear()
        host.world.advance(1)
        assert host.heard == []


def test_a_welded_contactor(host: Host) -> None:
    host.charge()
    host.fault("weld on")
    host.tell(m.AllowPower(False))
    host.world.advance(2)
    assert host.changes == []
    host.fault("none")
    assert host.changes == [m.RelayState(False)]


def test_a_stuck_lock(host: Host) -> None:
    host.fault("lock_stuck on")
    host.heard.clear()
    host.tell(m.SetLock(True))
    host.world.advance(1.2)
    assert host.changes == [m.ErrorFlags(connector_lock_failed=True)]


def test_another_version(host: Host) -> None:
    host.fault("version 9.1 9.9-rc1")
    alive = host.last(m.BoardAlive)
    assert (alive.protocol, alive.version) == ((9, 1), "9.9-rc1")
    host.fault("version off")
    assert host.last(m.BoardAlive).protocol == (0, 1)


def test_a_half_frame_loses_at_most_the_next_one_too(host: Host) -> None:
    host.charge()
    host.fault("half", 0)
    host.fault("flag over_current on", 0.01)
    host.world.advance(10)
    assert host.decoder.dropped.total() == 1
    assert len([message for message in host.heard if isinstance(message, m.BoardAlive)]) >= 49


def test_garbage_between_frames(host: Host) -> None:
    host.charge()
    host.fault("garbage 500", 10)
    assert host.decoder.dropped.total() >= 1
    assert len([message for message in host.heard if isinstance(message, m.BoardAlive)]) >= 49


def test_noise_breaks_frames_and_nothing_wrong_is_believed(host: Host) -> None:
    host.charge()
    host.fault("noise 1", 60)
    host.fault("none")
    assert host.decoder.dropped.total() > 100
    assert set(host.changes) <= {m.ErrorFlags()}


def test_lost_bytes(host: Host) -> None:
    host.charge()
    host.fault("lose 5", 60)
    assert host.decoder.dropped.total() > 100
    assert host.changes == []


def test_a_deaf_board_hears_nothing(host: Host) -> None:
    host.charge()
    host.fault("deaf on")
    host.tell(m.AllowPower(False))
    host.world.advance(10)
    assert host.changes == []
    host.fault("deaf off")
    host.tell(m.AllowPower(False))
    host.world.advance(1)
    assert host.changes == [m.RelayState(False)]


def test_a_port_that_comes_back_lets_the_board_be_heard(host: Host) -> None:
    host.charge()
    host.fault("port off")
    host.heard.clear()
    host.fault("port on")
    assert isinstance(host.heard[-1], m.BoardAlive | m.MeterReading | m.PilotVoltages)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bla",
        "weld",
        "weld perhaps",
        "noise 101",
        "noise nan",
        "flag bla on",
        "pp A99",
        "hang -1",
        "x" * 2000,
    ],
)
def test_what_is_no_fault_changes_nothing(host: Host, text: str) -> None:
    host.charge()
    before = host.board.board.faults
    host.fault(f"weld on;{text}" if text else text)
    assert host.board.board.faults == before


def test_errors_injected_as_everests_flow_does_become_flags(host: Host) -> None:
    host.charge()
    host.world.send(ERROR, json.dumps({"error_type": "MREC4OverCurrentFailure", "raise": "true"}))
    host.world.advance(1)
    host.world.send(ERROR, json.dumps({"error_type": "TiltDetected", "raise": "true"}))
    host.world.send(ERROR, "no json")
    host.world.advance(1)
    assert host.changes == [m.ErrorFlags(over_current=True)]


def test_a_message_without_meaning_is_ignored(host: Host) -> None:
    host.charge()
    host.board.pipe.host_write(encode_frame(bytes.fromhex("FFFFFF")))
    host.board.pipe.host_write(encode_frame(bytes.fromhex("E80601")))
    host.world.advance(1)
    assert host.changes == []
