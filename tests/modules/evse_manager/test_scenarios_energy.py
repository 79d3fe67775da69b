"""The reference's scenarios (evse-manager.md §10.1) of energy, cables, boot and the commands that enable and disable."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.plant import meter
from tests.modules.evse_manager.scenario import AUTHORIZED, ENDED, PLUGGED, SOCKET, News, Scenario, source

STOPPED_BY_DISABLE = "ChargingFinished TransactionFinished(EVSEDisabled) SessionFinished Disabled"


def waiting_for_energy() -> Scenario:
    evse = Scenario()
    evse.begin(limit_a=0.0)
    evse.cp("B")
    assert evse.authorized() == News(AUTHORIZED, meter="start")
    return evse


def test_row_08_disable_while_charging() -> None:
    """Unlike EVerest's, the lock opens: a cable in a socket out of service is its owner's."""
    evse = Scenario()
    evse.charging()
    assert evse.disable() == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(
        STOPPED_BY_DISABLE, power="off", pilot="F disable", lock="unlock", meter="stop"
    )
    assert evse.events[-1].connector_id == 1
    assert evse.events[-1].source == source("Disable")


def test_row_09_enable_again_with_the_same_car() -> None:
    """In EVerest nothing more happens until a replug; here the car gets a new session."""
    evse = Scenario()
    evse.charging()
    evse.disable()
    evse.cp("B")
    assert evse.enable() == News("Enabled", pilot="enable X1")
    assert evse.cp("F") == News()
    assert evse.cp("B") == News(PLUGGED, lock="lock")
    assert len({event.uuid for event in evse.events if event.event == "SessionStarted"}) == 2


def test_row_10_disable_while_waiting_for_authorization() -> None:
    """Unlike EVerest's, the lock opens: a cable in a socket out of service is its owner's."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.disable() == News("SessionFinished Disabled", pilot="F disable", lock="unlock")


def test_row_11_disable_on_connector_1_and_enable_on_0() -> None:
    """EVerest says Enabled and stays disabled until connector 1 is enabled; here it is enabled, once."""
    evse = Scenario()
    evse.begin()
    assert evse.disable(connector=1) == News("Disabled", pilot="F disable")
    assert evse.enable(connector=0) == News("Enabled", pilot="enable X1")
    assert evse.events[-1].connector_id is None
    assert evse.enable(connector=1) == News()


def test_row_12_enable_while_the_tear_down_runs() -> None:
    """EVerest goes on to Disabled although the table says enabled; here the car goes on charging, and no event comes."""
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    assert evse.disable() == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(power="off")
    assert evse.enable() == News()
    assert evse.after_contactor() == News("ChargingPausedEV", pilot="pwm 53.33")
    assert evse.cp("C") == News("PrepareCharging ChargingStarted", power="on")


def test_row_27_no_energy_at_start() -> None:
    """EVerest sends pwm_on(100) in the first session after boot, and nothing in later ones; here X1 stays."""
    evse = waiting_for_energy()
    assert evse.wait(100) == News()
    assert evse.cp("C") == News()
    assert evse.cp("B") == News("ChargingPausedEVSE(NoEnergy)")
    assert evse.limited(10.0) == News("PrepareCharging", pilot="pwm 16.67")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_28_the_limit_falls_below_6_a() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.limited(5.0) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News("ChargingPausedEVSE(NoEnergy)", power="off")
    assert evse.limited(16.0) == News("PrepareCharging", pilot="pwm 26.67")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_29_limits_change_while_charging() -> None:
    evse = Scenario()
    evse.charging(limit_a=16.0)
    assert evse.limited(12.0) == News(pilot="pwm 20")
    assert evse.limited(6.0) == News()
    assert evse.wait(4.9) == News()
    assert evse.wait(0.2) == News(pilot="pwm 10")
    evse.limited(20.0)
    assert evse.limited(32.0) == News()
    assert evse.wait(5) == News(pilot="pwm 53.33")
    assert evse.published[-1] == "limits=max_current=32.0 nr_of_phases_available=3 uuid='evse_manager'"


