"""Every command of the interface evse_manager in every state: what it answers and what comes of it (reference §8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.dc_external_derate import DcExternalDerate
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.evse_manager.commands import CommandHandlers
from evse_daemon.types.dc_external_derate import ExternalDerating
from evse_daemon.types.evse_board_support import Telemetry
from evse_daemon.types.evse_manager import (
    Connector,
    Evse,
    PlugAndChargeConfiguration,
    StopTransactionRequest,
)
from tests.modules.evse_manager.plant import ACCEPTED, TOKEN
from tests.modules.evse_manager.plant import meter as sample
from tests.modules.evse_manager.rig import EVSE, Rig, source

DERATE = ("evse", "dc_external_derate")


def starting(rig: Rig) -> None:
    """Waits for external_ready_to_start_charging."""


def idle(rig: Rig) -> None:
    rig.limit(32.0, valid_for=100_000)


def reserved(rig: Rig) -> None:
    rig.call(Interface.reserve, 7)


def authorized_first(rig: Rig) -> None:
    idle(rig)
    authorize(rig)


def disabled(rig: Rig) -> None:
    rig.call(Interface.enable_disable, 0, source("LocalAPI", "Disable"))


def waiting(rig: Rig) -> None:
    idle(rig)
    rig.pilot("B")


def preparing(rig: Rig) -> None:
    waiting(rig)
    authorize(rig)


def waking_up(rig: Rig) -> None:
    preparing(rig)
    rig.world.advance(31.0)


def charging(rig: Rig) -> None:
    rig.charge()


def paused_by_car(rig: Rig) -> None:
    rig.charge()
    rig.pilot("B")


def paused_by_user(rig: Rig) -> None:
    rig.charge()
    rig.call(Interface.pause_charging)
    rig.pilot("B")


def stopping(rig: Rig) -> None:
    rig.charge()
    rig.call(Interface.pause_charging)


def finished(rig: Rig) -> None:
    rig.charge()
    rig.call(Interface.stop_transaction, StopTransactionRequest(reason="Remote"))
    rig.pilot("B")


def authorize(rig: Rig) -> None:
    rig.call(Interface.authorize_response, TOKEN, ACCEPTED)


STATES: dict[Callable[[Rig], None], str] = {
    starting: "Starting",
    disabled: "Disabled",
    idle: "Idle",
    reserved: "Idle",
    authorized_first: "Idle",
    waiting: "WaitingForAuthentication",
    preparing: "PrepareCharging",
    waking_up: "T_step_EF",
    charging: "Charging",
    paused_by_car: "ChargingPausedEV",
    paused_by_user: "ChargingPausedEVSE",
    stopping: "StoppingCharging",
    finished: "Finished",
}
"""How each state is reached, and its name."""

COMMANDS: dict[str, Callable[[Rig], Any]] = {
    "authorize": lambda rig: rig.call(Interface.authorize_response, TOKEN, ACCEPTED),
    "not authorized": lambda rig: rig.call(
        Interface.authorize_response,
        TOKEN,
        ACCEPTED.model_copy(update={"authorization_status": "Blocked"}),
    ),
    "withdraw": lambda rig: rig.call(Interface.withdraw_authorization),
    "reserve": lambda rig: rig.call(Interface.reserve, 8),
    "cancel reservation": lambda rig: rig.call(Interface.cancel_reservation),
    "pause": lambda rig: rig.call(Interface.pause_charging),
    "resume": lambda rig: rig.call(Interface.resume_charging),
    "stop": lambda rig: rig.call(
        Interface.stop_transaction, StopTransactionRequest(reason="Local", id_tag=TOKEN)
    ),
    "unlock": lambda rig: rig.call(Interface.force_unlock, 1),
    "disable": lambda rig: rig.call(Interface.enable_disable, 1, source("LocalAPI", "Disable")),
    "enable": lambda rig: rig.call(Interface.enable_disable, 1, source("LocalAPI", "Enable")),
    "external ready": lambda rig: rig.call(Interface.external_ready_to_start_charging),
}

AUTHORIZED = ["Authorized"]
DEAUTHORIZED = ["Deauthorized"]
STOPS = ["StoppingCharging"]
ENDS = ["StoppingCharging", "ChargingFinished", "TransactionFinished"]

# The answer and the events of each command, by state. Where a state is missing: the answer given first, and nothing.
EXPECTED: dict[str, tuple[Any, dict[Callable[[Rig], None], tuple[Any, list[str]]]]] = {
    "authorize": (
        None,
        {
            idle: (None, ["SessionStarted", *AUTHORIZED]),
            reserved: (None, ["SessionStarted", *AUTHORIZED]),
            authorized_first: (None, AUTHORIZED),
            waiting: (None, [*AUTHORIZED, "TransactionStarted", "PrepareCharging"]),
            preparing: (None, AUTHORIZED),
            waking_up: (None, AUTHORIZED),
            charging: (None, AUTHORIZED),
            paused_by_car: (None, AUTHORIZED),
            paused_by_user: (None, AUTHORIZED),
            stopping: (None, AUTHORIZED),
            # finished was stopped from outside: nothing authorizes that session again
        },
    ),
    "not authorized": (None, {}),
    "withdraw": (
        None,
        {
            authorized_first: (None, [*DEAUTHORIZED, "SessionFinished"]),
            waiting: (None, [*DEAUTHORIZED, "PluginTimeout"]),
            preparing: (None, DEAUTHORIZED),
            waking_up: (None, DEAUTHORIZED),
            charging: (None, DEAUTHORIZED),
            paused_by_car: (None, DEAUTHORIZED),
            paused_by_user: (None, DEAUTHORIZED),
            stopping: (None, DEAUTHORIZED),
            finished: (None, DEAUTHORIZED),
        },
    ),
    "reserve": (
        False,
        {idle: (True, ["ReservationStart"]), authorized_first: (True, ["ReservationStart"])},
    ),
    "cancel reservation": (None, {reserved: (None, ["ReservationEnd"])}),
    "pause": (
        False,
        {
            preparing: (True, []),
            waking_up: (True, []),
            charging: (True, STOPS),
            paused_by_car: (True, []),
            paused_by_user: (True, []),
            stopping: (True, []),
        },
    ),
    "resume": (
        False,
        {
            preparing: (True, []),
            waking_up: (True, []),
            charging: (True, []),
            paused_by_car: (True, []),
            paused_by_user: (True, ["PrepareCharging"]),
            stopping: (True, []),
        },
    ),
    "stop": (
        False,
        {
            preparing: (True, ENDS),
            waking_up: (True, ["PrepareCharging", *ENDS]),
            charging: (True, STOPS),
            paused_by_car: (True, ENDS),
            paused_by_user: (True, ENDS),
            stopping: (True, []),
        },
    ),
    "unlock": (
        True,
        {
            preparing: (True, ENDS),
            waking_up: (True, ["PrepareCharging", *ENDS]),
            charging: (True, STOPS),
            paused_by_car: (True, ENDS),
            paused_by_user: (True, ENDS),
        },
    ),
    "disable": (
        False,
        {
            idle: (False, ["Disabled"]),
            reserved: (False, ["Disabled", "ReservationEnd"]),
            authorized_first: (False, ["SessionFinished", "Disabled"]),
            waiting: (False, ["SessionFinished", "Disabled"]),
            preparing: (False, [*ENDS, "SessionFinished", "Disabled"]),
            waking_up: (False, ["PrepareCharging", *ENDS, "SessionFinished", "Disabled"]),
            charging: (False, STOPS),
            paused_by_car: (False, [*ENDS, "SessionFinished", "Disabled"]),
            paused_by_user: (False, [*ENDS, "SessionFinished", "Disabled"]),
            finished: (False, ["SessionFinished", "Disabled"]),
        },
    ),
    "enable": (True, {disabled: (True, ["Enabled"])}),
    "external ready": (True, {starting: (True, ["Enabled"])}),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_command_in_a_state(state: Callable[[Rig], None], name: str) -> None:
    waits = {"external_ready_to_start_charging": True}
    rig = Rig(waits).start()
    if state is not starting:
        rig.call(Interface.external_ready_to_start_charging)
    state(rig)
    assert rig.evse.state.charger == STATES[state]
    rig.world.recorder.clear()
    otherwise, by_state = EXPECTED[name]
    answer, events = by_state.get(state, (otherwise, []))
    assert COMMANDS[name](rig) is answer
    assert rig.names == events


def test_every_command_of_the_interface_is_tried() -> None:
    """In the tables above or in the tests below, which do not depend on the state."""
    anywhere = {
        "get_evse",
        "set_plug_and_charge_configuration",
        "update_allowed_energy_transfer_modes",
        "set_der_available",
    }
    tried = {
        "authorize_response",
        "withdraw_authorization",
        "reserve",
        "cancel_reservation",
        "pause_charging",
        "resume_charging",
        "stop_transaction",
        "force_unlock",
        "enable_disable",
        "external_ready_to_start_charging",
    }
    assert anywhere | tried == set(Interface.commands)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_what_concerns_iso_15118_changes_nothing(state: Callable[[Rig], None]) -> None:
    rig = Rig({"external_ready_to_start_charging": True}).start()
    if state is not starting:
        rig.call(Interface.external_ready_to_start_charging)
    state(rig)
    before = rig.evse.state
    rig.world.recorder.clear()
    assert rig.call(Interface.get_evse).id == 1
    rig.call(
        Interface.set_plug_and_charge_configuration,
        PlugAndChargeConfiguration(pnc_enabled=True, central_contract_validation_allowed=True),
    )
    assert rig.call(Interface.update_allowed_energy_transfer_modes, ["AC_three_phase_core"]) == "NoHlc"
    assert rig.call(Interface.set_der_available, True) == "NoHlc"
    assert rig.evse.state is before
    assert rig.names == []


@pytest.mark.parametrize(
    ("kind", "type_"), [("cType2", "cType2"), ("Unknown", "Unknown"), ("Schuko or so", None)]
)
def test_get_evse_tells_the_number_and_the_connector(kind: str, type_: Any) -> None:
    rig = Rig({"connector_id": 3, "connector_type": kind})
    assert CommandHandlers(rig.evse.options, lambda _: None, lambda _: None).get_evse() == Evse(
        id=3, connectors=[Connector(id=1, type=type_)]
    )


def test_a_pause_that_was_asked_for_too_early_comes_when_charging_starts() -> None:
    """Rows 33 and 34."""
    rig = Rig().start()
    preparing(rig)
    assert rig.call(Interface.pause_charging) is True
    rig.pilot("C")
    rig.pilot("B")
    assert rig.names[-3:] == ["ChargingStarted", "StoppingCharging", "ChargingPausedEVSE(UserPause)"]


def test_force_unlock_without_a_lock_does_nothing_at_all() -> None:
    rig = Rig()
    del rig.world._connections["evse"]["connector_lock"]  # type: ignore[attr-defined]  # a dict, read as a Mapping
    rig.start()
    rig.charge()
    rig.world.recorder.clear()
    assert rig.call(Interface.force_unlock, 1) is False
    assert rig.names == []
    assert rig.evse.state.charger == "Charging"


def test_force_unlock_of_an_idle_evse_tells_the_lock() -> None:
    rig = Rig().start()
    rig.world.recorder.clear()
    assert rig.call(Interface.force_unlock, 1) is True
    assert rig.world.calls(("lock", "connector_lock"), ConnectorLock.unlock) == [{}]


# Ready


def test_row_56_nothing_happens_until_somebody_outside_is_ready() -> None:
    rig = Rig({"external_ready_to_start_charging": True}, car="B").start()
    rig.world.advance(60.0)
    assert rig.names == []
    assert rig.world.published(EVSE, Interface.waiting_for_external_ready) == [True]
    assert rig.world.published(EVSE, Interface.ready) == []
    assert rig.world.calls(("board", "board_support"), EvseBoardSupport.enable) == []
    assert rig.call(Interface.external_ready_to_start_charging) is True
    assert rig.names == ["Enabled", "SessionStarted", "AuthRequired"]
    assert rig.world.published(EVSE, Interface.ready) == [True]
    assert rig.call(Interface.external_ready_to_start_charging) is True, "again"
    assert rig.world.published(EVSE, Interface.ready) == [True]


def test_external_ready_is_refused_where_nothing_waits_for_it() -> None:
    rig = Rig().start()
    assert rig.call(Interface.external_ready_to_start_charging) is False
    assert rig.world.published(EVSE, Interface.waiting_for_external_ready) == [False]


def test_external_ready_may_come_before_the_first_meter_value() -> None:
    rig = Rig({"external_ready_to_start_charging": True})
    meter = rig.world.fake("meter", main=PowermeterInterface)["main"]
    rig.world._connections["evse"] = {
        **rig.world._connections["evse"],
        "powermeter_grid_side": [("meter", "main")],
    }
    rig.start()
    assert rig.call(Interface.external_ready_to_start_charging) is True
    assert rig.names == []
    meter.publish(PowermeterInterface.powermeter, sample(1.0))
    rig.world.settle()
    assert rig.names == ["Enabled"]
    assert rig.world.published(EVSE, Interface.waiting_for_external_ready) == [False]


def test_a_kernel_that_begins_anew_does_not_wait_again() -> None:
    rig = Rig({"external_ready_to_start_charging": True}).start()
    rig.call(Interface.external_ready_to_start_charging)
    assert rig.evse.recover(RuntimeError("planted"), 1)
    rig.world.advance(3.0)
    assert rig.names == ["Enabled", "Enabled"]


# Ids of sessions


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("UUID", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("UUID_BASE64", r"[A-Za-z0-9+/]{22}"),
        ("SHORT_BASE64", r"[A-Za-z0-9+/]{16}"),
    ],
)
def test_the_forms_of_a_session_id(kind: str, form: str) -> None:
    rig = Rig({"session_id_type": kind}).start()
    found = set()
    for _ in range(20):
        rig.pilot("B")
        found.add(rig.events[-1].uuid)
        rig.pilot("A")
    assert len(found) == 20
    assert all(re.fullmatch(form, session_id) for session_id in found)


# What else it provides


def test_an_ac_charger_refuses_to_derate_dc_and_says_where_to_limit_it() -> None:
    rig = Rig().start()
    with pytest.raises(CallError, match="external_limits of an EnergyNode"):
        rig.world.call(
            DERATE, DcExternalDerate.set_external_derating, ExternalDerating(max_export_current_A=10.0)
        )
    rig.world.call(DERATE, DcExternalDerate.set_external_derating, ExternalDerating())


def test_the_temperature_of_the_plug_is_passed_on() -> None:
    rig = Rig().start()
    telemetry = {
        "evse_temperature_C": 25.0,
        "fan_rpm": 0.0,
        "supply_voltage_12V": 12.0,
        "supply_voltage_minus_12V": -12.0,
        "relais_on": False,
    }
    rig.board.publish(EvseBoardSupport.telemetry, Telemetry.model_validate(telemetry))
    rig.board.publish(
        EvseBoardSupport.telemetry, Telemetry.model_validate({**telemetry, "plug_temperature_C": 41.5})
    )
    rig.world.settle()
    assert rig.world.published(DERATE, DcExternalDerate.plug_temperature_C) == [41.5]


def test_no_token_is_made_up_without_iso_15118() -> None:
    rig = Rig().start()
    rig.charge()
    assert rig.world.published(("evse", "token_provider"), AuthTokenProvider.provided_token) == []
