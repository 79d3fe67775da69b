"""EVerest's interface ``error_history``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types.error_history import ErrorObject, FilterArguments


class ErrorHistory(Interface, name="error_history"):
    """The errors that are or were active."""

    @command(timeout_s=10)
    def get_errors(self, filters: FilterArguments) -> list[ErrorObject]:
        """The errors that pass all of the given filters."""
