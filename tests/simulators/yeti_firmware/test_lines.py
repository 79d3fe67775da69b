"""The board's ends of its wires by themselves."""

from __future__ import annotations

import asyncio
import os
import random
import termios
from pathlib import Path

import pytest

from drivers.link.isotp_link import IsoTpIds
from simulators.yeti_firmware.can_line import CanLine
from simulators.yeti_firmware.pty_pipe import LinkRefusedError, PtyPipe
from tests.support.memory_wire import MemoryPipe
from tests.support.waiting import until


def test_a_board_that_is_reset_has_forgotten_what_waited_for_the_bus() -> None:
    """Or keep-alives from before would be taken for a clock that goes back."""

    async def main() -> list[str]:
        pipe = MemoryPipe()
        line = CanLine(pipe, lambda _message: None, random.Random(1), IsoTpIds())
        line.open()
        pipe.host_write(b"O\r")
        for _ in range(3):
            line.send(bytes(100))
            await asyncio.sleep(0)
        line.forget()
        pipe.host_write(b"t6A08300000CCCCCCCCCC\r")  # a flow control for what is forgotten
        line.send(b"\xb0\x06\x02")
        for _ in range(5):
            await asyncio.sleep(0)
        line.close()
        return pipe.to_host.decode().split("\r")

    first, *others = asyncio.run(main())
    assert first.startswith("t6A181066"), "the first frame of 102 bytes"
    assert others == ["t6A1805B00602B887CCCC", ""]


def test_a_line_that_nobody_reads_loses_bytes_and_holds_nobody_up(tmp_path: Path) -> None:
    async def main() -> None:
        pipe = PtyPipe(tmp_path / "yeti")
        pipe.open(lambda _data: None)
        for _ in range(1000):
            pipe.write(bytes(1000))
        pipe.close()

    asyncio.run(main())


def test_all_bytes_pass_both_ways_and_are_not_echoed(tmp_path: Path) -> None:
    async def main() -> tuple[bytes, bytes]:
        heard = bytearray()
        pipe = PtyPipe(tmp_path / "yeti")
        pipe.open(heard.extend)
        host = os.open(tmp_path / "yeti", os.O_RDWR | os.O_NOCTTY)
        try:
            pipe.write(bytes(range(256)))
            os.write(host, bytes(reversed(range(256))))
            await until(lambda: len(heard) == 256)
            return os.read(host, 1000), bytes(heard)
        finally:
            os.close(host)
            pipe.close()

    at_host, at_board = asyncio.run(main())
    assert at_host == bytes(range(256))
    assert at_board == bytes(reversed(range(256)))


def test_the_link_leads_to_the_line_that_is_open_now(tmp_path: Path) -> None:
    async def main() -> None:
        pipe = PtyPipe(tmp_path / "yeti")
        (tmp_path / "yeti").symlink_to("/dev/pts/of-a-run-before")
        pipe.open(lambda _data: None)
        assert str((tmp_path / "yeti").readlink()) == pipe.path
        host = os.open(tmp_path / "yeti", os.O_RDWR | os.O_NOCTTY)
        pipe.close()
        assert not (tmp_path / "yeti").is_symlink()
        with pytest.raises((OSError, termios.error)):
            termios.tcgetattr(host)  # the plug was pulled
        os.close(host)
        pipe.open(lambda _data: None)
        assert str((tmp_path / "yeti").readlink()) == pipe.path
        pipe.close()

    asyncio.run(main())


def test_a_link_of_another_board_is_not_removed(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = PtyPipe(tmp_path / "yeti"), PtyPipe(tmp_path / "yeti")
        first.open(lambda _data: None)
        second.open(lambda _data: None)
        first.close()
        assert str((tmp_path / "yeti").readlink()) == second.path
        second.close()

    asyncio.run(main())


@pytest.mark.parametrize("place", ["file", "no/such/folder/yeti"])
def test_a_link_that_cannot_be_made_is_refused_and_nothing_is_left_open(tmp_path: Path, place: str) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("precious")
        pipe = PtyPipe(tmp_path / place)
        with pytest.raises(LinkRefusedError):
            pipe.open(lambda _data: None)
        assert (pipe.path, pipe.place) == (None, "")

    asyncio.run(main())
    assert (tmp_path / "file").read_text() == "precious"
