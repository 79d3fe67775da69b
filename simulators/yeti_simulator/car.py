"""The car's side of the cable, as every simulated board has it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_simulator.control_pilot import Pilot
from simulators.yeti_simulator.electrics import drawn_current_a

RCD_IDLE_MA = 0.1
"""The residual current of a healthy installation."""

RCD_TRIP_MA = 5.0
"""Above it the monitor trips (EVerest's simulator; IEC 62955 demands it at 6 mA at the latest)."""


@dataclass(frozen=True, slots=True)
class Car:
    """The car's side of the cable."""

    enabled: bool = False
    """Without its simulation there is no car: the plug is out."""
    cp_state: EvCpState = "A"
    echo_due: bool = False
    """The car was told to change its state while the board signalled F; it has not been confirmed."""
    limit_a: float | None = None
    three_phases: bool = True
    diode_shorted: bool = False
    residual_ma: float = RCD_IDLE_MA

    @property
    def on_wire(self) -> EvCpState:
        return self.cp_state if self.enabled else "A"

    @property
    def trips_rcd(self) -> bool:
        """Whether its residual current is too high; one that is not a number is."""
        return not self.residual_ma <= RCD_TRIP_MA

    def draws_a(self, pilot: Pilot) -> float:
        """What it draws on each of its phases while the contactor is closed; negative where it feeds back."""
        if self.on_wire != "C" or self.diode_shorted:
            return 0.0
        return drawn_current_a(pilot.duty_percent, self.limit_a)


def enable(car: Car, value: bool) -> Car:
    """Starts the car's simulation, or ends it: the plug is out and all simulated faults are gone."""
    return replace(car, enabled=True) if value else Car()


def set_state(car: Car, state: EvCpState, pilot: Pilot) -> tuple[Car, EvCpState | None]:
    """The car changes its state; under F nobody sees that before F is withdrawn.

    Returns:
        The car, and what it is told that its board has seen.
    """
    hidden = pilot.mode == "F"
    return replace(car, cp_state=state, echo_due=hidden), None if hidden else state


def echo(car: Car, pilot: Pilot) -> tuple[Car, EvCpState | None]:
    """As set_state, for what F has hidden so far."""
    if not car.echo_due or pilot.mode == "F":
        return car, None
    return replace(car, echo_due=False), car.cp_state
