"""EVerest's interface ``uk_random_delay``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.base import Integer
from evse_daemon.types.uk_random_delay import CountDown


class UkRandomDelay(Interface, name="uk_random_delay"):
    """The random delay of the UK's smart charging regulations; off at start."""

    countdown: Var[CountDown] = var(Kind.TELEMETRY)

    @command(timeout_s=10)
    def enable(self) -> None:
        """Switches the feature on."""

    @command(timeout_s=10)
    def disable(self) -> None:
        """Switches the feature off."""

    @command(timeout_s=10)
    def cancel(self) -> None:
        """Ends a delay that runs, as if it were over."""

    @command(timeout_s=10)
    def set_duration_s(self, value: Integer) -> None:
        """The longest delay in seconds; 600 at start."""
