"""The shell of EvseManager on a bus: order of the lanes, timers, limits, energy requests, commands."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from tests.modules.evse_manager.evse_world import BOARD, EVSE, LOCK, METER, EvseWorld
from tests.modules.evse_manager.plant import CAPABILITIES, TOKEN, meter

CHARGES = [
    "Enabled",
    "SessionStarted(EVConnected)",
    "AuthRequired",
    "Authorized",
    "TransactionStarted",
    "PrepareCharging",
    "ChargingStarted",
]


def test_a_whole_session() -> None:
    evse = EvseWorld()
    evse.charge()
    assert evse.names == CHARGES
    pwm = evse.world.calls(BOARD, EvseBoardSupport.pwm_on)
    assert [round(call["value"], 2) for call in pwm] == [26.67]
    assert evse.power == [False, True]
    assert evse.stop() is True
    evse.cp("B")
    evse.cp("A")
    assert evse.names_since(7) == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished(Remote)",
        "SessionFinished",
    ]
    assert [kind for kind, _, _ in evse.world.journal.records] == [
        "transaction_started",
        "transaction_finished",
    ]
    assert {evse_ for _, evse_, _ in evse.world.journal.records} == {"evse"}
    (request,) = evse.world.calls(METER, PowermeterInterface.start_transaction)
    assert request["value"].transaction_id == evse.events[1].uuid
    assert request["value"].identification_type == "ISO14443"
    assert request["value"].identification_data == TOKEN.id_token.value
    assert len(evse.world.calls(LOCK, ConnectorLock.lock)) == 1


# The lanes


def test_what_follows_a_commit_waits_for_it_and_the_board_does_not() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.world.journal.delay_s = 3.0
    evse.cp("A")
    assert evse.power[-1] is False
    assert evse.names_since(7) == ["StoppingCharging"]
    evse.cp("B")
    evse.fail(evse.rcd, "ac_rcd/DC")
    assert evse.errors == []
    evse.world.advance(2.9)
    assert evse.names_since(7) == ["StoppingCharging"]
    evse.world.advance(0.2)
    assert evse.names_since(8) == [
        "ChargingFinished",
        "TransactionFinished(EVDisconnected)",
        "SessionFinished",
        "SessionStarted(EVConnected)",
        "AuthRequired",
    ]
    assert evse.errors == ["evse_manager/Inoperative"]


def test_a_start_is_told_when_it_is_stored() -> None:
    evse = EvseWorld()
    evse.boot()
    evse.enforce(16.0)
    evse.world.journal.delay_s = 3.0
    evse.cp("B")
    evse.authorize()
    evse.cp("C")
    evse.world.advance(2.9)
    assert evse.names[-1] == "Authorized"
    assert True not in evse.power
    evse.world.advance(0.2)
    assert evse.names == CHARGES
    assert evse.power[-1] is True


def test_a_hung_store_means_no_power_and_an_error() -> None:
    evse = EvseWorld()
    evse.boot()
    evse.enforce(16.0)
    evse.world.journal.hung = True
    evse.cp("B")
    evse.authorize()
    evse.cp("C")
    evse.world.advance(25)
    assert evse.names[-1] == "Authorized"
    assert True not in evse.power
    sub_types = {error.sub_type for error in evse.world.active_errors(EVSE)}
    assert sub_types == {"StoreStart", "StoreEnd", ""}


def test_a_full_disk_at_the_end_is_an_error_until_there_is_room() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.world.journal.memory.failure = "disk full"
    evse.cp("A")
    assert evse.names[-1] == "SessionFinished"
    assert evse.errors == ["evse_manager/Internal", "evse_manager/Inoperative"]
    evse.world.advance(10.1)
    evse.world.journal.memory.failure = None
    evse.world.advance(10.1)
    assert evse.errors == []
    assert evse.world.journal.open_transactions("evse") == []
    assert len(evse.world.journal.records) == 2


def test_an_end_that_is_stored_later_than_we_waited_is_stored_once() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.world.journal.delay_s = 15.0
    evse.cp("A")
    evse.world.advance(12)
    assert evse.names[-1] == "SessionFinished"
    assert evse.errors == ["evse_manager/Internal", "evse_manager/Inoperative"]
    evse.world.advance(60)
    assert evse.errors == []
    assert [kind for kind, _, _ in evse.world.journal.records] == [
        "transaction_started",
        "transaction_finished",
    ]


# Timers


def test_the_timer_serves_the_next_deadline() -> None:
    evse = EvseWorld()
    evse.charge()
    evse.enforce(16.0, valid_for=7)
    evse.world.advance(6.9)
    assert evse.names[-1] == "ChargingStarted"
    evse.world.advance(0.2)
    assert evse.names[-1] == "StoppingCharging"
    assert evse.limit_a == 0.0
    evse.world.advance(5.7)
    assert evse.contactor_closed
    evse.world.advance(0.3)
    assert not evse.contactor_closed
    assert evse.names[-1] == "ChargingPausedEVSE(NoEnergy)"


def test_the_wake_up_comes_though_nothing_else_happens() -> None:
    evse = EvseWorld(bare=True)
    evse.boot()
    evse.enforce(16.0)
    evse.cp("B")
    evse.authorize()
    evse.world.advance(30.1)
    assert len(evse.world.calls(BOARD, EvseBoardSupport.cp_state_F)) == 1
    evse.world.advance(15)
    assert evse.names[-2:] == ["PrepareCharging", "ChargingPausedEV"]


def test_the_time_of_day_may_jump() -> None:
    evse = EvseWorld(fail_on_powermeter_errors=False)  # the meter is not what this is about
    evse.charge()
    evse.world.clock.set_utc(evse.world.clock.utc().replace(year=2036))
    evse.world.advance(3600)
    assert evse.contactor_closed
    assert evse.names[-1] == "ChargingStarted"


# Boot


def test_boot_waits_for_the_meters_first_value() -> None:
    evse = EvseWorld()
    evse.board.publish(EvseBoardSupport.capabilities, CAPABILITIES)
    evse.world.advance(4.9)
    assert evse.names == []
    evse.world.advance(0.2)
    assert evse.names == ["Enabled"]
    assert evse.world.published(EVSE, Interface.ready) == [True]


def test_a_meter_that_is_quick_lets_it_begin() -> None:
    evse = EvseWorld()
    evse.boot()
    assert evse.names == ["Enabled"]
    evse.world.advance(10)
    assert evse.names == ["Enabled"]


def test_power_is_off_before_anything_else() -> None:
    evse = EvseWorld(bare=True)
    first = evse.world.recorder.select("call", *BOARD)[0]
    assert first.name == "allow_power_on"
    assert evse.power == [False]
    assert evse.world.published(EVSE, Interface.evse_id) == ["DE*PNX*E1234567*1"]
    modes = evse.world.published(EVSE, Interface.supported_energy_transfer_modes)
    assert modes == [["AC_single_phase_core", "AC_three_phase_core"]]


def test_a_transaction_left_open_ends_as_power_loss_with_its_own_id() -> None:
    before = EvseWorld()
    before.charge()
    old = before.events[1].uuid
    evse = EvseWorld(stored=before.world.journal.memory)
    evse.meter.publish(PowermeterInterface.powermeter, meter(1500.0))
    evse.world.settle()
    assert evse.names == ["SessionResumed", "TransactionFinished(PowerLoss)", "SessionFinished", "Enabled"]
    assert {event.uuid for event in evse.events[:3]} == {old}
    finished = evse.events[1].transaction_finished
    assert finished is not None
    assert finished.meter_value.energy_Wh_import.total == 1500.0
    assert evse.world.calls(METER, PowermeterInterface.stop_transaction) == [
        {"transaction_id": old},
        {"transaction_id": ""},
    ]
    assert evse.world.journal.open_transactions("evse") == []
    evse.board.publish(EvseBoardSupport.capabilities, CAPABILITIES)
    evse.cp("C")
    assert evse.names_since(4) == ["SessionStarted(EVConnected)", "AuthRequired"]
    assert evse.events[-1].uuid != old


def test_row_55_free_service() -> None:
    evse = EvseWorld(disable_authentication=True)
    evse.boot()
    evse.enforce(16.0)
    evse.cp("B")
    assert evse.names == CHARGES[:-1]
    started = evse.events[4].transaction_started
    assert started is not None
    assert started.id_tag.id_token.value == "FREESERVICE"
    assert started.id_tag.id_token.type == "Local"
    evse.cp("A")
    evse.cp("B")
    assert evse.names[-1] == "PrepareCharging"


def test_row_56_external_ready() -> None:
    evse = EvseWorld(bare=True, external_ready_to_start_charging=True)
    evse.world.advance(60)
    assert evse.names == []
    assert evse.world.published(EVSE, Interface.waiting_for_external_ready) == [True]
    assert evse.world.call(EVSE, Interface.external_ready_to_start_charging) is True
    assert evse.names == ["Enabled"]
    assert evse.world.call(EVSE, Interface.external_ready_to_start_charging) is True
    assert evse.names == ["Enabled"]


def test_external_ready_without_the_option_is_refused() -> None:
    evse = EvseWorld(bare=True)
    assert evse.world.call(EVSE, Interface.external_ready_to_start_charging) is False


def check_uuid(text: str) -> None:
    assert str(uuid.UUID(text)) == text


def check_base64(text: str) -> None:
    assert len(text) == 22
    assert len(base64.b64decode(text + "==")) == 16


def check_short(text: str) -> None:
    assert len(text) == 16
    assert len(base64.b64decode(text)) == 12


@pytest.mark.parametrize(
    ("kind", "check"), [("UUID", check_uuid), ("UUID_BASE64", check_base64), ("SHORT_BASE64", check_short)]
)
def test_session_ids(kind: str, check: Any) -> None:
    evse = EvseWorld(session_id_type=kind)
    evse.boot()
    for _ in range(3):
        evse.cp("B")
        evse.cp("A")
    ids = [event.uuid for event in evse.events if event.event == "SessionStarted"]
    assert len(set(ids)) == 3
    for text in ids:
        check(text)


def test_a_session_that_ends_in_the_step_it_began_uses_up_its_id() -> None:
    evse = EvseWorld()
    evse.boot()
    evse.fail(evse.rcd, "ac_rcd/DC")
    evse.authorize()
    evse.authorize()
    ids = [event.uuid for event in evse.events if event.event == "SessionStarted"]
    assert len(set(ids)) == 2
