"""YetiDriver as it is used: on the event loop, over a pseudo terminal, with a board at its other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.board import messages as m
from drivers.yeti.codec import YetiCodec
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.framework.bus import Bus, Client, Inbox
from evse_daemon.framework.calls import CallIds
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Context
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.evse_board_support import PowerOnOff
from tests.drivers.fake_board import CYCLE_S, FakeBoard
from tests.drivers.pty_board import PtyEnd
from tests.support.fakes import FakeMqtt
from tests.support.waiting import run, until

CODEC = YetiCodec()


class Charger:
    """A driver on the running loop, the tasks that it has started, and what it publishes."""

    def __init__(self, path: Path, bus: Bus, clock: RealClock) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.events: list[str] = []
        options = YetiDriver.Options(serial_port=str(path), reset_gpio_chip="", link_timeout_s=0.6)
        self.module = YetiDriver(
            Context(
                module_id="yeti",
                bus=bus,
                inbox=Inbox(bus, "yeti"),
                clock=clock,
                mqtt=FakeMqtt(),
                journal=MemoryJournal(),
                spawn=lambda _name, work: self.tasks.append(asyncio.ensure_future(work)),
                options=options,
            )
        )
        self._tester = Inbox(bus, "tester")
        self.client = Client(self.module.board_support, self._tester)
        self.client.subscribe(EvseBoardSupport.event, lambda value: self.events.append(value.event))
        self.module.connect()
        self.module.init()
        self.module.ready()

    def allow(self, value: bool) -> None:
        reason = PowerOnOff(allow_power_on=value, reason="FullPowerCharging" if value else "PowerOff")
        self.client.call(EvseBoardSupport.allow_power_on, reason)

    def charge(self) -> None:
        self.client.call(EvseBoardSupport.enable, True)
        self.client.call(EvseBoardSupport.pwm_on, 16.0)
        self.allow(True)

    def errors(self) -> list[tuple[str, str]]:
        return [(error.type, error.sub_type) for error in self.module.board_support.errors.active]


async def speak(board: FakeBoard, wire: PtyEnd, noise: bytes = b"") -> None:
    """The board's main loop."""
    loop = asyncio.get_running_loop()
    heard = 0
    while True:
        with contextlib.suppress(OSError):  # the port is pulled out, or nobody has it open
            messages = wire.heard()
            for message in messages[heard:]:
                board.hear(CODEC.decode_to_board(message), loop.time())
            heard = len(messages)
            for answer in board.cycle(loop.time()):
                wire.write(noise)
                wire.send(CODEC.encode_from_board(answer))
        await asyncio.sleep(CYCLE_S / 5)


@contextlib.asynccontextmanager
async def charger(wire: PtyEnd, board: FakeBoard, noise: bytes = b"") -> AsyncIterator[Charger]:
    clock = RealClock()

    def failed(module_id: str, error: Exception) -> None:
        raise AssertionError(module_id) from error

    bus = Bus(clock, asyncio.get_running_loop().call_soon, CallIds("everest"), failed)
    found = Charger(wire.path, bus, clock)
    far_end = asyncio.create_task(speak(board, wire, noise))
    try:
        yield found
    finally:
        for task in (*found.tasks, far_end):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def wire(tmp_path: Path) -> PtyEnd:
    return PtyEnd(tmp_path / "board")


def test_a_car_charges_over_a_serial_port_with_noise_before_each_frame(wire: PtyEnd) -> None:
    async def scenario() -> None:
        wire.plug_in()
        board = FakeBoard()
        async with charger(wire, board, noise=b"\x07noise\0") as evse:
            await until(lambda: evse.events == ["A"])
            board.car = "C"
            evse.charge()
            await until(lambda: evse.events[-1] == "PowerOn")
            evse.allow(False)
            await until(lambda: evse.events[-1] == "PowerOff")
            assert evse.errors() == []

    run(scenario())


def test_a_port_that_is_pulled_out_and_plugged_in_again(wire: PtyEnd) -> None:
    async def scenario() -> None:
        board = FakeBoard()
        async with charger(wire, board) as evse:
            await until(lambda: evse.errors() == [("evse_board_support/CommunicationFault", "")])
            wire.plug_in()
            board.car = "C"
            evse.charge()
            await until(lambda: evse.events[-1:] == ["PowerOn"])
            assert evse.errors() == []
            wire.pull_out()
            await until(evse.errors)
            wire.plug_in()
            await until(lambda: evse.events[-1] == "PowerOff")
            await until(lambda: not evse.errors())
            assert not board.relay
            evse.allow(True)
            await until(lambda: evse.events[-1] == "PowerOn")

    run(scenario())


def test_a_board_that_hangs_and_recovers(wire: PtyEnd) -> None:
    async def scenario() -> None:
        wire.plug_in()
        board = FakeBoard()
        async with charger(wire, board) as evse:
            await until(lambda: evse.events == ["A"])
            board.silent = True
            await until(lambda: evse.errors() == [("evse_board_support/CommunicationFault", "McuToEverest")])
            board.silent = False
            await until(lambda: not evse.errors())
            assert board.resets >= 2

    run(scenario())


def test_a_daemon_that_ends_leaves_the_contactor_open(wire: PtyEnd) -> None:
    async def scenario() -> None:
        wire.plug_in()
        board = FakeBoard()
        board.car = "C"
        async with charger(wire, board) as evse:
            evse.charge()
            await until(lambda: evse.events[-1:] == ["PowerOn"])
            evse.module.make_safe()
        last = [CODEC.decode_to_board(message) for message in wire.heard()][-3:]
        assert last == [m.AllowPower(False), m.SetPilot(m.PILOT_X1), m.AllowPower(False)]

    run(scenario())
