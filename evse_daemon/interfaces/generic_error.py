"""EVerest's interface ``generic_error``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface


class GenericError(Interface, name="generic_error", errors=("generic",)):
    """Nothing but errors."""
