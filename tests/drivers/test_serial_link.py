"""A serial port as people have them: it vanishes, comes back, is taken by somebody else, and does not take what is sent."""

from __future__ import annotations

import asyncio
import contextlib
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.link.framing import MAX_MESSAGE
from drivers.link.serial_link import SerialLink
from evse_daemon.mqtt.backoff import Backoff
from tests.drivers.pty_board import PtyEnd
from tests.support.waiting import run, until

CP_C = bytes.fromhex("B00602")


class Listener:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.messages: list[bytes] = []

    def link_up(self) -> None:
        self.events.append("up")

    def link_lost(self, reason: str) -> None:
        self.events.append(reason)

    def received(self, message: bytes) -> None:
        self.messages.append(message)


@pytest.fixture
def board(tmp_path: Path) -> PtyEnd:
    return PtyEnd(tmp_path / "board")


def link_to(board: PtyEnd) -> SerialLink:
    return SerialLink(str(board.path), 115200, Backoff(lambda _low, _high: 0.05))


@contextlib.asynccontextmanager
async def running(link: SerialLink, listener: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(link.run(listener))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_messages_go_both_ways(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            await until(lambda: listener.events == ["up"])
            link.send(b"hello")
            await until(lambda: board.heard() == [b"hello"])
            board.write(b"\x13garbage\0")
            board.send(CP_C)
            await until(lambda: listener.messages == [CP_C])
            assert link.decoder.dropped.total() == 1

    run(scenario())


def test_a_port_that_was_never_there_is_opened_once_it_is(board: PtyEnd) -> None:
    async def scenario() -> None:
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            await until(lambda: listener.events)
            assert "is not there" in listener.events[0]
            link.send(b"into nothing")
            await asyncio.sleep(0.15)
            assert len(listener.events) == 1, "the same reason is not told at each attempt"
            board.plug_in()
            await until(lambda: listener.events[1:] == ["up"])
            assert board.heard() == [], "what was sent before is not sent late"
            assert link.dropped == 1

    run(scenario())


def test_a_port_that_is_pulled_out_and_plugged_in_again_works_again(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            for _ in range(3):
                await until(lambda: listener.events[-1:] == ["up"])
                board.send(CP_C)
                await until(lambda: listener.messages == [CP_C])
                listener.messages.clear()
                board.pull_out()
                await until(lambda: "is not there" in listener.events[-1])
                link.send(b"lost")
                board.plug_in()
            await until(lambda: listener.events[-1] == "up")
            assert [event for event in listener.events if "vanished" in event or "read" in event]

    run(scenario())


@pytest.mark.parametrize("where", ["serial.Serial", "SerialTransport"])
@pytest.mark.parametrize("error", [termios.error(5, "Input/output error"), serial.SerialException("gone")])
def test_a_port_that_vanishes_while_it_is_opened_is_opened_once_it_is_back(
    board: PtyEnd, where: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its errors of termios come through pyserial as they are: no OSError."""

    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()

        def vanishes(*_arguments: Any, **_options: Any) -> Any:
            monkeypatch.undo()
            raise error

        monkeypatch.setattr(f"drivers.link.serial_link.{where}", vanishes)
        async with running(link, listener):
            link.send(b"into nothing")
            await until(lambda: listener.events[-1:] == ["up"])
            assert len(listener.events) == 2
            assert "cannot be opened" in listener.events[0] or "has vanished" in listener.events[0]
            board.send(CP_C)
            await until(lambda: listener.messages == [CP_C])

    run(scenario())


def test_a_half_frame_from_before_does_not_spoil_the_first_after(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            await until(lambda: listener.events == ["up"])
            board.write(b"\x08\xb0\x06")
            await until(lambda: link.decoder.buffered)
            board.pull_out()
            await until(lambda: len(listener.events) > 1)
            board.plug_in()
            await until(lambda: listener.events[-1] == "up")
            board.send(CP_C)
            await until(lambda: listener.messages == [CP_C])

    run(scenario())


def test_a_port_that_another_program_uses_is_not_shared(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        first, other = Listener(), Listener()
        async with running(link_to(board), first):
            await until(lambda: first.events == ["up"])
            async with running(link_to(board), other):
                await until(lambda: other.events)
                assert "in use by another program" in other.events[0]

    run(scenario())


def test_a_full_output_drops_the_oldest_and_never_waits(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            await until(lambda: listener.events == ["up"])
            message = bytes(MAX_MESSAGE)
            for _ in range(1000):  # nobody reads: a pty takes some thousand bytes
                link.send(message)
            assert link.dropped > 100
            link.send(b"power off")
            await until(lambda: board.heard()[-1:] == [b"power off"])
            assert set(board.heard()) == {message, b"power off"}, "no frame was cut"
            assert len(board.heard()) + link.dropped == 1001

    run(scenario())


def test_what_was_sent_last_leaves_before_the_port_is_closed(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        async with running(link, listener):
            await until(lambda: listener.events == ["up"])
            link.send(b"power off")
        assert board.heard() == [b"power off"]

    run(scenario())


def test_what_waits_still_is_let_out_before_the_port_is_closed(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        task = asyncio.create_task(link.run(listener))
        await until(lambda: listener.events == ["up"])
        while not link.dropped:  # the operating system's buffer is full, and ours
            link.send(bytes(MAX_MESSAGE))
        link.send(b"power off")
        task.cancel()
        await until(lambda: board.heard() and task.done())
        assert board.heard()[-1] == b"power off"

    run(scenario())


def test_a_port_that_vanishes_while_it_is_closed_is_no_failure(board: PtyEnd) -> None:
    async def scenario() -> None:
        board.plug_in()
        link, listener = link_to(board), Listener()
        task = asyncio.create_task(link.run(listener))
        await until(lambda: listener.events == ["up"])
        link.send(b"the last command")
        task.cancel()
        await asyncio.sleep(0)
        board.pull_out()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())
