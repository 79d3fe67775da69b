"""EVerest's interface ``connector_lock``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, command


class ConnectorLock(Interface, name="connector_lock", errors=("connector_lock",), hardware=True):
    """The motor that locks a plug in its socket; failures are raised as errors."""

    @command(timeout_s=10)
    def lock(self) -> None:
        """Locks the plug."""

    @command(timeout_s=10)
    def unlock(self) -> None:
        """Unlocks the plug."""
