"""The frames of docs/can.md are those that are sent."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.board import messages as m
from drivers.link.isotp_link import MAX_MESSAGE, TIMEOUT_MS, TO_BOARD, TO_HOST, with_crc
from drivers.yeti.codec import YetiCodec

PAGE = (Path(__file__).parents[2] / "docs" / "can.md").read_text("utf-8")


def frames(message: bytes) -> str:
    payload = with_crc(message)
    if len(payload) <= 7:
        return (bytes([len(payload)]) + payload).ljust(8, b"\xcc").hex(" ").upper()
    first, second = (0x1000 | len(payload)).to_bytes(2, "big") + payload[:6], b"\x21" + payload[6:]
    return f"{first.hex(' ')} {second.ljust(8, bytes([0xCC])).hex(' ')}".upper()


def test_the_examples_are_what_the_driver_sends() -> None:
    codec = YetiCodec()
    expected = [
        codec.encode_to_board(m.AllowPower(False)),
        codec.encode_to_board(m.AllowPower(True)),
        codec.encode_to_board(m.SetPilot(1000)),
        codec.encode_to_board(m.SetPilot(m.PILOT_X1)),
        codec.encode_to_board(m.SetPilot(m.PILOT_F)),
        codec.encode_to_board(m.Reset(False)),
        codec.encode_to_board(m.HostAlive()),
        codec.encode_from_board(m.PilotState("C")),
    ]
    table = PAGE[PAGE.index("| Message | Frame") : PAGE.index("### What is sent when")]
    rows = [" ".join(re.findall(r"`((?:[0-9A-F]{2} ?){8})`", row)) for row in table.splitlines()[2:] if row]
    assert rows == [frames(message) for message in expected]


def test_the_numbers_are_the_codes() -> None:
    for text in (f"`{TO_BOARD:#05X}`".replace("X", "x"), f"({TO_BOARD})", f"({TO_HOST})", f"{TIMEOUT_MS} ms"):
        assert text in PAGE
    assert f"at most {MAX_MESSAGE + 2} bytes" in PAGE
