"""What the exit status of evse-daemon says."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 and 2 are the usual ones; the others let a script or systemd tell the causes apart."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    BROKER = 4
    """The broker is not reachable, or refuses us."""
    STATION_ONLINE = 5
    """Another station is online under the same prefix, or another daemon has this station's state."""
    INTERRUPTED = 130
    """Ctrl-C before it was started; the shell's own number for SIGINT."""
