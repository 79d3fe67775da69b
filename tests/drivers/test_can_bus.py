"""A CAN bus as its user sees it: frames both ways, and every way in which a bus is lost and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import select
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import can
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.link.can_bus import CanBus, CanSettings, open_bus
from drivers.link.can_errors import BUS_OFF, DEADLINE_S, ErrorPeriod, describe
from drivers.link.can_wire import CanFrame, CanWire
from drivers.link.slcan_bus import SlcanBus
from simulators.wires.slcan_adapter import SlcanPort, parse
from tests.drivers.can_support import Adapter, Heard
from tests.support.waiting import run, until

LOG = structlog.get_logger("test")
COMMAND = CanFrame(0x6A0, b"\x03\xc0\x06\x00")
INFY = CanFrame(0x028300F0, bytes(8), extended=True)
CHANNELS = (f"test{number}" for number in itertools.count())


@asynccontextmanager
async def running(*pairs: tuple[CanWire, Heard]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(wire.run(heard)) for wire, heard in pairs]
    try:
        await until(lambda: all(heard.ups or heard.lost for _, heard in pairs))
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def breakable() -> tuple[CanBus, Adapter, Heard]:
    adapter = Adapter()
    return CanBus(CanSettings("test", "can0"), LOG, open_=adapter), adapter, Heard()


def message(identifier: int = 0x6A1, **more: Any) -> can.Message:
    return can.Message(arbitration_id=identifier, data=b"\x01\x02", is_extended_id=False, **more)


# Frames


def test_frames_pass_both_ways_on_a_virtual_bus() -> None:
    async def scenario() -> None:
        settings = CanSettings("virtual", next(CHANNELS), 125_000)
        near, far, at_near, at_far = CanBus(settings, LOG), CanBus(settings, LOG), Heard(), Heard()
        async with running((near, at_near), (far, at_far)):
            near.send(COMMAND)
            far.send(INFY)
            await until(lambda: at_far.frames and at_near.frames)
            assert at_far.frames == [COMMAND]
            assert at_near.frames == [INFY]

    run(scenario())


def test_a_flood_on_a_virtual_bus_arrives_in_order() -> None:
    async def scenario() -> None:
        settings = CanSettings("virtual", next(CHANNELS))
        near, far, at_far = CanBus(settings, LOG), CanBus(settings, LOG), Heard()
        frames = [CanFrame(number, bytes([number])) for number in range(200)]
        async with running((near, Heard()), (far, at_far)):
            for frame in frames:
                near.send(frame)
            await until(lambda: len(at_far.frames) == len(frames))
            assert at_far.frames == frames

    run(scenario())


def test_what_is_sent_while_there_is_no_bus_is_dropped() -> None:
    bus, adapter, heard = breakable()
    bus.send(COMMAND)

    async def scenario() -> None:
        adapter.unplugged = OSError(errno.ENODEV, "No such device")
        async with running((bus, heard)):
            bus.send(COMMAND)
            adapter.unplugged = None
            await until(lambda: heard.ups)
            bus.send(INFY)
            assert [sent.arbitration_id for sent in adapter.bus.sent] == [INFY.id]

    run(scenario())


def test_remote_frames_and_frames_of_can_fd_are_not_for_us() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            adapter.bus.give(can.Message(arbitration_id=1, is_remote_frame=True, dlc=2))
            adapter.bus.give(message(2, is_fd=True))
            adapter.bus.give(message(3))
            await until(lambda: heard.frames)
            assert [frame.id for frame in heard.frames] == [3]

    run(scenario())


# Losses


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (can.CanOperationError("Failed to receive: Network is down", errno.ENETDOWN), "Network is down"),
        (OSError(errno.ENODEV, "No such device"), "No such device"),
        (RuntimeError("driver"), "driver"),
    ],
)
def test_a_reading_error_is_a_loss_and_the_bus_is_opened_again(broken: Exception, said: str) -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            first = adapter.bus
            first.give(broken)
            await until(lambda: heard.ups == 2)
            assert said in heard.lost[0]
            assert first.closed
            bus.send(COMMAND)
            assert len(adapter.bus.sent) == 1

    run(scenario())


def test_bus_off_is_a_loss_at_once() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            adapter.bus.give_error_frame(BUS_OFF)
            await until(lambda: heard.lost)
            assert "bus-off" in heard.lost[0]
            await until(lambda: heard.ups == 2)

    run(scenario())


def test_error_frames_that_go_on_are_a_loss() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            lost = adapter.bus
            while not heard.lost:
                lost.give_error_frame(0x20)
                await asyncio.sleep(0.05)
            assert "no acknowledge" in heard.lost[0]

    run(scenario())


def test_a_single_error_frame_is_none_and_good_frames_end_the_count() -> None:
    period = ErrorPeriod()
    assert not period.error(10.0)
    assert not period.error(10.0 + DEADLINE_S - 0.1)
    period.good()
    assert not period.error(10.0 + DEADLINE_S)
    assert period.error(10.0 + 2 * DEADLINE_S)
    # A second one long after it, with silence between, is a single one too.
    assert not period.error(100.0)
    assert describe(0x28) == "protocol violation, no acknowledge"
    assert describe(0x1000) == "class 0x1000"


def test_a_bus_that_is_silent_for_too_long_is_opened_anew_where_that_is_wanted() -> None:
    async def scenario() -> None:
        adapter, heard = Adapter(), Heard()
        bus = CanBus(CanSettings("test", "can0", silence_s=0.3), LOG, open_=adapter)
        async with running((bus, heard)):
            for _ in range(10):
                adapter.bus.give(message())
                await asyncio.sleep(0.05)
            assert heard.lost == []
            await until(lambda: heard.ups == 2)
            assert "no frame for 0.3 s" in heard.lost[0]

    run(scenario())


def test_a_controller_that_takes_no_frames_is_lost_after_a_second_and_not_before() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            adapter.bus.send_error = can.CanOperationError("Transmit buffer full")
            bus.send(COMMAND)
            await asyncio.sleep(0.05)
            assert heard.lost == []
            while not heard.lost:
                bus.send(COMMAND)
                await asyncio.sleep(0.05)
            assert "Transmit buffer full" in heard.lost[0]

    run(scenario())


def test_a_send_that_fails_for_good_is_a_loss_at_once_but_never_inside_of_send() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        async with running((bus, heard)):
            adapter.bus.send_error = can.CanOperationError(
                "Failed to transmit: Network is down", errno.ENETDOWN
            )
            bus.send(COMMAND)
            assert heard.lost == []
            await until(lambda: heard.lost)

    run(scenario())


def test_a_bus_that_cannot_be_opened_says_so_once_and_is_tried_again() -> None:
    async def scenario() -> None:
        bus, adapter, heard = breakable()
        adapter.unplugged = OSError(errno.ENODEV, "No such device")
        async with running((bus, heard)):
            await asyncio.sleep(0.5)  # two attempts more
            assert len(heard.lost) == 1
            assert "No such device" in heard.lost[0]
            adapter.unplugged = None
            await until(lambda: heard.ups == 1)

    run(scenario())


def test_socketcan_where_the_kernel_has_none_says_what_to_do() -> None:
    async def scenario() -> None:
        heard = Heard()
        async with running((CanBus(CanSettings("socketcan", "nocan7", 500_000), LOG), heard)):
            assert "ip link set nocan7 up type can" in heard.lost[0]

    run(scenario())


def test_an_unknown_interface_is_named() -> None:
    async def scenario() -> None:
        heard = Heard()
        async with running((CanBus(CanSettings("carrier pigeon", "0"), LOG), heard)):
            assert "carrier pigeon" in heard.lost[0]

    run(scenario())


def test_the_end_does_not_wait_for_a_reading_thread_in_the_loop() -> None:
    async def scenario() -> None:
        bus, heard = CanBus(CanSettings("virtual", next(CHANNELS)), LOG), Heard()
        task = asyncio.ensure_future(bus.run(heard))
        await until(lambda: heard.ups)
        turns = 0
        task.cancel()
        while not task.done():
            turns += 1
            await asyncio.sleep(0.005)
        assert turns > 1, "the loop stood still while the bus was closed"

    run(scenario())


# An adapter on a serial port


@asynccontextmanager
async def on_a_pty(tmp_path: Path) -> AsyncIterator[tuple[CanBus, Heard, SlcanPort, Heard]]:
    adapter, at_adapter = SlcanPort(tmp_path / "can"), Heard()
    async with running((adapter, at_adapter)):
        bus, heard = CanBus(CanSettings("slcan", str(tmp_path / "can"), 125_000), LOG), Heard()
        async with running((bus, heard)):
            await until(lambda: adapter.adapter.is_open)
            yield bus, heard, adapter, at_adapter


def test_frames_pass_both_ways_through_an_adapter_on_a_serial_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with on_a_pty(tmp_path) as (bus, heard, adapter, at_adapter):
            bus.send(INFY)
            bus.send(COMMAND)
            adapter.send(CanFrame(0x0283F000, bytes.fromhex("43FA000040600000"), extended=True))
            adapter.send(CanFrame(0x6A1, b"\x01"))
            await until(lambda: len(heard.frames) == 2 and len(at_adapter.frames) == 2)
            assert at_adapter.frames == [INFY, COMMAND]
            assert heard.frames[0].data.hex() == "43fa000040600000"
            assert heard.frames[1] == CanFrame(0x6A1, b"\x01")
            assert adapter.adapter.bitrate_code == "S4"

    run(scenario())


def test_more_frames_than_are_read_at_once_arrive_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with on_a_pty(tmp_path) as (_, heard, adapter, _):
            adapter.pipe.write(b"".join(b"t%03X0\r" % number for number in range(300)))
            await until(lambda: len(heard.frames) == 300)
            assert [frame.id for frame in heard.frames] == list(range(300))

    run(scenario())


GARBAGE = [
    b"t123",
    b"tXYZ1AA\r",
    b"t6A18\r",
    b"t6A14AABB\r",
    b"\xff\xfe\r",
    b"\x00" * 5000,
    b"T\r",
    b"t\r\r\a",
    b"d6A1Z\r",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_from_an_adapter_is_skipped_to_the_next_line(garbage: bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with on_a_pty(tmp_path) as (_, heard, adapter, _):
            adapter.pipe.write(garbage)
            adapter.pipe.write(b"\r")
            adapter.send(CanFrame(0x6A1, b"\x07"))
            await until(lambda: heard.frames)
            assert heard.frames == [CanFrame(0x6A1, b"\x07")]
            assert heard.lost == []

    run(scenario())


def test_memory_stays_bounded_where_no_line_ends() -> None:
    master, slave = os.openpty()
    bus = open_bus(CanSettings("slcan", os.ttyname(slave), 125_000))
    assert isinstance(bus, SlcanBus)
    try:
        for _ in range(50):
            os.write(master, b"A" * 1000)
            assert bus.recv(0) is None
            assert len(bus._buffer) <= 64
    finally:
        bus.shutdown()
        os.close(master)
        os.close(slave)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([b"t6A1", b"T", b"8", b"\r", b"\a", b"r6A18\r"]), max_size=20
    )
)
def test_whatever_an_adapter_sends_the_next_frame_is_read(pieces: list[bytes]) -> None:
    master, slave = os.openpty()
    bus = open_bus(CanSettings("slcan", os.ttyname(slave), 125_000))
    assert isinstance(bus, SlcanBus)
    try:
        for piece in pieces:
            os.write(master, piece)
            while bus.recv(0) is not None:
                assert len(bus._buffer) <= 64 + 20 * 40
        os.write(master, b"\rt6A12C006\r")
        found: list[tuple[int, bytes]] = []
        while (0x6A1, b"\xc0\x06") not in found[-1:]:
            # A pseudo-terminal passes bytes on a little later.
            assert select.select([bus.fileno()], [], [], 5)[0]
            while (read := bus.recv(0)) is not None:
                found.append((read.arbitration_id, bytes(read.data)))
        assert bus._buffer == b""
    finally:
        bus.shutdown()
        os.close(master)
        os.close(slave)


def test_a_port_that_takes_nothing_does_not_hold_anybody_up_and_lines_stay_whole() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    bus = open_bus(CanSettings("slcan", os.ttyname(slave), 125_000))
    sent = 0

    def flood() -> None:
        nonlocal sent
        while sent < 100_000:
            bus.send(can.Message(arbitration_id=sent % 0x800, is_extended_id=False), timeout=0)
            sent += 1

    try:
        with pytest.raises(can.CanError, match="takes nothing"):
            flood()
        os.set_blocking(master, False)
        read = b""
        deadline = time.monotonic() + 5
        while read.count(b"t") < sent and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                read += os.read(master, 65536)
            with contextlib.suppress(can.CanError):
                bus._put_out(bus._unsent)  # type: ignore[attr-defined]
        frames = [parse(line.decode()) for line in read.split(b"\r") if line[:1] == b"t"]
        assert [frame.id for frame in frames if frame is not None] == [n % 0x800 for n in range(sent)]
    finally:
        bus.shutdown()
        os.close(master)
        os.close(slave)


def test_a_port_is_for_one_program() -> None:
    master, slave = os.openpty()
    port = CanSettings("slcan", os.ttyname(slave), 125_000)
    bus = open_bus(port)
    try:
        with pytest.raises(can.CanError, match="in use by another program"):
            open_bus(port)
    finally:
        bus.shutdown()
        os.close(master)
        os.close(slave)


def test_an_adapter_that_is_unplugged_and_plugged_in_again_is_found(tmp_path: Path) -> None:
    async def scenario() -> None:
        bus, heard = CanBus(CanSettings("slcan", str(tmp_path / "can"), 500_000), LOG), Heard()
        first, second = SlcanPort(tmp_path / "can"), SlcanPort(tmp_path / "can")
        plugged = asyncio.ensure_future(first.run(Heard()))
        await until(lambda: first.pipe.path)
        async with running((bus, heard)):
            await until(lambda: first.adapter.is_open)
            plugged.cancel()
            await until(lambda: heard.lost)
            assert "receiving failed" in heard.lost[0] or "sending failed" in heard.lost[0]
            at_second = Heard()
            async with running((second, at_second)):
                await until(lambda: second.adapter.is_open)
                await until(lambda: heard.ups == 2)
                bus.send(COMMAND)
                await until(lambda: at_second.frames)

    run(scenario())


def test_an_adapter_reads_lines_of_frames_and_nothing_else() -> None:
    assert parse("t6A02C006") == CanFrame(0x6A0, b"\xc0\x06")
    assert parse("T028300F00") == CanFrame(0x028300F0, b"", extended=True)
    for line in ("", "t", "t6A0", "t6A03C006", "t6A09" + 9 * "00", "T0283", "tXYZ0"):
        assert parse(line) is None
