"""What systemd is to a unit of ``Type=notify``: a socket that hears what the process says."""

from __future__ import annotations

import socket
from pathlib import Path


class FakeServiceManager:
    """Hears on a datagram socket; ``environ`` is what systemd gives to the unit."""

    def __init__(self, folder: Path, watchdog_s: float | None = None) -> None:
        self._path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)
        self._heard: list[str] = []
        self.environ = {"NOTIFY_SOCKET": str(self._path)}
        if watchdog_s is not None:
            self.environ["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))

    @property
    def heard(self) -> list[str]:
        """Everything so far, in order."""
        while True:
            try:
                self._heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self._heard

    def close(self) -> None:
        self._socket.close()
