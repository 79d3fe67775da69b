"""The simulated board in other boards' words: against recorded frames, and against the drivers in a whole charger."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.board.messages import BadMessageError
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import Link
from drivers.phy_verso_bsp.codec import PhyVersoCodec
from drivers.phy_verso_bsp.module import PhyVersoBSP
from drivers.tida010939.codec import Tida010939Codec
from drivers.tida010939.module import TIDA010939
from evse_daemon.config import load_text
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.interface import Var
from evse_daemon.framework.module import Module
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt import topics
from simulators.yeti_firmware import dialects
from simulators.yeti_firmware.heard import Heard
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpState,
    HasReset,
    HostAlive,
    LockIs,
    LockState,
    Metered,
    PpIs,
    PpState,
    RelayIs,
    ResetBoard,
    ResetReason,
    SetLock,
    SetPwm,
    ToHost,
    Version,
)
from simulators.yeti_firmware.module import YetiFirmware
from tests.support.dialects import BOARD, DRIVER, with_board
from tests.support.memory_wire import MemoryBoard, MemoryLink, MemoryPipe
from tests.support.virtual_station import VirtualStation

OTHERS: tuple[dialects.Name, ...] = ("tida010939", "phyverso")
ALIVE = BoardAlive(1234, Version(software="1.0"))
CONFIGURATION = "2A42230802320C080110011802220208012801321110011802220B08FFFFFFFFFFFFFFFFFF01C39D3C6300"


def message_in(frame: str) -> bytes:
    (message,) = FrameDecoder().feed(bytes.fromhex(frame))
    return message


def frames(dialect: dialects.Dialect, message: ToHost) -> list[str]:
    return [encode_frame(data).hex().upper() for data in dialect.said(message)]


# Against frames of EVerest's own encoder.


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ("0C120532036E2F6154F7AB6100", HostAlive()),
        ("023005F3DB606100", ResetBoard()),
        ("071801CF453A4B00", SetLock(True)),
        ("0820E8074A8C303000", SetPwm(1000)),
        ("0728013C737C9400", AllowPowerOn(True)),
        ("0942020801A5DEFC5300", None),
    ],
)
def test_a_tida_hears_its_host(frame: str, command: Any) -> None:
    assert dialects.make("tida010939").heard(message_in(frame)) == Heard(command)


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (HasReset(ResetReason.USER), "02100551FFE4F400"),
        (CpIs(CpState.A), "02180559753D3C00"),
        (CpIs(CpState.F), "071805D681574C00"),
        (RelayIs(True), "07200134F9A55C00"),
        (PpIs(PpState.A32), "0438034103B03000"),
        (LockIs(LockState.LOCKED), "07400229C351A000"),
        (ALIVE, "0E0A1808D20928013203312E303D0101034245010BC04048035001641E700900"),
    ],
)
def test_a_tida_tells_its_host(message: ToHost, frame: str) -> None:
    assert frames(dialects.make("tida010939"), message) == [frame]


def configured() -> dialects.Dialect:
    board = dialects.make("phyverso")
    board.heard(message_in(CONFIGURATION))
    return board


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ("0C0A0532036E2F61FD259A3500", HostAlive()),
        ("023005F3DB606100", ResetBoard()),
        ("0918013801C9B94C2A00", SetLock(True)),
        ("0820E8073801D9D4028E00", SetPwm(1000)),
        ("0D2A04080110013801036054E600", AllowPowerOn(True)),
        ("0B380152020801F55B2A4600", None),
    ],
)
def test_a_phyverso_hears_its_host(frame: str, command: Any) -> None:
    heard = configured().heard(message_in(frame))
    assert (heard.understood, heard.command) == (True, command)


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (CpIs(CpState.C), "0918023001988DD3E000"),
        (PpIs(PpState.A32), "0930014003CAAC224600"),
        (LockIs(LockState.LOCKED), "09300150020D8EE77B00"),
        (RelayIs(True), "0D2204080110013001BEF168FD00"),
        (ALIVE, "110A0A08D2093203312E303801065DEC9B00"),
    ],
)
def test_a_phyverso_tells_its_host(message: ToHost, frame: str) -> None:
    assert frames(configured(), message) == [frame]


def test_a_phyverso_asks_until_it_is_configured_and_then_tells_what_it_had_to_tell() -> None:
    board = dialects.make("phyverso")
    codec = PhyVersoCodec()

    def told(message: ToHost) -> list[str]:
        return [type(codec.decode_from_board(data)[1]).__name__ for data in board.said(message)]

    assert told(HasReset(ResetReason.USER)) == ["WasReset"]
    assert told(CpIs(CpState.B)) == []
    assert told(CpIs(CpState.C)) == []
    assert told(ALIVE) == ["BoardAlive", "ConfigurationRequest"]
    (answer,) = board.heard(message_in(CONFIGURATION)).answers
    assert encode_frame(answer).hex().upper() == "0918023001988DD3E000", "the latest; port 2 is disabled"
    assert told(ALIVE) == ["BoardAlive"]
    assert told(HasReset(ResetReason.WATCHDOG)) == ["WasReset"]
    assert told(ALIVE) == ["BoardAlive", "ConfigurationRequest"]


@pytest.mark.parametrize("name", OTHERS)
def test_what_they_have_no_word_for_is_not_said(name: dialects.Name) -> None:
    zero = (0.0, 0.0, 0.0)
    board = configured() if name == "phyverso" else dialects.make(name)
    assert board.said(Metered(zero, zero, 0.0, zero, 0.0, zero, 0.0, zero, zero)) == ()


@pytest.mark.parametrize("name", ["yeti", *OTHERS])
@given(st.binary(max_size=80))
def test_whatever_arrives_the_board_stands(name: dialects.Name, data: bytes) -> None:
    board = dialects.make(name)
    for _ in range(2):
        heard = board.heard(data)
        for answer in heard.answers:
            try:
                (PhyVersoCodec() if name == "phyverso" else Tida010939Codec()).decode_from_board(answer)
            except BadMessageError:
                pytest.fail("the board's answer is none")
        board.heard(message_in(CONFIGURATION))


# Against the drivers, in a whole charger in virtual time.


class Charger(VirtualStation):
    def __init__(self, dialect: dialects.Name) -> None:
        pipe = MemoryPipe()

        class Firmware(MemoryBoard):
            def make_pipe(self) -> MemoryPipe:
                return pipe

        class Tida(TIDA010939):
            def make_link(self) -> Link:
                return MemoryLink(lambda: pipe)

        class PhyVerso(PhyVersoBSP):
            def make_link(self) -> Link:
                return MemoryLink(lambda: pipe)

        in_memory: dict[type[Module], type[Module]] = {
            YetiFirmware: Firmware,
            TIDA010939: Tida,
            PhyVersoBSP: PhyVerso,
        }
        config = load_text(yaml.safe_dump(with_board(dialect)))
        modules = {
            module_id: dataclasses.replace(entry, cls=in_memory.get(entry.cls, entry.cls))
            for module_id, entry in config.modules.items()
        }
        super().__init__(dataclasses.replace(config, modules=modules))
        self.events: list[str] = []
        board = self.station.modules[BOARD]
        assert isinstance(board, MemoryBoard)
        self.board = board
        self.begin()
        self.advance(3)

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseManager.session_event:
            self.events.append(value.event)

    def errors(self) -> set[str]:
        return {
            error.type
            for (module_id, _), found in self.station.bus.implementations.items()
            if module_id == DRIVER
            for error in found.errors.active
        }

    def car(self, script: str) -> None:
        self.send(topics.carsim_command(1, "execute_charging_session"), script)

    def fault(self, text: str) -> None:
        self.send(topics.service_command("everest", BOARD, "fault"), text)

    def until_closed(self, closed: bool, seconds: float) -> None:
        end_s = self.clock.now_s() + seconds
        while (self.board.board.contacts > 0) != closed:
            assert self.clock.now_s() < end_s, f"not {'closed' if closed else 'open'} within {seconds:g} s"
            self.advance(0.05)


@pytest.mark.parametrize("dialect", OTHERS)
def test_a_whole_session(dialect: dialects.Name) -> None:
    charger = Charger(dialect)
    assert charger.errors() == set()
    charger.car("sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 10;unplug")
    charger.until_closed(True, 20)
    charger.until_closed(False, 20)
    charger.advance(5)
    assert charger.events[-1] == "SessionFinished"
    assert charger.events.count("ChargingStarted") == 1
    assert charger.errors() == set()


@pytest.mark.parametrize("dialect", OTHERS)
@pytest.mark.parametrize(
    ("fault", "over", "error"),
    [
        ("flag rcd_triggered on", "flag rcd_triggered off", "ac_rcd/DC"),
        ("hang", "reset", "evse_board_support/CommunicationFault"),
        ("port off", "port on", "evse_board_support/CommunicationFault"),
        ("watchdog", "over", "evse_board_support/CommunicationFault"),
    ],
)
def test_a_fault_stops_the_session_and_the_next_is_flawless(
    dialect: dialects.Name, fault: str, over: str, error: str
) -> None:
    charger = Charger(dialect)
    charger.car("iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 100000")
    charger.until_closed(True, 20)
    charger.fault(fault)
    charger.advance(0.15 if fault == "watchdog" else 2.5)
    assert error in charger.errors()
    charger.fault(over)
    charger.advance(10)
    assert charger.errors() == set()
    charger.send(topics.carsim_command(1, "modify_charging_session"), "unplug")
    charger.until_closed(False, 10)
    charger.advance(5)
    charger.events.clear()
    charger.car("iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 5;unplug")
    charger.until_closed(True, 20)
    charger.until_closed(False, 20)
    charger.advance(5)
    assert charger.events[-1] == "SessionFinished"
    assert charger.errors() == set()
