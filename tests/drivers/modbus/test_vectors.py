"""Published Modbus frames (drivers.md §15), both ways, at the driver's end of the wire and at the simulator's."""

from __future__ import annotations

import struct

import pytest

from drivers.modbus.requests import Answer, Refusal, Request
from simulators.modbus_meter import frames
from simulators.modbus_meter.device import Device
from simulators.modbus_meter.registers import MODELS
from simulators.modbus_meter.server import Bus, on_tcp
from tests.drivers.modbus.lines import raw_end, running
from tests.support.waiting import run

REQUESTS = [
    ("01030000000AC5CD", Request(1, 3, 0, 10)),
    ("01040000000271CB", Request(1, 4, 0, 2)),
    ("010400480002F1DD", Request(1, 4, 0x48, 2)),
    ("0104003400023005", Request(1, 4, 0x34, 2)),
    ("0110000C00020400000001323A", Request(1, 16, 12, 2, (0, 1))),
]

READ_V = Request(1, 4, 0, 2)
V230_2 = "010404436633341B38"
"""The answer of an Eastron meter to READ_V: 230.2 V."""

REFUSED = "018402C2C1"
"""Illegal data address."""


@pytest.mark.parametrize(("frame", "request_"), REQUESTS)
def test_the_driver_sends_a_request(frame: str, request_: Request) -> None:
    async def main() -> bytes:
        with raw_end() as end:
            async with running(end.port) as line:
                line.submit(request_, 1.0, lambda _: None)
                return await end.read(len(frame) // 2)

    assert run(main()).hex().upper() == frame


@pytest.mark.parametrize(("frame", "outcome"), [(V230_2, Answer((0x4366, 0x3334))), (REFUSED, Refusal(2))])
def test_the_driver_reads_an_answer(frame: str, outcome: Answer | Refusal) -> None:
    async def main() -> object:
        with raw_end() as end:
            async with running(end.port) as line:
                outcomes: list[object] = []
                line.submit(READ_V, 1.0, outcomes.append)
                await end.read(8)
                end.write(bytes.fromhex(frame))
                return await ask_nothing(outcomes)

    assert run(main()) == outcome


async def ask_nothing(outcomes: list[object]) -> object:
    from tests.support.waiting import until

    await until(lambda: outcomes)
    return outcomes[0]


@pytest.mark.parametrize(("frame", "request_"), REQUESTS)
def test_the_simulator_reads_a_request(frame: str, request_: Request) -> None:
    ((unit, pdu),) = frames.RtuReader().feed(bytes.fromhex(frame))
    assert unit == request_.device_id
    assert pdu[0] == request_.function
    assert struct.unpack(">HH", pdu[1:5]) == (request_.address, request_.count)
    assert frames.rtu(unit, pdu).hex().upper() == frame


def test_the_simulator_sends_the_answers() -> None:
    device = Device("sdm630", 1)
    device.electrics.voltage_v = struct.unpack(">f", bytes.fromhex("43663334"))[0]
    ((unit, pdu),) = frames.RtuReader().feed(bytes.fromhex("01040000000271CB"))
    reply = device.answer(pdu, 0.0)
    assert reply is not None
    assert frames.rtu(unit, reply.pdu).hex().upper() == V230_2
    reply = device.answer(bytes.fromhex("0407D00002"), 0.0)
    assert reply is not None
    assert frames.rtu(1, reply.pdu).hex().upper() == REFUSED


def test_over_tcp() -> None:
    async def main() -> str:
        import asyncio

        device = Device("sdm630", 1)
        device.electrics.voltage_v = struct.unpack(">f", bytes.fromhex("43663333"))[0]
        async with on_tcp(Bus([device]), "127.0.0.1", 0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes.fromhex("000100000006010400000002"))
            answer = await reader.readexactly(13)
            writer.close()
            await writer.wait_closed()
            return answer.hex().upper()

    assert run(main()) == "00010000000701040443663333"


def test_the_crc_of_both_ends() -> None:
    """0x4B37 is the check value of CRC-16/MODBUS."""
    assert frames.crc16(b"123456789") == 0x4B37


def test_every_simulated_meter_answers_any_request_in_a_frame() -> None:
    for model in MODELS:
        device = Device(model, 1)
        for function in range(256):
            for rest in (b"", b"\0", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x7d", b"\0\0\0\x01\0"):
                reply = device.answer(bytes([function]) + rest, 0.0)
                assert reply is not None
                assert 2 <= len(reply.pdu) <= 253
