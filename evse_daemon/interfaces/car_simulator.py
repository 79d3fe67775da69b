"""EVerest's interface ``car_simulator``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var


class CarSimulator(Interface, name="car_simulator"):
    """A simulated car that runs a script of commands."""

    enabled: Var[bool] = var(Kind.STATE)

    @command(timeout_s=10)
    def enable(self, value: bool) -> None:
        """Starts or stops the simulation."""

    @command(timeout_s=10)
    def execute_charging_session(self, value: str) -> None:
        """Runs a script of commands, separated by semicolons."""