def test_row_31_energy_arrives_after_half_a_minute() -> None:
    """EVerest wakes the car up at once, as it counts from PrepareCharging; a car that was offered nothing sleeps not."""
    evse = waiting_for_energy()
    evse.wait(35)
    assert evse.limited(16.0) == News(pilot="pwm 26.67")
    assert evse.wait(29.9) == News()
    assert evse.wait(0.2) == News(pilot="F")
    assert evse.wait(4.8) == News("PrepareCharging", pilot="X1 pwm 26.67")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_36_no_energy_while_the_car_pauses() -> None:
    evse = Scenario()
    evse.charging()
    evse.cp("B")
    evse.wait(5)
    assert evse.limited(0.0) == News("ChargingPausedEVSE(NoEnergy)", pilot="X1")
    assert evse.limited(16.0) == News("PrepareCharging", pilot="pwm 26.67")


def interrupted(evse: Scenario) -> dict[str, Any]:
    """A run before this one was killed in a transaction that it had begun at 7 Wh; its record."""
    evse.grammar.session, evse.grammar.transaction = "old", True
    evse.energy_wh = 7.0
    return {"session_id": "old", "meter_value": meter(7.0).model_dump(mode="json", exclude_none=True)}


@pytest.mark.parametrize(("now_wh", "ends_wh"), [(9.0, 9.0), (2.0, 7.0), (None, 7.0)])
def test_energy_never_falls_over_a_restart(now_wh: float | None, ends_wh: float) -> None:
    """Also where the meter has begun anew, or has told nothing yet."""
    evse = Scenario()
    record = interrupted(evse)
    if now_wh is not None:
        evse.sample(now_wh)
    evse.tell(ev.Boot(unfinished=(record,)))
    finished = evse.events[1].transaction_finished
    assert finished is not None
    assert finished.meter_value.energy_Wh_import.total == ends_wh


def test_row_44_restart_with_an_open_transaction_and_the_car_still_there() -> None:
    """EVerest's TransactionFinished has an empty session id, and no SessionFinished follows; here both carry the old."""
    evse = Scenario()
    record = interrupted(evse)
    assert evse.after(ev.Boot(unfinished=(record,))) == News(
        "SessionResumed TransactionFinished(PowerLoss) SessionFinished Enabled",
        power="off",
        pilot="enable X1",
        meter="stop",
    )
    assert {event.uuid for event in evse.events} == {"old", ""}
    assert evse.order.index("commit transaction_finished") < evse.order.index("TransactionFinished")
    evse.limited(32.0)
    assert evse.cp("C") == News(PLUGGED, lock="lock")
    assert evse.events[-1].uuid not in ("", "old")
    assert evse.authorized() == News(
        f"{AUTHORIZED} ChargingStarted", power="on", pilot="pwm 53.33", meter="start"
    )


def test_row_51_pause_without_energy_then_resume() -> None:
    """EVerest with request_zero_power_in_idle never gets energy again; here it resumes as soon as there is a limit."""
    evse = Scenario()
    evse.charging()
    evse.accepted(ev.Pause())
    assert evse.cp("B") == News("ChargingPausedEVSE(UserPause)", power="off")
    assert evse.limited(0.0) == News("ChargingPausedEVSE(NoEnergy,UserPause)")
    assert evse.accepted(ev.Resume()) == News("ChargingPausedEVSE(NoEnergy)")
    assert evse.limited(0.0) == News()
    assert evse.limited(16.0) == News("PrepareCharging", pilot="pwm 26.67")


