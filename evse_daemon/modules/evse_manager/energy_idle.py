"""When an EVSE asks for no energy (option request_zero_power_in_idle; EvseManager/energy_grid/energyImpl.cpp:150-270)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import guards
from evse_daemon.modules.evse_manager.state import State

WITH_CAR: frozenset[str] = frozenset(
    {
        "WaitingForAuthentication",
        "PrepareCharging",
        "T_step_EF",
        "SwitchPhases",
        "Charging",
        "ChargingPausedEV",
    }
)
"""States in which energy is asked for also where an idle EVSE asks for none."""


def wants_nothing(state: State) -> bool:
    """Whether an EVSE is idle, so that its share may go to others.

    A pause counts while somebody or a fault wants it. One for lack of energy asks for energy, else it would never end,
    as in EVerest; so does a stop that the car has caused.
    """
    if state.charger in WITH_CAR:
        return False
    if state.charger not in ("StoppingCharging", "ChargingPausedEVSE"):
        return True
    session = state.session
    return (
        session.paused_by_user
        or not session.authorized
        or guards.blocked(state)
        or not guards.enabled(state)
        or not state.pilot.plugged
    )
