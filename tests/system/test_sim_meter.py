"""``evse-daemon sim meter`` as a user starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.modbus.client import SerialPort, TcpPlace
from drivers.modbus.requests import Answer, Request
from tests.drivers.modbus.lines import ask, running
from tests.support.waiting import run

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-m", "evse_daemon", "sim", "meter", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def line_of(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


def tell(program: subprocess.Popen[str], order: str) -> None:
    assert program.stdin is not None
    program.stdin.write(order + "\n")
    program.stdin.flush()


def test_two_meters_on_one_line_are_told_what_to_do_while_they_run(tmp_path: Path) -> None:
    link = tmp_path / "meters"
    with started(
        "--model", "sdm630", "--model", "em340:9", "--link", str(link), "--energy", "6000", "--current", "16"
    ) as program:
        assert line_of(program) == f"sdm630, unit 1, at {link}"
        assert line_of(program) == f"em340, unit 9, at {link}"

        async def main() -> list[object]:
            async with running(SerialPort(str(link), 9600)) as line:
                current = await ask(line, Request(9, 4, 12, 2))
                tell(program, "9: current 10")
                tell(program, "9: show")
                assert await asyncio.to_thread(line_of, program)
                return [current, await ask(line, Request(9, 4, 12, 2))]

        assert run(main()) == [Answer((16000, 0)), Answer((10000, 0))]
        tell(program, "fault rain")
        assert line_of(program).startswith("fault 'rain' is none of none, silence")
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
        assert not link.is_symlink()


def test_over_tcp() -> None:
    with started("--model", "sunspec203", "--tcp", "127.0.0.1:0") as program:
        place = line_of(program)
        assert place.startswith("sunspec203, unit 1, at 127.0.0.1:")

        async def main() -> object:
            async with running(TcpPlace("127.0.0.1", int(place.rpartition(":")[2]))) as line:
                return await ask(line, Request(1, 3, 40000, 2))

        assert run(main()) == Answer((0x5375, 0x6E53))
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "sdm999"), "model 'sdm999' is none of sdm630, sdm230, sdm72, em340, sunspec203"),
        (("--model", "sdm630:0"), "unit '0' is not between 1 and 247"),
        (("--model", "sdm630", "--model", "sdm230:1"), "two meters have the unit 1"),
        (("--model", "sdm630", "--tcp", "5020"), "'5020' is not HOST:PORT"),
        (("--model", "sdm630", "--fault", "rain"), "fault 'rain' is none of none, silence"),
        (("--model", "sdm630", "--current", "a"), "a is no number"),
        (("--model", "sdm630", "--tcp", "192.0.2.1:5020"), "192.0.2.1"),
        (("--model", "sdm630", "--link", __file__), "is no link; it is left alone"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, ...], message: str) -> None:
    with started(*arguments) as program:
        _, said = program.communicate(timeout=20)
        assert program.returncode == 1
        assert message in said
        assert "Traceback" not in said
