"""EVerest's interface ``ac_rcd``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var


class AcRcd(Interface, name="ac_rcd", errors=("ac_rcd",), hardware=True):
    """A residual current monitor; it opens the contactor by itself, this reports and resets it."""

    rcd_current_mA: Var[float] = var(Kind.TELEMETRY)

    @command(timeout_s=5)
    def self_test(self) -> None:
        """Tests the monitor; a failure is raised as the error Selftest."""

    @command(timeout_s=5)
    def reset(self) -> bool:
        """Resets a tripped monitor; true if it worked."""
