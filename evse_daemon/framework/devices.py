"""What of the machine a module class uses, as its options say (``ModuleOptions.devices``).

``evse-daemon doctor`` looks at each of them.
"""

from __future__ import annotations

from typing import NamedTuple


class SerialDevice(NamedTuple):
    """A serial port that the daemon opens for itself alone."""

    option: str
    """The option that names it."""
    path: str
    libraries: tuple[str, ...] = ("serial",)
    """Python packages that it needs."""


class GpioChipLine(NamedTuple):
    """A line of a GPIO chip that the daemon drives or reads."""

    option: str
    path: str
    """Of the chip."""
    line: int
    """The offset on the chip."""


class CanInterface(NamedTuple):
    """A network interface of SocketCAN."""

    option: str
    name: str
    bitrate: int
    """bit/s that the other end has."""
    libraries: tuple[str, ...] = ("can",)


class TcpServer(NamedTuple):
    """A device on the network that the daemon connects to."""

    option: str
    host: str
    port: int
    libraries: tuple[str, ...] = ()


class InputFile(NamedTuple):
    """A file that the daemon reads while it runs."""

    option: str
    path: str


Device = SerialDevice | GpioChipLine | CanInterface | TcpServer | InputFile
