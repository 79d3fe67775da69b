"""InfyPower's frames against EVerest's own, both ways, and whatever else may come."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.infy_power.codec import (
    GROUP,
    MAX_A,
    MAX_V,
    Alarm,
    BadFrameError,
    Barcode,
    Capabilities,
    Command,
    External,
    FrameId,
    ModuleCount,
    Output,
    Read,
    Reading,
    Request,
    SetPoint,
    Status,
    Switch,
    decode_id,
    decode_request,
    decode_response,
    encode_id,
    request,
    response,
)
from drivers.link.can_wire import CanFrame

ZERO = "0000000000000000"

# EVerest's InfyPower: README.md, wireshark/sim_module0_responses.sh and the comments of CanPackets.cpp.
RESPONSES: list[tuple[str, str, Reading]] = [
    ("0282F000", "0000010000000000", ModuleCount(1)),
    ("0283F000", "43FA000040600000", Output(500.0, 3.5)),
    (
        "0284F000",
        "000000001B004000",
        Status(27, Alarm.WALK_IN),
    ),
    ("028AF000", "01F400C803E803E8", Capabilities(500.0, 200.0, 100.0, 10_000.0)),
    ("028BF000", "56130C15A3FB06A8", Barcode("V", bytes.fromhex("130C15A3FB06A8"))),
    ("028CF000", "0FA001F400000000", External(400.0, 50.0)),
]
REQUESTS: list[tuple[str, str, Request]] = [
    ("028300F0", ZERO, Read(Command.OUTPUT)),
    ("028400F0", ZERO, Read(Command.STATUS)),
    ("028A00F0", ZERO, Read(Command.CAPABILITIES)),
    ("028B00F0", ZERO, Read(Command.BARCODE)),
    ("028C00F0", ZERO, Read(Command.EXTERNAL)),
    ("029A00F0", ZERO, Switch(on=True)),
    ("029A00F0", "0100000000000000", Switch(on=False)),
    ("029C00F0", "00061A8000002710", SetPoint(400.0, 10.0)),
]


def frame(identifier: str, data: str) -> CanFrame:
    return CanFrame(int(identifier, 16), bytes.fromhex(data), extended=True)


@pytest.mark.parametrize(("identifier", "data", "reading"), RESPONSES)
def test_answers_are_everests_both_ways(identifier: str, data: str, reading: Reading) -> None:
    fields, decoded = decode_response(frame(identifier, data))
    assert decoded == reading
    assert (fields.source, fields.destination) == (0, 0xF0)
    assert response(reading, module=0, controller=0xF0) == frame(identifier, data)


@pytest.mark.parametrize(("identifier", "data", "what"), REQUESTS)
def test_requests_are_everests_both_ways(identifier: str, data: str, what: Request) -> None:
    assert request(what, controller=0xF0, to=0) == frame(identifier, data)
    fields, decoded = decode_request(frame(identifier, data))
    assert decoded == what
    assert (fields.source, fields.destination) == (0xF0, 0)


def test_the_count_is_asked_of_a_group() -> None:
    counted = request(Read(Command.MODULE_COUNT), controller=0xF0, to=1, device=GROUP)
    assert counted == frame("02C201F0", ZERO)
    assert decode_id(counted.id) == FrameId(0xF0, 1, Command.MODULE_COUNT, GROUP)


VECTORS = Path(__file__).parents[3] / "shared" / "reference" / "drivers-vectors.txt"


@pytest.mark.skipif(not VECTORS.exists(), reason=f"the vectors are not at {VECTORS}")
def test_the_vectors_of_the_reference_are_the_ones_above() -> None:
    text = VECTORS.read_text("utf-8")
    (line,) = re.findall(r"^Infy req (.*)$", text, re.MULTILINE)
    (answer,) = re.findall(r"^Infy rsp VI (\w+)$", text, re.MULTILINE)
    words = line.split()
    assert frame(words[words.index("0xF0->0:") + 1], ZERO) == request(
        Read(Command.OUTPUT), controller=0xF0, to=0
    )
    at = words.index("set")
    assert frame(words[at + 2], words[at + 3]) == request(SetPoint(400.0, 10.0), controller=0xF0, to=0)
    at = words.index("on")
    assert frame(words[at + 1], words[at + 2]) == request(Switch(on=True), controller=0xF0, to=0)
    assert frame(words[at + 1], words[words.index("off") + 1]) == request(
        Switch(on=False), controller=0xF0, to=0
    )
    assert int(words[-1], 16) == request(Read(Command.MODULE_COUNT), controller=0xF0, to=1, device=GROUP).id
    assert decode_response(frame("0283F000", answer))[1] == Output(500.0, 3.5)


@pytest.mark.parametrize(
    ("position", "bit", "alarm"),
    [
        (7, 0, Alarm.OUTPUT_SHORT),
        (7, 4, Alarm.SLEEPING),
        (7, 5, Alarm.DISCHARGE_ABNORMAL),
        (6, 0, Alarm.DC_OFF),
        (6, 1, Alarm.FAULT),
        (6, 2, Alarm.PROTECTION),
        (6, 3, Alarm.FAN_FAULT),
        (6, 4, Alarm.OVER_TEMPERATURE),
        (6, 5, Alarm.OUTPUT_OVER_VOLTAGE),
        (6, 6, Alarm.WALK_IN),
        (6, 7, Alarm.COMMUNICATION_INTERRUPT),
        (5, 0, Alarm.POWER_LIMITED),
        (5, 1, Alarm.ID_REPEATED),
        (5, 2, Alarm.LOAD_SHARING),
        (5, 3, Alarm.INPUT_PHASE_LOST),
        (5, 4, Alarm.INPUT_UNBALANCED),
        (5, 5, Alarm.INPUT_LOW),
        (5, 6, Alarm.INPUT_HIGH),
        (5, 7, Alarm.PFC_OFF),
    ],
)
def test_each_bit_of_a_status_has_its_meaning(position: int, bit: int, alarm: Alarm) -> None:
    data = bytearray(8)
    data[position] = 1 << bit
    reading = decode_response(CanFrame(0x0284F000, bytes(data), extended=True))[1]
    assert isinstance(reading, Status)
    assert reading.alarms == alarm


@pytest.mark.parametrize(
    "bad",
    [
        CanFrame(0x0283F000, bytes(7), extended=True),
        CanFrame(0x283, bytes(8)),
        CanFrame(0x0683F000, bytes(8), extended=True),  # error code 1
        CanFrame(0x0297F000, bytes(8), extended=True),  # a command that is none of ours
        CanFrame(0x029AF000, bytes(8), extended=True),  # no reading
        CanFrame(0x0283F000, struct.pack(">ff", math.nan, 1.0), extended=True),
        CanFrame(0x0283F000, struct.pack(">ff", 1.0, math.inf), extended=True),
        CanFrame(0x0283F000, struct.pack(">ff", 1e30, 1.0), extended=True),
        CanFrame(0x0282F000, bytes([0, 0, 61, 0, 0, 0, 0, 0]), extended=True),
        CanFrame(0x028AF000, struct.pack(">HHHH", 200, 500, 1, 1), extended=True),
    ],
)
def test_what_cannot_be_true_is_no_reading(bad: CanFrame) -> None:
    with pytest.raises(BadFrameError):
        decode_response(bad)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 5e6])
def test_a_set_point_that_cannot_be_sent_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        request(SetPoint(value, 1.0), controller=0xF0, to=0)


FRAMES = st.builds(
    CanFrame, st.integers(0, 2**29 - 1) | st.sampled_from([0x0282F000 | c << 16 for c in range(32)]),
    st.binary(max_size=8) | st.binary(min_size=8, max_size=8), st.booleans() | st.just(True),
)  # fmt: skip


@given(FRAMES)
def test_whatever_comes_is_a_sane_reading_or_refused(given_frame: CanFrame) -> None:
    try:
        fields, reading = decode_response(given_frame)
    except BadFrameError:
        return
    assert encode_id(fields) == given_frame.id
    if isinstance(reading, Output | External):
        assert abs(reading.voltage_V) <= MAX_V
    if isinstance(reading, Output):
        assert abs(reading.current_A) <= MAX_A


@given(FRAMES)
def test_whatever_comes_is_a_request_or_refused(given_frame: CanFrame) -> None:
    try:
        fields, what = decode_request(given_frame)
    except BadFrameError:
        return
    if not isinstance(what, Read) and not fields.error and fields.device == 0x0A:
        again = request(what, controller=fields.source, to=fields.destination)
        assert again.id == given_frame.id
        assert (
            again.data[: 1 if isinstance(what, Switch) else 8]
            == given_frame.data[: 1 if isinstance(what, Switch) else 8]
        )
