"""The Yeti dialect, held against frames that the reference implementation's own encoder made."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.board import messages as m
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.yeti.codec import YetiCodec
from tests.drivers import vectors

CODEC = YetiCodec()

TO_BOARD: list[tuple[m.ToBoard, str]] = [
    (m.HostAlive(), "0DA2060532036E2F616FAF1CE200"),
    (m.Reset(), "03C80605934658C900"),
    (m.Reset(True), "08C8060105765FBE00"),
    (m.SetLock(False), "03B006057B7FBA9300"),
    (m.SetLock(True), "08B00601ED4FBDE400"),
    (m.SetPilot(m.PILOT_F), "03B80605C32EA99D00"),
    (m.SetPilot(500), "09B806F403274F29EB00"),
    (m.SetPilot(1000), "09B806E80763D6330A00"),
    (m.SetPilot(2666), "09B806EA143FF5BBBC00"),
    (m.SetPilot(5333), "09B806D52912930DBC00"),
    (m.SetPilot(m.PILOT_X1), "09B806914EE8EDCEFB00"),
    (m.AllowPower(False), "03C006052B174BC700"),
    (m.AllowPower(True), "08C00601BD274CB000"),
    (m.SetPhases(False), "03D006055BB46DDB00"),
    (m.SetPhases(True), "08D00601CD846AAC00"),
    (m.EnterBootloader(), "0A820102080185E21DF600"),
]

METER = m.MeterReading(
    timestamp=1,
    voltage_V=(230.0, 231.0, 229.0),
    current_A=(16.0, 15.5, 16.25),
    neutral_A=0.5,
    energy_Wh=(100.0, 101.0, 102.0),
    total_energy_Wh=303.0,
    temperature_C=(40.0, 41.0, 42.0),
    neutral_temperature_C=39.0,
    power_W=(3680.0, 3580.5, 3721.25),
    frequency_Hz=(50.0, 50.0, 50.0),
)

FROM_BOARD: list[tuple[m.FromBoard, str]] = [
    (m.WasReset("user"), "03A80605B38D8F8100"),
    (m.WasReset("watchdog"), "08A8060125BD88F600"),
    (m.PilotState("A"), "03B006057B7FBA9300"),
    (m.PilotState("B"), "08B00601ED4FBDE400"),
    (m.PilotState("C"), "08B00602571EB47D00"),
    (m.PilotState("D"), "08B00603C12EB30A00"),
    (m.PilotState("E"), "08B0060462BBD79400"),
    (m.PilotState("F"), "08B00605F48BD0E300"),
    (m.RelayState(False), "03B80605C32EA99D00"),
    (m.RelayState(True), "08B80601551EAEEA00"),
    (m.ProximityState("none"), "03D006055BB46DDB00"),
    (m.ProximityState("70A"), "06D00604427002DC00"),
    (m.LockState("locked"), "08D80602CF84703B00"),
    (m.ErrorFlags(), "03C2060545C3CFC400"),
    (m.ErrorFlags(diode_fault=True), "0AC2060208017582393300"),
    (m.ErrorFlags(rcd_triggered=True), "0AC2060218012490FB7900"),
    (m.ErrorFlags(over_current=True), "0AC20602380186B47FEC00"),
    (m.PilotVoltages(9.0, 0.0), "0ACA06020809" + "8641920D00"),
    (
        m.BoardAlive("2.2", 1234, 0, 0, (0, 1), 32.0, 6.0, 3, 1, True),
        "0E1A1A08D20928013203322E323D0101034245010DC040480350015801468CD64F00",
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
    assert encode_frame(CODEC.encode_from_board(message)).hex().upper() == frame


def test_every_published_vector_both_ways() -> None:
    # The AC kit of Analog Devices has the Yeti's numbers.
    to_board = vectors.read("Yeti EVerest->MCU", "adkit EVerest->MCU")
    from_board = vectors.read("Yeti MCU->EVerest", "adkit MCU->EVerest")
    assert len(to_board) + len(from_board) == 46
    for vector in to_board:
        assert message_in(vector.frame) == vector.message, vector.name
        again = CODEC.encode_to_board(CODEC.decode_to_board(vector.message))
        assert encode_frame(again) == vector.frame, vector.name
    for vector in from_board:
        assert message_in(vector.frame) == vector.message, vector.name
        again = CODEC.encode_from_board(CODEC.decode_from_board(vector.message))
        assert encode_frame(again) == vector.frame, vector.name


def test_the_same_bytes_mean_another_thing_in_the_other_direction() -> None:
    data = bytes.fromhex("B00601")
    assert CODEC.decode_to_board(data) == m.SetLock(True)
    assert CODEC.decode_from_board(data) == m.PilotState("B")


def test_a_meter_reading_survives_the_wire() -> None:
    assert CODEC.decode_from_board(CODEC.encode_from_board(METER)) == METER


def test_unknown_fields_are_skipped_and_the_last_of_several_messages_counts() -> None:
    unknown = bytes.fromhex("F83F05")  # field 1023, varint
    assert CODEC.decode_from_board(unknown + bytes.fromhex("B00602") + unknown) == m.PilotState("C")
    assert CODEC.decode_from_board(bytes.fromhex("B00602B80601")) == m.RelayState(True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "no message that a Yeti board sends"),
        ("F83F05", "no message that a Yeti board sends"),
        ("B00606", "control pilot 6 is none of 0…5"),
        ("B006FFFFFFFFFFFFFFFFFF01", "control pilot -1 is none of 0…5"),
        ("D00609", "proximity pilot 9"),
        ("D80607", "lock state 7"),
        ("A80602", "reset reason 2"),
        ("1A05" + "3D0000C07F", "current of the hardware: nan"),
        ("E20605" + "150000807F", "meter: inf"),
        ("B006", "no protobuf"),
        ("1A1032", "no protobuf"),
    ],
)
def test_what_is_no_message_of_the_dialect_is_refused_with_its_reason(data: str, reason: str) -> None:
    with pytest.raises(m.BadMessageError, match=reason):
        CODEC.decode_from_board(bytes.fromhex(data))


def test_a_yeti_has_no_word_for_its_residual_current_monitor() -> None:
    with pytest.raises(m.UnsupportedMessageError):
        CODEC.encode_to_board(m.RcdCommand(test=True))


def test_a_version_text_is_cut_and_cleaned_before_a_log_shows_it() -> None:
    alive = CODEC.encode_from_board(m.BoardAlive("2\x1b[2J" + "9" * 100))
    decoded = CODEC.decode_from_board(alive)
    assert decoded == m.BoardAlive("2?[2J" + "9" * 45)


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(bytes.fromhex("A206023201"))
def test_random_bytes_give_a_message_or_a_reason_and_never_anything_else(data: bytes) -> None:
    for decode in (CODEC.decode_from_board, CODEC.decode_to_board):
        with contextlib.suppress(m.BadMessageError):
            assert decode(data) is not None


@pytest.mark.parametrize(("message", "frame"), FROM_BOARD, ids=repr)
def test_no_message_can_be_read_without_its_last_byte(message: m.FromBoard, frame: str) -> None:
    with pytest.raises(m.BadMessageError):
        CODEC.decode_from_board(CODEC.encode_from_board(message)[:-1])
