"""A CAN bus over python-can's own socketcan class: frames both ways, the kernel's filters, and its ways to fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from drivers.link.can_bus import CanBus, CanFilter, CanSettings
from drivers.link.can_errors import BUS_OFF, DEADLINE_S
from drivers.link.can_wire import CanFrame
from drivers.link.isotp_link import IsoTpIds, IsoTpLink
from tests.drivers.can_support import Heard
from tests.drivers.test_can_bus import running
from tests.support.socketcan import CanInterface, install
from tests.support.waiting import run, until

LOG = structlog.get_logger("test")
IDS = IsoTpIds()
COMMAND = CanFrame(IDS.to_board, bytes.fromhex("05C0060040CDCCCC"))
REPORT = CanFrame(IDS.to_host, b"\x01\x02")
INFY = CanFrame(0x028300F0, bytes(8), extended=True)

NO_ACKNOWLEDGE = 0x20
BUS_ERROR = 0x80


@pytest.fixture
def can0(monkeypatch: pytest.MonkeyPatch) -> CanInterface:
    interface = CanInterface("can0")
    install(monkeypatch, interface)
    return interface


def on_can0(*wanted: CanFilter) -> CanBus:
    return CanBus(CanSettings("socketcan", "can0", 500_000, wanted=wanted), LOG)


@asynccontextmanager
async def open_bus() -> AsyncIterator[tuple[CanBus, Heard]]:
    """With the filter that a board's driver sets."""
    bus, heard = on_can0(*IDS.filters(receives=IDS.to_host)), Heard()
    async with running((bus, heard)):
        await until(lambda: heard.ups)
        yield bus, heard


def test_frames_pass_both_ways_and_nobody_hears_itself(can0: CanInterface) -> None:
    async def scenario() -> None:
        near, far, at_near, at_far = on_can0(), on_can0(), Heard(), Heard()
        async with running((near, at_near), (far, at_far)):
            near.send(COMMAND)
            near.send(INFY)
            far.send(REPORT)
            await until(lambda: len(at_far.frames) == 2 and at_near.frames)
            assert at_far.frames == can0.sent[:2] == [COMMAND, INFY]
            assert at_near.frames == [REPORT]

    run(scenario())


def test_messages_of_many_frames_pass_both_ways(can0: CanInterface) -> None:
    class Ends:
        def __init__(self) -> None:
            self.ups = 0
            self.messages: list[bytes] = []

        def link_up(self) -> None:
            self.ups += 1

        def link_lost(self, reason: str) -> None:
            raise AssertionError(reason)

        def received(self, message: bytes) -> None:
            self.messages.append(message)

    async def scenario() -> None:
        host, board = Ends(), Ends()
        near = IsoTpLink(on_can0(), sends=IDS.to_board, receives=IDS.to_host, log=LOG)
        far = IsoTpLink(on_can0(), sends=IDS.to_host, receives=IDS.to_board, log=LOG, in_order=True)
        tasks = [asyncio.ensure_future(near.run(host)), asyncio.ensure_future(far.run(board))]
        await until(lambda: host.ups and board.ups)
        long = bytes(range(200))
        near.send(long)
        far.send(long[::-1])
        near.send(b"off")
        await until(lambda: len(board.messages) == 2 and host.messages)
        assert sorted(board.messages) == sorted([long, b"off"])
        assert host.messages == [long[::-1]]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run(scenario())
    assert len(can0.sent) > 2 * 200 / 7


