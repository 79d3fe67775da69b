"""The interface by which a simulated car is moved, at any simulated board."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import RejectedError
from evse_daemon.interfaces.ev_board_support import EvBoardSupport
from evse_daemon.types.board_support_common import BspMeasurement, ProximityPilot
from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_simulator import car as cars
from simulators.yeti_simulator.car import Car

PROXIMITY = ProximityPilot(ampacity="A_32")
"""The car sees a cable for 32 A (220 Ω)."""


class CarSide:
    """Turns the commands of ev_board_support into changes of a board's car.

    Args:
        support: the implementation.
        car: the car as it is.
        change: has the board take over another one.
        set_state: has the board's car change its state.
    """

    def __init__(
        self,
        support: Implementation[EvBoardSupport],
        car: Callable[[], Car],
        change: Callable[[Car], None],
        set_state: Callable[[EvCpState], None],
    ) -> None:
        self._support = support
        self._car = car
        self._change = change
        self._set_state = set_state

    def init(self) -> None:
        support = self._support
        support.handle(EvBoardSupport.enable, lambda value: self._change(cars.enable(self._car(), value)))
        support.handle(EvBoardSupport.set_cp_state, self._set_cp_state)
        # The car's own contactor is not simulated: it draws current as soon as it is in state C and has power.
        support.handle(EvBoardSupport.allow_power_on, lambda value: None)  # noqa: ARG005 - named by the interface
        support.handle(EvBoardSupport.diode_fail, self._short_diode)
        support.handle(EvBoardSupport.set_ac_max_current, self._limit)
        support.handle(EvBoardSupport.set_three_phases, self._set_phases)
        support.handle(EvBoardSupport.set_rcd_error, self._set_residual_current)

    def publish_measurement(self, residual_ma: float, duty_percent: float) -> None:
        """What the car measures at its end, if there is one."""
        if self._car().enabled:
            self._support.publish(
                EvBoardSupport.bsp_measurement,
                BspMeasurement(
                    proximity_pilot=PROXIMITY, rcd_current_mA=residual_ma, cp_pwm_duty_cycle=duty_percent
                ),
            )

    def _set_cp_state(self, cp_state: EvCpState) -> None:
        self._set_state(cp_state)

    def _short_diode(self, value: bool) -> None:
        self._change(replace(self._car(), diode_shorted=value))

    def _limit(self, current: float) -> None:
        """The current in A that the car draws at most; negative where it feeds back."""
        self._change(replace(self._car(), limit_a=_finite("current", current)))

    def _set_phases(self, three_phases: bool) -> None:
        self._change(replace(self._car(), three_phases=three_phases))

    def _set_residual_current(self, rcd_current_mA: float) -> None:
        self._change(replace(self._car(), residual_ma=_finite("rcd_current_mA", rcd_current_mA)))


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise RejectedError(f"{name}: {value} is no finite number")
    return value
