"""Which systemd unit runs a configuration, and where that keeps its state (systemd/)."""

from __future__ import annotations

from pathlib import Path

ETC = Path("/etc/evse-daemon")
DEFAULT = ETC / "config.yaml"
STATE = Path("/var/lib/evse-daemon")
"""Which systemd makes for the units (StateDirectory)."""


def unit_of(config: Path) -> str:
    """The name of the unit; for a file elsewhere that of the one station that most machines have."""
    path = config.absolute()
    return (
        f"evse-daemon@{path.stem}.service"
        if path.parent == ETC and path != DEFAULT
        else "evse-daemon.service"
    )


def state_folder(config: Path, given: Path | None, configured: Path | None) -> Path:
    """Where ``run`` keeps the state of a configuration.

    Args:
        config: the file.
        given: ``--state-dir`` of the command line; None: as the units have it.
        configured: ``daemon.state_dir``, which a command line overrules.
    """
    path = config.absolute()
    if given is not None:
        return given
    if path.parent == ETC:
        return STATE if path == DEFAULT else STATE / path.stem
    return configured or Path("state")
