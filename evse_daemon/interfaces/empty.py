"""EVerest's interface ``empty``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface


class Empty(Interface, name="empty"):
    """Nothing: the implementation is there for its configuration."""
