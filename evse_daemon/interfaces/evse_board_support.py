"""EVerest's interface ``evse_board_support``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.base import Integer
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff, Telemetry
from evse_daemon.types.evse_manager import StopTransactionRequest


class EvseBoardSupport(
    Interface, name="evse_board_support", errors=("evse_board_support", "ac_rcd"), hardware=True
):
    """The board of an EVSE: control pilot and contactor."""

    event: Var[BspEvent] = var(Kind.EVENT)
    ac_nr_of_phases_available: Var[Annotated[Integer, Field(ge=1, le=3)]] = var(Kind.STATE)
    telemetry: Var[Telemetry] = var(Kind.TELEMETRY)
    capabilities: Var[HardwareCapabilities] = var(Kind.STATE)
    """At start at least, again when they change, as by heat."""
    ac_pp_ampacity: Var[ProximityPilot] = var(Kind.STATE)
    """The rating of the cable in a socket, on each change."""
    request_stop_transaction: Var[StopTransactionRequest] = var(Kind.EVENT)
    """Such as by a stop button."""

    @command(timeout_s=2)
    def enable(self, value: bool) -> None:
        """Enables or disables the port; a disabled one remembers what it is told."""

    @command(timeout_s=2)
    def pwm_on(self, value: Annotated[float, Field(ge=0, le=100)]) -> None:
        """PWM with this duty cycle in percent."""

    @command(timeout_s=2)
    def cp_state_X1(self) -> None:
        """No PWM, +12 V: not ready to supply."""

    @command(timeout_s=2)
    def cp_state_F(self) -> None:
        """No PWM, -12 V: not available."""

    @command(timeout_s=2)
    def cp_state_E(self) -> None:
        """Control pilot at 0 V, where the hardware can."""

    @command(timeout_s=2)
    def allow_power_on(self, value: PowerOnOff) -> None:
        """Allows the contactor to close when the car asks for power, or opens it."""

    @command(timeout_s=5)
    def ac_switch_three_phases_while_charging(self, value: bool) -> None:
        """Switches to three phases (true) or one, by the board's own safe sequence."""

    @command(timeout_s=2)
    def ac_set_overcurrent_limit_A(self, value: float) -> None:
        """The current for the board's own over-current protection, where it has one."""
