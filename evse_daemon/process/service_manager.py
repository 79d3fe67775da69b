"""Tells systemd how the process stands, by the protocol of sd_notify(3): ready, one sentence, alive, stopping.

Without systemd nothing is told. A message that cannot be delivered is lost: nothing waits for the service manager.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"

LONGEST_STATUS = 200
"""Characters of the sentence, and of the remark, that ``systemctl status`` shows in one line."""


class ServiceManager:
    """The connection to systemd of a unit with ``Type=notify``.

    Args:
        environ: the environment; what systemd says in it is taken out, so that no child believes to be meant.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop(NOTIFY_SOCKET, "")
        self.watchdog_s = _watchdog_s(environ.pop(WATCHDOG_USEC, ""), environ.pop(WATCHDOG_PID, ""))
        """Within what time systemd wants to hear ``alive``; None: it does not watch."""
        self.fed = 0
        """How often it was told that the process works."""
        self._status = ""
        self._remark = ""
        self._up = False
        self._socket: socket.socket | None = None
        if address[:1] not in ("/", "@"):
            return
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._socket.connect("\0" + address[1:] if address[0] == "@" else address)
        except OSError:
            self.close()

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def ready(self) -> None:
        """The station is up; units ordered after this one may start."""
        self._up = True
        self._tell("READY=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Meanwhile the configuration is read again; ``systemctl reload`` waits for the end.

        Before the station is up nothing is told: the READY at the end would say that it is.
        """
        up = self._up
        if up:
            self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if up and self._up:
                self._tell("READY=1")

    def status(self, sentence: str) -> None:
        """What ``systemctl status`` shows; told when it changes."""
        self._show(sentence, self._remark)

    def remark(self, text: str) -> None:
        """What it shows before that until there is another remark: what somebody has to do something about."""
        self._show(self._status, text)

    def _show(self, sentence: str, remark: str) -> None:
        remark, sentence = _short(remark), _short(sentence)
        if (sentence, remark) != (self._status, self._remark):
            self._status, self._remark = sentence, remark
            self._tell(f"STATUS={' '.join(filter(None, (remark, sentence)))}")

    def alive(self) -> None:
        """The process works; to be told more often than each ``watchdog_s``."""
        self.fed += 1
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The process was told to end, and takes its time."""
        self._up = False
        self._tell("STOPPING=1")

    def measures(self) -> Iterator[Measure]:
        """See framework.measures."""
        yield names.WATCHDOG.of(self.fed)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(message.encode("utf-8", "replace"))
        except OSError:  # its queue is full, or it is gone; nothing here depends on it
            return


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST_STATUS]


def _watchdog_s(microseconds: str, pid: str) -> float | None:
    meant = not pid or pid == str(os.getpid())
    return int(microseconds) / 1e6 if meant and microseconds.isdecimal() and int(microseconds) > 0 else None
