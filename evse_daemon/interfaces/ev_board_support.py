"""EVerest's interface ``ev_board_support``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.board_support_common import BspEvent, BspMeasurement
from evse_daemon.types.ev_board_support import EvCpState
from evse_daemon.types.evse_manager import EVInfo


class EvBoardSupport(Interface, name="ev_board_support", errors=("generic",), hardware=True):
    """The board of an EV, or of its simulator."""

    bsp_event: Var[BspEvent] = var(Kind.EVENT)
    bsp_measurement: Var[BspMeasurement] = var(Kind.TELEMETRY)
    ev_info: Var[EVInfo] = var(Kind.TELEMETRY)

    @command(timeout_s=2)
    def enable(self, value: bool) -> None:
        """Starts or stops the simulation."""

    @command(timeout_s=2)
    def set_cp_state(self, cp_state: EvCpState) -> None:
        """The state that the car puts on the control pilot."""

    @command(timeout_s=2)
    def allow_power_on(self, value: bool) -> None:
        """Allows the car's contactor to close."""

    @command(timeout_s=2)
    def diode_fail(self, value: bool) -> None:
        """Simulates a shorted diode."""

    @command(timeout_s=2)
    def set_ac_max_current(self, current: float) -> None:
        """The current that the car draws at most."""

    @command(timeout_s=2)
    def set_three_phases(self, three_phases: bool) -> None:
        """Charges on three phases, or on one."""

    @command(timeout_s=2)
    def set_rcd_error(self, rcd_current_mA: float) -> None:
        """Simulates a residual current."""
