"""A board commanded off by a process of its own: by its reset line where there is one, else by messages."""

from __future__ import annotations

import asyncio

import pytest

from drivers.board import messages as m
from drivers.board import switch_off
from drivers.board.switch_off import SwitchesOff
from drivers.link.link import LinkListener
from drivers.yeti.codec import YetiCodec
from tests.support.waiting import run

CODEC = YetiCodec()


class Line:
    """The reset line, which may be broken."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.moved: list[bool] = []

    def hold(self, held: bool) -> None:
        if self.broken:
            raise OSError("no such line")
        self.moved.append(held)


class Wire:
    """A board that restarts when it is told to, or says nothing."""

    def __init__(self, *, answers: bool = True, opens: bool = True) -> None:
        self.answers, self.opens = answers, opens
        self.heard: list[m.ToBoard] = []
        self.closed = False
        self._listener: LinkListener | None = None

    async def run(self, listener: LinkListener) -> None:
        self._listener = listener
        try:
            if self.opens:
                listener.link_up()
            else:
                listener.link_lost("it is not there")
            await asyncio.Event().wait()
        finally:
            self.closed = True

    def send(self, message: bytes) -> None:
        self.heard.append(CODEC.decode_to_board(message))
        if self.answers and isinstance(self.heard[-1], m.Reset):
            assert self._listener is not None
            self._listener.received(b"\xff\xff garbage")
            self._listener.received(CODEC.encode_from_board(m.WasReset("user")))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_off, "HELD_S", 0.01)
    monkeypatch.setattr(switch_off, "ANSWER_S", 0.05)


def has_restarted(message: bytes) -> bool:
    try:
        return isinstance(CODEC.decode_from_board(message), m.WasReset)
    except m.BadMessageError:
        return False


def switched_off(wire: Wire, line: Line | None = None) -> tuple[bool, str]:
    off = [CODEC.encode_to_board(message) for message in switch_off.OFF]
    found = run(SwitchesOff(wire, off, has_restarted, line).run())
    assert wire.closed
    return found


def test_power_goes_off_before_the_restart() -> None:
    wire = Wire()
    assert switched_off(wire) == (True, "told to switch off, and restarted: power is off")
    assert wire.heard.index(m.AllowPower(False)) < wire.heard.index(m.Reset())
    assert m.AllowPower(True) not in wire.heard


def test_a_reset_line_is_held_and_let_go() -> None:
    line = Line()
    off, said = switched_off(Wire(answers=False), line)
    assert off
    assert "held in reset" in said
    assert line.moved == [True, False]


def test_a_broken_reset_line_leaves_the_messages() -> None:
    wire = Wire()
    assert switched_off(wire, Line(broken=True))[0]
    assert m.AllowPower(False) in wire.heard


@pytest.mark.parametrize(
    ("wire", "says"),
    [(Wire(answers=False), "whether power is off is not known"), (Wire(opens=False), "it is not there")],
)
def test_nothing_is_claimed_that_the_board_has_not_said(wire: Wire, says: str) -> None:
    off, said = switched_off(wire)
    assert not off
    assert says in said
