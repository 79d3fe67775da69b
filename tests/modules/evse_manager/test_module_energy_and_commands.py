"""The shell of EvseManager on a bus: limits, energy requests, the billing meter, commands."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.types.authorization import ValidationResult
from evse_daemon.types.evse_manager import StopTransactionRequest
from tests.modules.evse_manager.evse_world import BOARD, CAR_METER, ENERGY, EVSE, METER, EvseWorld
from tests.modules.evse_manager.plant import CAPABILITIES, TOKEN, meter
from tests.modules.evse_manager.scenario import SOCKET


@pytest.mark.parametrize(
    ("limits", "told_a"),
    [
        ({"limit_a": 16.0}, 16.0),
        ({"limit_a": 63.0}, 32.0),
        ({"limit_a": 32.0, "watts": 11_040.0}, 16.0),
        ({"limit_a": 10.0, "watts": 11_040.0}, 10.0),
        ({"limit_a": None, "watts": 11_040.0}, 0.0),
        ({"limit_a": None}, 0.0),
        ({"limit_a": -16.0}, 0.0),
        ({"limit_a": 16.0, "valid_for": 0}, 0.0),
        ({"limit_a": 16.0, "valid_for": -5}, 0.0),
    ],
)
def test_an_enforced_limit(limits: dict[str, Any], told_a: float) -> None:
    evse = EvseWorld()
    evse.boot()
    evse.enforce(**limits)
    assert evse.limit_a == pytest.approx(told_a)
    assert len(evse.world.published(EVSE, Interface.enforced_limits)) == 1
    overcurrent = evse.world.calls(BOARD, EvseBoardSupport.ac_set_overcurrent_limit_A)
    assert overcurrent[-1]["value"] == pytest.approx(told_a)


def test_a_limit_in_watt_is_shared_by_the_phases_of_the_board() -> None:
    evse = EvseWorld()
    evse.boot()
    single = CAPABILITIES.model_copy(update={"max_phase_count_import": 1})
    evse.board.publish(EvseBoardSupport.capabilities, single)
    evse.enforce(32.0, watts=3680.0)
    assert evse.limit_a == pytest.approx(16.0)


def test_a_limit_for_somebody_else_changes_nothing() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.enforce(0.0, uuid="evse_2")
    assert evse.contactor_closed
    assert evse.limit_a == 16.0
    assert len(evse.world.published(EVSE, Interface.enforced_limits)) == 1


def requests(evse: EvseWorld) -> list[Any]:
    return evse.world.published(ENERGY, Energy.energy_flow_request)


def test_the_energy_request_comes_each_second_and_at_once_where_it_matters() -> None:
    evse = EvseWorld()
    evse.world.advance(0.5)
    assert requests(evse) == []
    evse.boot()
    assert [request.priority_request for request in requests(evse)] == [True]
    evse.world.advance(10)
    assert len(requests(evse)) == 11
    assert not any(request.priority_request for request in requests(evse)[1:])
    evse.cp("B")
    assert requests(evse)[-1].priority_request
    assert requests(evse)[-1].evse_state == "WaitForAuth"
    evse.enforce(16.0)
    evse.authorize()
    evse.cp("C")
    assert requests(evse)[-1].evse_state == "WaitForAuth"
    evse.world.advance(1)
    assert requests(evse)[-1].evse_state == "Charging"
    evse.stop()
    evse.cp("B")
    assert requests(evse)[-1].priority_request
    assert requests(evse)[-1].evse_state == "Finished"
    evse.cp("A")
    evse.world.advance(1)
    assert requests(evse)[-1].evse_state == "Unplugged"
    evse.enable("Disable")
    evse.world.advance(1)
    assert requests(evse)[-1].evse_state == "Disabled"


def test_what_an_energy_request_asks_for() -> None:
    evse = EvseWorld(car_meter=True)
    evse.boot()
    evse.meter.publish(PowermeterInterface.powermeter, meter(5.0))
    evse.car_meter.publish(PowermeterInterface.powermeter, meter(3.0))
    evse.world.advance(1)
    asked = requests(evse)[-1]
    assert (asked.uuid, asked.node_type, asked.children) == ("evse", "Evse", [])
    assert asked.energy_usage_root == meter(5.0)
    assert asked.energy_usage_leaves == meter(3.0)
    (wanted,) = asked.schedule_import
    root = wanted.limits_to_root
    assert (root.ac_max_current_A.value, root.ac_min_current_A.value) == (32.0, 6.0)
    assert root.ac_max_current_A.source == "evse/evse_board_support_caps"
    assert (root.ac_min_phase_count.value, root.ac_max_phase_count.value) == (1, 3)
    assert root.ac_number_of_active_phases == 3
    assert root.ac_supports_changing_phases_during_charging is False
    assert wanted.limits_to_leaves.ac_max_current_A.value == 32.0
    (given,) = asked.schedule_export
    assert given.limits_to_leaves.ac_max_current_A.value == 0.0
    assert given.limits_to_leaves.total_power_W.value == 0.0


@pytest.mark.parametrize(
    ("ampacity", "phases", "limit_a"),
    [
        ("A_13", 3, 13.0),
        ("A_20", 3, 20.0),
        ("A_32", 3, 32.0),
        ("A_63_3ph_70_1ph", 3, 63.0),
        ("A_63_3ph_70_1ph", 1, 70.0),
        ("None", 3, 0.0),
    ],
)
def test_the_cable_in_a_socket_limits(ampacity: str, phases: int, limit_a: float) -> None:
    evse = EvseWorld()
    evse.boot()
    big = SOCKET.model_copy(update={"max_current_A_import": 80.0, "max_phase_count_import": phases})
    evse.board.publish(EvseBoardSupport.capabilities, big)
    evse.cable(ampacity)
    evse.enforce(80.0)
    assert evse.limit_a == limit_a
    evse.world.advance(1)
    asked = requests(evse)[-1].schedule_import[0].limits_to_root.ac_max_current_A
    assert asked.value == (limit_a or 80.0)
    assert asked.source.endswith("/pp_ampacity" if limit_a else "/evse_board_support_caps")


# The meter


def test_the_meter_on_the_cars_side_bills() -> None:
    evse = EvseWorld(car_meter=True)
    evse.boot()
    evse.car_meter.publish(PowermeterInterface.powermeter, meter(77.0))
    evse.car_meter.publish(PowermeterInterface.public_key_ocmf, "KEY")
    evse.enforce(16.0)
    evse.cp("B")
    evse.meter.publish(PowermeterInterface.powermeter, meter(99.0))
    evse.authorize()
    started = evse.events[-2].transaction_started
    assert started is not None
    assert started.meter_value == meter(77.0)
    assert evse.world.published(EVSE, Interface.powermeter) == [meter(1000.0), meter(77.0)]
    assert evse.world.published(EVSE, Interface.powermeter_public_key_ocmf) == ["KEY"]
    assert evse.world.calls(METER, PowermeterInterface.start_transaction) == []
    assert len(evse.world.calls(CAR_METER, PowermeterInterface.start_transaction)) == 1


# Commands


def test_get_evse() -> None:
    evse = EvseWorld(bare=True, connector_type="cType2")
    found = evse.world.call(EVSE, Interface.get_evse)
    assert (found.id, [(each.id, each.type) for each in found.connectors]) == (1, [(1, "cType2")])
    unknown = EvseWorld(bare=True, connector_type="a plug")
    assert unknown.world.call(EVSE, Interface.get_evse).connectors[0].type is None


@pytest.mark.parametrize("status", ["Invalid", "Expired", "Blocked", "Unknown"])
def test_only_an_accepted_token_authorizes(status: Any) -> None:
    evse = EvseWorld()
    evse.boot()
    evse.cp("B")
    result = ValidationResult(authorization_status=status, tariff_messages=[])
    evse.world.call(EVSE, Interface.authorize_response, TOKEN, result)
    assert evse.names[-1] == "AuthRequired"


def test_commands_answer_whether_there_is_a_transaction() -> None:
    evse = EvseWorld()
    evse.boot()
    for command in (Interface.pause_charging, Interface.resume_charging):
        assert evse.world.call(EVSE, command) is False
    assert evse.stop() is False
    evse.charge()
    assert evse.world.call(EVSE, Interface.pause_charging) is True
    assert evse.names[-1] == "StoppingCharging"
    assert evse.world.call(EVSE, Interface.resume_charging) is True
    assert evse.world.call(EVSE, Interface.reserve, 1) is False


def test_force_unlock_is_refused_without_a_lock() -> None:
    assert EvseWorld(bare=True).world.call(EVSE, Interface.force_unlock, 1) is False
    assert EvseWorld().world.call(EVSE, Interface.force_unlock, 1) is True


def test_the_boards_stop_button() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.board.publish(EvseBoardSupport.request_stop_transaction, StopTransactionRequest(reason="Local"))
    evse.world.settle()
    evse.cp("B")
    assert evse.names[-1] == "TransactionFinished(Local)"


def test_what_concerns_iso_15118_says_so() -> None:
    evse = EvseWorld(bare=True)
    assert evse.world.call(EVSE, Interface.set_der_available, available=True) == "NoHlc"
    assert (
        evse.world.call(EVSE, Interface.update_allowed_energy_transfer_modes, ["AC_single_phase_core"])
        == "NoHlc"
    )


def test_the_boards_commands_fail_loudly() -> None:
    """What the harness says of a board that refuses is what the kernel is told."""
    evse = EvseWorld()

    def refuse(**_: Any) -> None:
        raise CallError("Timeout", "no answer")

    evse.charge()
    evse.board.handle(EvseBoardSupport.pwm_on, refuse)
    evse.world.advance(6)
    evse.enforce(10.0)
    assert not evse.contactor_closed
    assert evse.names[-1] == "ChargingPausedEVSE(Error)"
    assert evse.errors == ["evse_manager/Internal", "evse_manager/Inoperative"]
