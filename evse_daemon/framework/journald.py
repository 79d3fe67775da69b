"""Log records with fields of their own for systemd's journal (``journalctl EVSE_MODULE=evse_manager``).

systemd's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL, sd_journal_send(3)) rather than ``<N>`` before each line:
a line has no fields but its text, a traceback would become twenty records, and what is longer than 48 kB is cut
(``LineMax=``). It is one datagram a record, so that our own sender is shorter than a dependency: systemd-python must be
compiled against libsystemd, and neither it nor cysystemd waits for a journal that is away.

Everything here is called from the log's own thread (framework/log.py), but for ``datagram``, which is pure.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

JOURNAL_STREAM = "JOURNAL_STREAM"
SOCKET_PATH = "/run/systemd/journal/socket"
IDENTIFIER = "evse-daemon"

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""syslog(3)'s, by structlog's levels."""

_NAMES = {
    "evse": "EVSE_ID",
    "connector": "CONNECTOR",
    "session": "SESSION",
    "error_type": "ERROR_TYPE",
}
"""Fields whose names are not made from ours by ``EVSE_`` before them."""

_OF_RECORD = frozenset({"event", "level", "logger", "exception"})
_CODE = {"pathname": "CODE_FILE", "lineno": "CODE_LINE", "func_name": "CODE_FUNC"}

LONGEST_NAME = 64
FULL_S, AWAY_S = 0.01, 1.0
"""How long the journal is let alone when its queue is full, and when it is away: it restarts."""

_AWAY = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTCONN)
_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)


def is_ours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written to the stream goes to the journal (systemd.exec(5), $JOURNAL_STREAM)."""
    device, _, inode = environ.get(JOURNAL_STREAM, "").partition(":")
    try:
        found = os.fstat(stream.fileno())
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


def render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    """The last processor of structlog: a record as its datagram."""
    return datagram(event)


def datagram(event: Mapping[str, Any]) -> bytes:
    """A record of structlog as the journal takes it.

    ``MESSAGE`` is for people: the text and every field but those that journalctl shows anyway or that name the place
    in the code. Each field is also one of its own: ``reason`` is ``EVSE_REASON``.
    """
    shown = [str(event.get("event", ""))]
    fields: dict[str, str] = {}
    for name, value in event.items():
        if name in _OF_RECORD or value is None:
            continue
        text = value if isinstance(value, str) else repr(value)
        if (code := _CODE.get(name)) is not None:
            fields[code] = text
            continue
        fields[field_name(name)] = text
        shown.append(f"{name}={text if text and text.isprintable() and ' ' not in text else repr(text)}")
    message = " ".join(shown)
    if trace := event.get("exception"):
        message += f"\n{trace}"
    level = str(event.get("level", "info"))
    head = {
        "MESSAGE": message,
        "PRIORITY": str(PRIORITIES.get(level, 6)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
    }
    return b"".join(_field(name, text) for name, text in {**fields, **head}.items())


def field_name(name: str) -> str:
    """A name that the journal accepts: capital letters, digits and underscores, 64 at most, a letter first."""
    known = _NAMES.get(name)
    if known is not None:
        return known
    plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in name.upper())
    return f"EVSE_{plain}"[:LONGEST_NAME]


def _field(name: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def note(text: str) -> bytes:
    """A warning of the log's own."""
    return datagram({"event": text, "level": "warning"})


def where_it_was_logged() -> structlog.processors.CallsiteParameterAdder:
    """The processor of structlog for CODE_FILE, CODE_LINE and CODE_FUNC; what only hands records on is passed over."""
    kinds = structlog.processors.CallsiteParameter
    return structlog.processors.CallsiteParameterAdder(
        {kinds.PATHNAME, kinds.LINENO, kinds.FUNC_NAME},
        additional_ignores=["evse_daemon.framework.rate_limit", "evse_daemon.framework.log", "logging"],
    )


class JournalSocket:
    """Sends datagrams to the journal.

    Not connected: the socket of a journal that was restarted is found again by its name. It does not wait; the kernel's
    own waiting for room has no form that is the same on all computers (SO_SNDTIMEO).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, data: bytes) -> float:
        """Sends one; 0, or the seconds after which it is worth trying again.

        Raises:
            OSError: this datagram can never be sent.
        """
        try:
            try:
                self._socket.sendto(data, self._path)
            except OSError as error:
                if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):  # as sd_journal_send
                    raise
                self._send_as_file(data)
        except OSError as error:
            if error.errno in _FULL:
                return FULL_S
            if error.errno in _AWAY:
                return AWAY_S
            raise
        return 0.0

    def close(self) -> None:
        self._socket.close()

    def _send_as_file(self, data: bytes) -> None:
        """What is too long for a datagram goes as a sealed file in memory (memfd_create(2))."""
        file = os.memfd_create("evse-daemon-log", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            _seal(file)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("@i", file))]
            self._socket.sendmsg([], rights, 0, self._path)
        finally:
            os.close(file)


def _seal(file: int) -> None:
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
