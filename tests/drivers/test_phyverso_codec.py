"""The PhyVerso dialect against frames of the reference implementation, and whatever else may come over a wire."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import messages as m
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.phy_verso_bsp.codec import PhyVersoCodec
from tests.drivers import vectors

CODEC = PhyVersoCodec()

PORTS = (
    m.PortSetup("AC", lock="hella", has_socket=True),
    m.PortSetup("disabled"),
)

TO_BOARD: list[tuple[int, m.ToBoard, str]] = [
    (0, m.HostAlive(), "0C0A0532036E2F61FD259A3500"),
    (0, m.Reset(), "023005F3DB606100"),
    (
        0,
        m.Configure(PORTS),
        "2A42230802320C080110011802220208012801321110011802220B08FFFFFFFFFFFFFFFFFF01C39D3C6300",
    ),
    (1, m.SetPilot(1000), "0820E8073801D9D4028E00"),
    (2, m.SetPilot(m.PILOT_X1), "0A20904E38025FBBC9C600"),
    (1, m.SetPilot(m.PILOT_F), "0220073801B003111E00"),
    (1, m.SetLock(True), "0918013801C9B94C2A00"),
    (2, m.SetLock(False), "0218073802448287B200"),
    (1, m.AllowPower(True), "0D2A04080110013801036054E600"),
    (1, m.AllowPower(False), "0B2A0208013801D9E5243600"),
    (1, m.RcdCommand(test=True), "0B380152020801F55B2A4600"),
]

FROM_BOARD: list[tuple[int, m.FromBoard, str]] = [
    (0, m.ConfigurationRequest(), "025A05DE5872FE00"),
    (0, m.BoardAlive("1.0", 1234, configured=True), "110A0A08D2093203312E303801065DEC9B00"),
    (1, m.PilotState("A"), "0218073001F65957E300"),
    (2, m.PilotState("B"), "09180130027B629C7B00"),
    (1, m.PilotState("C"), "0918023001988DD3E000"),
    (1, m.ProximityState("32A"), "0930014003CAAC224600"),
    (1, m.LockState("locked"), "09300150020D8EE77B00"),
    (1, m.RelayState(True), "0D2204080110013001BEF168FD00"),
    (1, m.ErrorFlags(heartbeat_timeout=True), "0B2A02380130017097D60E00"),
]


def message_in(frame: bytes) -> bytes:
    (message,) = FrameDecoder().feed(frame)
    return message


@pytest.mark.parametrize(("connector", "message", "frame"), TO_BOARD, ids=repr)
def test_what_the_host_says_is_framed_as_the_reference_does(
    connector: int, message: m.ToBoard, frame: str
) -> None:
    assert encode_frame(CODEC.encode_to_board(message, connector)).hex().upper() == frame
    assert CODEC.decode_to_board(message_in(bytes.fromhex(frame))) == (connector, message)


@pytest.mark.parametrize(("connector", "message", "frame"), FROM_BOARD, ids=repr)
def test_what_the_board_says_is_framed_as_the_reference_does(
    connector: int, message: m.FromBoard, frame: str
) -> None:
    assert CODEC.decode_from_board(message_in(bytes.fromhex(frame))) == (connector, message)
    assert encode_frame(CODEC.encode_from_board(message, connector)).hex().upper() == frame


def test_every_published_vector_both_ways() -> None:
    to_board = vectors.read("PhyVerso EVerest->MCU")
    from_board = vectors.read("PhyVerso MCU->EVerest")
    assert len(to_board) + len(from_board) == 20
    for vector in to_board:
        assert message_in(vector.frame) == vector.message, vector.name
        connector, command = CODEC.decode_to_board(vector.message)
        assert encode_frame(CODEC.encode_to_board(command, connector)) == vector.frame, vector.name
    for vector in from_board:
        assert message_in(vector.frame) == vector.message, vector.name
        connector, report = CODEC.decode_from_board(vector.message)
        assert encode_frame(CODEC.encode_from_board(report, connector)) == vector.frame, vector.name


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_give_a_message_or_a_reason(data: bytes) -> None:
    for decode in (CODEC.decode_from_board, CODEC.decode_to_board):
        with contextlib.suppress(m.BadMessageError):
            connector, message = decode(data)
            assert connector in (0, 1, 2)
            assert message is not None


@settings(deadline=None)
@given(
    st.sampled_from(FROM_BOARD).map(lambda row: message_in(bytes.fromhex(row[2]))),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_mutated_message_gives_a_message_or_a_reason(
    message: bytes, changes: list[tuple[int, int]]
) -> None:
    mutated = bytearray(message)
    for place, byte in changes:
        mutated[place % len(mutated)] = byte
    with contextlib.suppress(m.BadMessageError):
        assert CODEC.decode_from_board(bytes(mutated))[0] in (0, 1, 2)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("1800", "pilot of no connector"),
        ("18003003", "no connector 3"),
        ("180030FFFFFFFFFFFFFFFFFF01", "no connector -1"),
        ("18063001", "control pilot 6"),
        ("2204080210013001", "coil 2 is not that of connector 1"),
        ("2202100130 01", "coil 0 is not that of connector 1"),
        ("50053001", "lock state 5"),
        ("40063001", "proximity pilot 6"),
        ("3001", "no message that a PhyVerso sends"),
        ("FF", "no protobuf"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(data: str, says: str) -> None:
    with pytest.raises(m.BadMessageError, match=says):
        CODEC.decode_from_board(bytes.fromhex(data))


def test_a_port_for_direct_current_has_a_coil_of_its_own() -> None:
    codec = PhyVersoCodec(("AC", "DC"))
    assert codec.encode_to_board(m.AllowPower(True), 2).hex() == "2a0408021001" + "3802"
    closed = codec.encode_from_board(m.RelayState(True), 2)
    assert codec.decode_from_board(closed) == (2, m.RelayState(True))
    with pytest.raises(m.BadMessageError, match="coil 2"):
        CODEC.decode_from_board(closed)


@pytest.mark.parametrize("connector", [1, 2])
def test_flags_and_a_lock_on_its_way_arrive_as_they_were_sent(connector: int) -> None:
    for message in (
        m.ErrorFlags(coil_feedback_diverges=True, pp_signal_fault=True),
        m.ErrorFlags(True, True, True, True, True, True, heartbeat_timeout=True),
        m.LockState("locking"),
        m.LockState("unlocking"),
        m.PilotVoltages(9.0, 0.0),
    ):
        assert CODEC.decode_from_board(CODEC.encode_from_board(message, connector)) == (connector, message)


def test_the_fans_are_of_the_whole_board() -> None:
    fan = m.FanState(1, True, 45.5, 1200)
    assert CODEC.decode_from_board(CODEC.encode_from_board(fan, 2)) == (0, fan)


def test_it_has_neither_meter_nor_phases() -> None:
    with pytest.raises(m.UnsupportedMessageError):
        CODEC.encode_to_board(m.SetPhases(True), 1)
    with pytest.raises(m.UnsupportedMessageError):
        CODEC.encode_from_board(m.MeterReading(), 1)


@pytest.mark.parametrize("ports", ["", "3200", "320032003200"])
def test_a_configuration_is_of_two_ports(ports: str) -> None:
    body = bytes.fromhex("0802" + ports)
    with pytest.raises(m.BadMessageError, match="ports instead of 2"):
        CODEC.decode_to_board(bytes([0x42, len(body)]) + body)