def test_row_53_a_socket_waits_for_the_cables_rating() -> None:
    evse = Scenario()
    evse.begin()
    evse.tell(ev.CapabilitiesChanged(SOCKET))
    assert evse.published[-1].startswith("limits=max_current=0.0")
    assert evse.cp("B") == News(PLUGGED, lock="lock")
    assert evse.authorized() == News("Authorized")
    assert evse.cable_is(20.0) == News("TransactionStarted PrepareCharging", pilot="pwm 33.33", meter="start")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_56_external_ready() -> None:
    evse = Scenario()
    assert evse.after(ev.Boot(wait_for_external_ready=True)) == News(power="off")
    assert "waiting_for_external_ready=True" in evse.published
    assert evse.cp("B") == News()
    assert evse.authorized() == News()
    assert evse.accepted(ev.ExternalReady()) == News("Enabled", pilot="enable X1")
    assert evse.published[-1] == "ready=True"
    assert evse.accepted(ev.ExternalReady()) == News()


def test_row_62_the_limit_expires() -> None:
    """EVerest waits a whole second more than the limit is valid."""
    evse = Scenario()
    evse.charging()
    evse.limited(32.0, valid_for_s=6.0)
    assert evse.wait(5.9) == News()
    assert evse.wait(0.2) == News("StoppingCharging", pilot="X1")
    assert evse.published[-1].startswith("limits=max_current=0.0")
    assert evse.cp("B") == News("ChargingPausedEVSE(NoEnergy)", power="off")
    assert evse.limited(32.0) == News("PrepareCharging", pilot="pwm 53.33")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_66a_plugged_in_while_disabled() -> None:
    evse = Scenario()
    evse.begin()
    assert evse.disable() == News("Disabled", pilot="F disable")
    assert evse.cp("B") == News()
    assert evse.authorized() == News()
    assert evse.enable() == News("Enabled", pilot="enable X1")
    assert evse.cp("F") == News()
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_a_car_unplugged_while_disabled_gets_no_session() -> None:
    evse = Scenario()
    evse.charging()
    evse.disable()
    evse.cp("B")
    evse.enable()
    assert evse.cp("A") == News()


def test_the_cable_limits_a_running_session_at_once_and_a_lost_contact_cuts_power() -> None:
    evse = Scenario()
    evse.boot()
    evse.tell(ev.CapabilitiesChanged(SOCKET))
    evse.cable(32.0)
    evse.tell(ev.CpChanged("A"))
    evse.limit(32.0)
    evse.plug_in()
    evse.authorize()
    evse.cp("C")
    evse.wait(60)
    assert evse.cable_is(13.0) == News(pilot="pwm 21.67")
    assert evse.cable_is(None) == News(
        "StoppingCharging ChargingPausedEVSE(NoEnergy)", power="off", pilot="X1"
    )
    assert evse.cp("A") == News(f"StoppingCharging {ENDED}", lock="unlock", meter="stop")


def test_a_board_that_derates_is_obeyed_at_once() -> None:
    evse = Scenario()
    evse.charging()
    cooler = SOCKET.model_copy(update={"connector_type": "IEC62196Type2Cable", "max_current_A_import": 16.0})
    assert evse.after(ev.CapabilitiesChanged(cooler)) == News(pilot="pwm 26.67")
    assert evse.published[-1].startswith("limits=max_current=16.0")
    assert evse.limited(63.0) == News()


def test_disable_ends_a_session_that_waits_for_its_car() -> None:
    evse = Scenario()
    evse.begin()
    evse.authorize()
    evse.since_last()
    assert evse.disable() == News("SessionFinished Disabled", pilot="F disable")


def test_a_car_whose_session_was_withdrawn_leaves() -> None:
    evse = Scenario()
    evse.socket()
    evse.cp("B")
    evse.authorize()
    evse.tell(ev.Withdraw())
    evse.since_last()
    assert evse.cp("A") == News(lock="unlock")
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_the_wake_up_is_counted_anew_when_energy_comes_back() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    evse.wait(20)
    assert evse.limited(0.0) == News(pilot="X1")
    evse.wait(20)
    assert evse.limited(16.0) == News(pilot="pwm 26.67")
    assert evse.wait(29.9) == News()
    assert evse.wait(0.2) == News(pilot="F")
