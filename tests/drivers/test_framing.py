"""Frames on a serial line: what noise, lost bytes and strange pieces do to them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.link.framing import MAX_GARBAGE, MAX_MESSAGE, FrameDecoder, encode_frame
from tests.drivers import vectors

messages = st.binary(min_size=1, max_size=MAX_MESSAGE)
CP_C = bytes.fromhex("B00602")


def test_the_checksum_is_jamcrc() -> None:
    # The catalogue's check value for "123456789": 0x340BC6D9.
    assert encode_frame(b"123456789") == b"\x0e123456789\xd9\xc6\x0b\x34\0"


def test_every_published_frame_of_every_dialect_both_ways() -> None:
    """Those of the MicroMegaWatt among them, for which there is no driver here."""
    of = ("Yeti", "TIDA010939", "PhyVerso", "adkit")
    headings = [f"{name} {way}" for name in of for way in ("EVerest->MCU", "MCU->EVerest")]
    found = vectors.read(*headings, "umwc")
    assert len(found) == 93
    for vector in found:
        assert encode_frame(vector.message) == vector.frame, vector.name
        assert FrameDecoder().feed(vector.frame) == [vector.message], vector.name


@settings(deadline=None)
@given(st.lists(messages, max_size=6), st.data())
def test_messages_arrive_whole_and_in_order_in_whatever_pieces(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_frame, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder()
    received: list[bytes] = []
    for start, end in itertools.pairwise([0, *cuts, len(stream)]):
        received += decoder.feed(stream[start:end])
    assert received == sent
    assert decoder.good == len(sent)
    assert decoder.dropped.total() == 0


@settings(deadline=None)
@given(st.binary(max_size=4000), messages, messages)
def test_after_garbage_at_most_one_good_frame_is_lost(garbage: bytes, first: bytes, second: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(garbage)
    received = decoder.feed(encode_frame(first) + encode_frame(second))
    assert received[-1] == second
    assert received in ([first, second], [second])


@settings(deadline=None)
@given(messages, st.data())
def test_a_damaged_frame_is_dropped_and_counted(message: bytes, data: st.DataObject) -> None:
    frame = bytearray(encode_frame(message))
    at = data.draw(st.integers(0, len(frame) - 2))
    frame[at] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    received = decoder.feed(bytes(frame))
    assert received == []
    assert decoder.dropped.total() >= 1
    assert decoder.feed(encode_frame(CP_C)) == [CP_C]


@settings(deadline=None)
@given(messages, st.data())
@example(bytes.fromhex("CA1EDDCD"), None)
def test_a_lost_byte_never_makes_another_message(message: bytes, data: st.DataObject | None) -> None:
    """But one: the checksum does not see a zero that is lost at the very end (framing.py)."""
    frame = encode_frame(message)
    at = len(frame) - 2 if data is None else data.draw(st.integers(0, len(frame) - 2))
    received = FrameDecoder().feed(frame[:at] + frame[at + 1 :])
    assert received == [] or (received == [message[:-1]] and at == len(frame) - 2)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"\x01" * 5000 + b"\0", "too long"),
        (b"\x05\x01\0", "bad COBS"),
        (b"\x03\x01\x02\0", "too short"),
        (bytes.fromhex("08B00603571EB47D00"), "bad checksum"),
    ],
)
def test_what_was_dropped_is_counted_by_its_reason(garbage: bytes, reason: str) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(garbage) == []
    assert decoder.dropped == {reason: 1}
    assert decoder.dropped_bytes == len(garbage) - 1


def test_lone_zeros_are_no_garbage() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(bytes(100) + encode_frame(CP_C) + bytes(3)) == [CP_C]
    assert decoder.dropped_bytes == 0


def test_endless_garbage_takes_no_memory() -> None:
    decoder = FrameDecoder()
    for _ in range(1000):
        decoder.feed(b"\x55" * 1000)
        assert decoder.buffered <= MAX_GARBAGE
    assert decoder.feed(b"\0" + encode_frame(CP_C)) == [CP_C]
    assert decoder.dropped_bytes == 1_000_000


def test_an_opened_line_begins_anew() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(CP_C)[:4])
    decoder.reset()
    assert decoder.feed(encode_frame(CP_C)) == [CP_C]


def test_a_message_that_the_board_cannot_take_is_refused() -> None:
    assert FrameDecoder().feed(encode_frame(b"\x55" * MAX_MESSAGE)) == [b"\x55" * MAX_MESSAGE]
    with pytest.raises(ValueError, match="249 at most"):
        encode_frame(bytes(MAX_MESSAGE + 1))
