"""The TIDA-010939: its dialect against the reference's frames, and what its driver does otherwise than a Yeti's."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.board import messages as m
from drivers.board import state as s
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import Link, LinkListener
from drivers.tida010939.codec import Tida010939Codec
from drivers.tida010939.module import TIDA010939
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from tests.drivers import vectors
from tests.support.harness import World

CODEC = Tida010939Codec()
BOARD = ("tida", "board_support")
RCD = ("tida", "rcd")

TO_BOARD: list[tuple[m.ToBoard, str]] = [
    (m.HostAlive(), "0C120532036E2F6154F7AB6100"),
    (m.Reset(), "023005F3DB606100"),
    (m.SetLock(True), "071801CF453A4B00"),
    (m.SetPilot(m.PILOT_F), "022005A2C9A22B00"),
    (m.SetPilot(1000), "0820E8074A8C303000"),
    (m.SetPilot(m.PILOT_X1), "0820914EC1B7CDC100"),
    (m.AllowPower(True), "0728013C737C9400"),
    (m.RcdCommand(test=True), "0942020801A5DEFC5300"),
    (m.RcdCommand(reset=True), "0942021001FC46E7D100"),
]

FROM_BOARD: list[tuple[m.FromBoard, str]] = [
    (m.WasReset("user"), "02100551FFE4F400"),
    (m.PilotState("A"), "02180559753D3C00"),
    (m.PilotState("F"), "071805D681574C00"),
    (m.RelayState(True), "07200134F9A55C00"),
    (m.ProximityState("32A"), "0438034103B03000"),
    (m.LockState("locked"), "07400229C351A000"),
    (m.ErrorFlags(rcd_triggered=True), "092A0218011813ACE700"),
    (
        m.BoardAlive("1.0", 1234, 0, 0, (0, 1), 32.0, 6.0, 3, 1),
        "0E0A1808D20928013203312E303D0101034245010BC04048035001641E700900",
    ),
]


def message_in(frame: bytes) -> bytes:
    (message,) = FrameDecoder().feed(frame)
    return message


@pytest.mark.parametrize(("message", "frame"), TO_BOARD, ids=repr)
def test_what_the_host_says_is_framed_as_the_reference_does(message: m.ToBoard, frame: str) -> None:
    assert encode_frame(CODEC.encode_to_board(message)).hex().upper() == frame
    assert CODEC.decode_to_board(message_in(bytes.fromhex(frame))) == message


@pytest.mark.parametrize(("message", "frame"), FROM_BOARD, ids=repr)
def test_what_the_board_says_is_framed_as_the_reference_does(message: m.FromBoard, frame: str) -> None:
    assert CODEC.decode_from_board(message_in(bytes.fromhex(frame))) == message


def test_every_published_vector_both_ways() -> None:
    to_board = vectors.read("TIDA010939 EVerest->MCU")
    from_board = vectors.read("TIDA010939 MCU->EVerest")
    assert len(to_board) + len(from_board) == 24
    for vector in to_board:
        assert message_in(vector.frame) == vector.message, vector.name
        again = CODEC.encode_to_board(CODEC.decode_to_board(vector.message))
        assert encode_frame(again) == vector.frame, vector.name
    for vector in from_board:
        assert message_in(vector.frame) == vector.message, vector.name
        again = CODEC.encode_from_board(CODEC.decode_from_board(vector.message))
        assert encode_frame(again) == vector.frame, vector.name


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_give_a_message_or_a_reason(data: bytes) -> None:
    for decode in (CODEC.decode_from_board, CODEC.decode_to_board):
        with contextlib.suppress(m.BadMessageError):
            assert decode(data) is not None


@pytest.mark.parametrize("message", [m.MeterReading(), m.SetPhases(True)], ids=repr)
def test_it_has_neither_meter_nor_phases(message: Any) -> None:
    encode = CODEC.encode_to_board if isinstance(message, m.SetPhases) else CODEC.encode_from_board
    with pytest.raises(m.UnsupportedMessageError):
        encode(message)


class Wire:
    def __init__(self) -> None:
        self.sent: list[m.ToBoard] = []

    async def run(self, listener: LinkListener) -> None:
        raise NotImplementedError

    def send(self, message: bytes) -> None:
        self.sent.append(CODEC.decode_to_board(message))


class Wired(TIDA010939):
    def make_link(self) -> Link:
        return Wire()


def driver(**options: Any) -> tuple[World, Wired, Wire]:
    world = World()
    module = world.add(Wired, "tida", {"reset_gpio_chip": ""} | options)
    world.start()
    module.link_up()
    world.settle()
    for message in (m.WasReset("user"), m.PilotState("A"), m.BoardAlive("1.0")):
        module.received(CODEC.encode_from_board(message))
        world.settle()
    assert module.state.phase == "running"
    assert isinstance(module.link, Wire)
    return world, module, module.link


def test_its_residual_current_monitor_is_tested_and_reset_by_command() -> None:
    world, module, wire = driver()
    world.call(RCD, AcRcd.self_test)
    assert wire.sent[-1] == m.RcdCommand(test=True)
    module.received(CODEC.encode_from_board(m.ErrorFlags(rcd_triggered=True)))
    world.settle()
    assert world.errors(RCD) == ["ac_rcd/DC"]
    assert world.call(RCD, AcRcd.reset) is True
    assert wire.sent[-1] == m.RcdCommand(reset=True)
    module.received(CODEC.encode_from_board(m.ErrorFlags()))
    world.settle()
    assert world.errors(RCD) == [], "also while the car is there"


def test_its_capabilities_are_those_of_the_configuration() -> None:
    world, _, _ = driver(max_current_A_import=20, has_socket=True, min_phase_count_import=1)
    (capabilities,) = world.published(BOARD, EvseBoardSupport.capabilities)
    assert capabilities.max_current_A_import == 20
    assert capabilities.connector_type == "IEC62196Type2Socket"
    assert capabilities.min_phase_count_import == 1
    with pytest.raises(ValidationError, match="min_current_A_import is more than max_current_A_import"):
        TIDA010939.Options(min_current_A_import=20)


def test_it_refuses_to_switch_phases() -> None:
    world, module, _ = driver()
    with pytest.raises(CallError, match="cannot switch its phases"):
        world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, True)
    assert module.state.wanted == s.Wanted()
