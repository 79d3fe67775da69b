"""What systemd-journald is to a program: a datagram socket that takes records in its native protocol."""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
from pathlib import Path


class FakeJournal:
    """Hears on a socket in a folder; may go away and come back, as journald does when it is restarted."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"
        self.files = 0
        """Records that came as sealed files in memory."""
        self._socket = self._bound()

    def next(self, timeout_s: float = 10.0) -> dict[str, str]:
        """The fields of the next record; raises TimeoutError."""
        self._socket.settimeout(timeout_s)
        size = array.array("i").itemsize
        data, ancillary, _, _ = self._socket.recvmsg(1 << 20, socket.CMSG_SPACE(size))
        for level, kind, rights in ancillary:
            assert (level, kind, data) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"")
            [file] = array.array("i", rights[:size])
            self.files += 1
            data = _content_of(file)
        return parse(data)

    def silent(self) -> bool:
        """Whether nothing waits."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()

    def go_away(self) -> None:
        self.close()
        self.path.unlink()

    def come_back(self) -> None:
        self._socket = self._bound()

    def _bound(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(self.path))
        return made


def _content_of(file: int) -> bytes:
    """Of a file that is sealed: nobody can change it while it is read (journald refuses others)."""
    try:
        with mmap.mmap(file, 0, prot=mmap.PROT_READ) as content:
            try:
                os.ftruncate(file, 0)
            except PermissionError:
                return bytes(content)
            raise AssertionError("the file is not sealed")
    finally:
        os.close(file)


def parse(data: bytes) -> dict[str, str]:
    """The fields of a record, by systemd.io/JOURNAL_NATIVE_PROTOCOL; what breaks its rules is an error."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, equals, value = data[at:end].partition(b"=")
        if equals:
            at = end + 1
        else:
            [length] = struct.unpack_from("<Q", data, end + 1)
            start = end + 9
            value, at = data[start : start + length], start + length + 1
            assert len(value) == length
            assert data[at - 1 : at] == b"\n"
        text = name.decode("ascii")
        assert text.replace("_", "A").isalnum(), text
        assert text == text.upper(), text
        assert text[0].isalpha(), text
        assert len(text) <= 64, text
        assert text not in fields, text
        fields[text] = value.decode()
    return fields