def test_the_kernel_keeps_other_identifiers_back_but_no_error_frame(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (_, heard):
            can0.give(COMMAND)
            can0.give(CanFrame(IDS.to_host, b"\x01", extended=True))
            can0.give(REPORT)
            await until(lambda: heard.frames)
            assert heard.frames == [REPORT]
            can0.give_error(BUS_OFF)
            await until(lambda: heard.lost)

    run(scenario())


def test_bus_off_is_a_loss_at_once_and_the_bus_is_opened_again(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (bus, heard):
            can0.give_error(BUS_OFF | BUS_ERROR)
            await until(lambda: heard.lost)
            assert "bus-off" in heard.lost[0]
            bus.send(COMMAND)
            assert can0.sent == [], "nothing old is carried out later"
            await until(lambda: heard.ups == 2)
            assert len(can0.sockets) == 1, "the old socket is closed"
            bus.send(COMMAND)
            assert can0.sent == [COMMAND]

    run(scenario())


def test_error_frames_that_go_on_are_a_loss_and_say_why(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (_, heard):
            while not heard.lost:
                can0.give_error(NO_ACKNOWLEDGE)
                await asyncio.sleep(0.05)
            assert "no acknowledge" in heard.lost[0]

    run(scenario())


def test_error_frames_among_good_ones_are_none(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (_, heard):
            until_s = time.monotonic() + DEADLINE_S + 0.3
            while time.monotonic() < until_s:
                can0.give_error(BUS_ERROR)
                can0.give(REPORT)
                await asyncio.sleep(0.05)
            assert heard.lost == []
            assert heard.frames

    run(scenario())


def test_an_interface_that_goes_down_is_a_loss_at_once_and_is_found_when_it_is_up(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (bus, heard):
            can0.set_down()
            await until(lambda: heard.lost)
            assert "Network is down" in heard.lost[0]
            await until(lambda: can0.tried == 3)
            assert heard.ups == 1, "an interface that is down opens, and is no bus"
            assert "ip link set can0 up" in heard.lost[-1]
            bus.send(COMMAND)
            can0.set_up()
            await until(lambda: heard.ups == 2)
            can0.give(REPORT)
            await until(lambda: heard.frames)
            assert can0.sent == []

    run(scenario())


def test_an_interface_that_is_down_at_the_start_says_what_to_do(can0: CanInterface) -> None:
    async def scenario() -> None:
        can0.set_down()
        bus, heard = on_can0(), Heard()
        async with running((bus, heard)):
            assert heard.ups == 0
            assert "Network is down" in heard.lost[0]
            assert "ip link set can0 up" in heard.lost[0]
            assert can0.sockets == [], "it is closed"
            can0.set_up()
            await until(lambda: heard.ups)

    run(scenario())


def test_an_adapter_that_is_unplugged_is_a_loss_at_once_and_is_found_when_it_is_back(
    can0: CanInterface,
) -> None:
    async def scenario() -> None:
        async with open_bus() as (_, heard):
            can0.unplug()
            await until(lambda: heard.lost)
            assert "No such device" in heard.lost[0]
            await until(lambda: can0.tried == 3)
            assert heard.ups == 1
            can0.plug()
            await until(lambda: heard.ups == 2)
            can0.give(REPORT)
            await until(lambda: heard.frames)

    run(scenario())


def test_a_send_into_an_interface_that_is_down_is_a_loss_but_never_raises(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (bus, heard):
            can0.up = False  # the send is before the reader
            bus.send(COMMAND)
            assert heard.lost == []
            await until(lambda: heard.lost)
            assert "Network is down" in heard.lost[0]

    run(scenario())


def test_a_full_queue_loses_frames_and_no_more(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (bus, heard):
            can0.queue_full = True
            bus.send(COMMAND)
            bus.send(COMMAND)
            can0.queue_full = False
            bus.send(COMMAND)
            assert can0.sent == [COMMAND]
            can0.give(REPORT)
            await until(lambda: heard.frames)
            assert heard.lost == []

    run(scenario())


def test_a_queue_that_stays_full_is_a_loss_after_a_second(can0: CanInterface) -> None:
    async def scenario() -> None:
        async with open_bus() as (bus, heard):
            can0.queue_full = True
            begun_s = time.monotonic()
            while not heard.lost:
                bus.send(COMMAND)
                await asyncio.sleep(0.05)
            assert time.monotonic() - begun_s >= DEADLINE_S
            assert "takes no frames" in heard.lost[0]

    run(scenario())
