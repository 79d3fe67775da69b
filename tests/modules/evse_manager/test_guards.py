"""Whether power may flow: each condition alone forbids it (design: the invariants)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest

from evse_daemon.modules.evse_manager import enable_table, guards
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from tests.modules.evse_manager.scenario import SOCKET, Scenario, cause, source

Change = Callable[[State], None]

CONFIG = KernelConfig()


def sets(path: str, value: object) -> Change:
    """Sets a field, by its path within the state."""

    def change(state: State) -> None:
        *owners, name = path.split(".")
        target: object = state
        for owner in owners:
            target = getattr(target, owner)
        setattr(target, name, value)

    return change


def in_a_socket(cable_limit_a: float | None) -> Change:
    def change(state: State) -> None:
        state.capabilities = SOCKET
        state.cable_limit_a = cable_limit_a

    return change


def charging() -> State:
    evse = Scenario()
    evse.charging()
    return copy.deepcopy(evse.state)


FORBIDS_ON: dict[str, Change] = {
    "disabled": sets("decided_by", source("Disable")),
    "not authorized": sets("session.authorized", False),
    "no transaction": sets("session.transaction", False),
    "car in A": sets("pilot.cp", "A"),
    "car in B": sets("pilot.cp", "B"),
    "car in D without ventilation": sets("pilot.cp", "D"),
    "car in E": sets("pilot.cp", "E"),
    "state F": sets("pilot.cp", "F"),
    "board silent": sets("pilot.cp", None),
    "X1": sets("pilot.output", "X1"),
    "F": sets("pilot.output", "F"),
    "an error": sets("inoperative", (cause("ac_rcd/DC"),)),
    "no limit": sets("limit_a", 0.0),
    "less than 6 A": sets("limit_a", 5.8),
    "a limit that is no number": sets("limit_a", math.nan),
    "an expired limit": sets("limit_until_s", 0.0),
    "an expiry that is no number": sets("limit_until_s", math.nan),
    "unlocked": sets("pilot.lock", "unlocked"),
    "locking": sets("pilot.lock", "locking"),
    "lock unknown": sets("pilot.lock", "unknown"),
    "lock faulty": sets("pilot.lock_error", "blocked"),
    "contactor still opening": sets("pilot.opens_by_s", 1.0),
    "no cable in the socket": in_a_socket(None),
    "a cable of no use": in_a_socket(5.0),
    "a cable that is no number": in_a_socket(math.nan),
    "preparing": sets("charger", "PrepareCharging"),
    "stopping": sets("charger", "StoppingCharging"),
}

FORCES_OFF: dict[str, Change] = {
    name: FORBIDS_ON[name]
    for name in (
        "car in A",
        "car in B",
        "car in D without ventilation",
        "car in E",
        "state F",
        "board silent",
        "an error",
        "no cable in the socket",
        "preparing",
    )
} | {
    "board disabled": sets("pilot.board_enabled", False),
    "six seconds without PWM": sets("pilot.c1_since_s", 54.0),
}


def test_power_may_flow_in_a_running_charge() -> None:
    assert guards.may_switch_on(charging(), CONFIG, 60.0)
    assert not guards.must_switch_off(charging(), CONFIG, 60.0)


@pytest.mark.parametrize("why", FORBIDS_ON)
def test_power_is_not_switched_on(why: str) -> None:
    state = charging()
    FORBIDS_ON[why](state)
    assert not guards.may_switch_on(state, CONFIG, 60.0)


@pytest.mark.parametrize("why", FORCES_OFF)
def test_power_is_switched_off_at_once(why: str) -> None:
    state = charging()
    FORCES_OFF[why](state)
    assert guards.must_switch_off(state, CONFIG, 60.0)


def test_power_stays_while_the_car_may_still_open_its_own_contactor() -> None:
    state = charging()
    state.charger = "StoppingCharging"
    state.pilot.c1_since_s = 54.1
    assert not guards.must_switch_off(state, CONFIG, 60.0)


def test_ventilation_and_no_lock_allow_what_they_stand_for() -> None:
    state = charging()
    state.pilot.cp, state.pilot.lock = "D", "unknown"
    assert guards.may_switch_on(state, KernelConfig(has_ventilation=True, has_connector_lock=False), 60.0)


def test_nobody_has_to_enable() -> None:
    state = charging()
    state.decided_by = enable_table.NOBODY
    assert guards.may_switch_on(state, CONFIG, 60.0)
