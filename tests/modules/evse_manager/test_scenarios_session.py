"""The reference's scenarios (evse-manager.md §10.1) of sessions: authorization, pauses by car and user, stops.

Each row of that table is one test, named by it. Every channel is asserted; power-off is commanded only where power was
on, where EVerest repeats it.
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.plant import ACCEPTED, TOKEN
from tests.modules.evse_manager.scenario import AUTHORIZED, ENDED, PLUGGED, News, Scenario


def test_row_01_normal_session_with_pauses_and_remote_stop() -> None:
    evse = Scenario()
    evse.begin()
    assert evse.cp("B") == News(PLUGGED, lock="lock")
    assert evse.authorized() == News(AUTHORIZED, pilot="pwm 53.33", meter="start")
    assert evse.cp("C") == News("ChargingStarted", power="on")
    evse.wait(3)
    assert evse.cp("B") == News("StoppingCharging ChargingPausedEV", power="off", pilot="X1")
    assert evse.wait(1.9) == News()
    assert evse.wait(0.2) == News(pilot="pwm 53.33")
    assert evse.cp("C") == News("PrepareCharging ChargingStarted", power="on")
    assert evse.accepted(ev.Pause()) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News("ChargingPausedEVSE(UserPause)", power="off")
    assert evse.accepted(ev.Resume()) == News("PrepareCharging", pilot="pwm 53.33")
    assert evse.cp("C") == News("ChargingStarted", power="on")
    assert evse.accepted(ev.Stop("Remote")) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News("ChargingFinished TransactionFinished(Remote)", power="off", meter="stop")
    assert evse.authorized() == News()
    assert evse.cp("A") == News("SessionFinished", lock="unlock")
    assert len({event.uuid for event in evse.events if event.event != "Enabled"}) == 1


def test_row_02_authorize_first_then_plug_in() -> None:
    evse = Scenario()
    evse.begin()
    assert evse.authorized() == News("SessionStarted(Authorized) Authorized")
    assert evse.events[-2].session_started is not None
    assert evse.events[-2].session_started.id_tag == TOKEN
    assert evse.cp("B") == News(
        "AuthRequired TransactionStarted PrepareCharging", pilot="pwm 53.33", lock="lock", meter="start"
    )
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_03_unplug_while_charging() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.cp("A") == News(
        f"StoppingCharging {ENDED}", power="off", pilot="X1", lock="unlock", meter="stop"
    )
    assert evse.state.charger == "Idle"


def test_row_04_authorized_but_never_plugged_in() -> None:
    evse = Scenario()
    evse.begin()
    evse.authorized()
    assert evse.after(ev.Withdraw()) == News("Deauthorized SessionFinished")
    assert evse.after(ev.Withdraw()) == News()


def test_row_05_plug_in_timeout_then_a_late_card() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.after(ev.Withdraw()) == News("Deauthorized PluginTimeout")
    assert evse.authorized() == News(AUTHORIZED, pilot="pwm 53.33", meter="start")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_06_unplug_before_authorization() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


def test_row_07_plug_in_timeout_as_an_error() -> None:
    """EVerest repeats AuthRequired when the error appears, and pulses F for 0.1 s when the car leaves; we do neither."""
    evse = Scenario(raise_mrec9=True)
    evse.begin()
    evse.cp("B")
    assert evse.after(ev.Withdraw()) == News(
        "Deauthorized PluginTimeout", errors="+MREC9AuthorizationTimeout +Inoperative"
    )
    assert evse.state.charger == "Finished"
    assert evse.authorized() == News("Authorized")
    assert evse.cp("A") == News(
        "SessionFinished", lock="unlock", errors="-MREC9AuthorizationTimeout -Inoperative"
    )
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_row_30_a_sleeping_car_is_woken_up_then_counts_as_paused() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    assert evse.wait(29.9) == News()
    assert evse.wait(0.2) == News(pilot="F")
    assert evse.cp("F") == News()
    assert evse.wait(3.8) == News()
    assert evse.wait(0.2) == News(pilot="X1")
    assert evse.cp("B") == News()
    assert evse.wait(0.8) == News("PrepareCharging", pilot="pwm 53.33")
    assert evse.wait(9.7) == News()
    assert evse.wait(0.3) == News("ChargingPausedEV")
    assert evse.wait(600) == News()
    assert evse.cp("C") == News("PrepareCharging ChargingStarted", power="on")


def test_row_32_the_car_ignores_the_pause() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.Pause()) == News("StoppingCharging", pilot="X1")
    assert evse.wait(5.9) == News()
    assert evse.wait(0.2) == News("ChargingPausedEVSE(UserPause)", power="off")
    assert evse.accepted(ev.Resume()) == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33"
    )


def test_row_33_pause_before_the_car_takes_power() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    assert evse.accepted(ev.Pause()) == News()
    assert evse.cp("C") == News("ChargingStarted StoppingCharging ChargingPausedEVSE(UserPause)", pilot="X1")


def test_row_34_pause_while_the_car_pauses() -> None:
    evse = Scenario()
    evse.charging()
    evse.cp("B")
    evse.wait(5)
    assert evse.accepted(ev.Pause()) == News()
    assert evse.cp("C") == News(
        "PrepareCharging ChargingStarted StoppingCharging ChargingPausedEVSE(UserPause)", pilot="X1"
    )


def test_row_35_withdrawn_authorization_does_not_end_a_transaction() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.after(ev.Withdraw()) == News("Deauthorized")
    assert evse.power_allowed


def test_row_48_a_second_swipe_stops_and_unlocks() -> None:
    evse = Scenario(unlock_when_deauthorized=True)
    evse.begin()
    assert evse.cp("B") == News(PLUGGED)
    assert evse.authorized() == News(AUTHORIZED, pilot="pwm 53.33", lock="lock", meter="start")
    evse.cp("C")
    assert evse.accepted(ev.Stop("Local", TOKEN)) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(
        "ChargingFinished TransactionFinished(Local)", power="off", lock="unlock", meter="stop"
    )
    finished = evse.events[-1].transaction_finished
    assert finished is not None
    assert finished.id_tag == TOKEN
    assert evse.cp("A") == News("SessionFinished")


def test_row_49_force_unlock_while_charging() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.ForceUnlock()) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(
        "ChargingFinished TransactionFinished(UnlockCommand)", power="off", lock="unlock", meter="stop"
    )
    assert evse.cp("A") == News("SessionFinished")
    assert evse.accepted(ev.ForceUnlock()) == News(lock="unlock")


def test_row_54_a_car_without_a_switch_for_state_b_is_held_to_10_a() -> None:
    evse = Scenario(simplified_mode_limit_10a=True)
    evse.begin()
    assert evse.cp("C") == News(PLUGGED, lock="lock")
    assert evse.authorized() == News(
        f"{AUTHORIZED} ChargingStarted", power="on", pilot="pwm 16.67", meter="start"
    )


def test_row_55_free_service() -> None:
    """The shell gives the token; see test_module.py. The core treats it as any other."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    free = TOKEN.model_copy(update={"prevalidated": True})
    assert evse.after(ev.Authorize(free, ACCEPTED)) == News(AUTHORIZED, pilot="pwm 53.33", meter="start")


def test_row_57_resume_while_still_stopping() -> None:
    """EVerest is stuck in ChargingPausedEV without power; here charging goes on once the contactor has opened."""
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.Pause()) == News("StoppingCharging", pilot="X1")
    assert evse.accepted(ev.Resume()) == News()
    assert evse.wait(6.1) == News("PrepareCharging ChargingStarted", power="off on", pilot="pwm 53.33")


def test_row_58_the_car_comes_back_before_the_contactor_opened() -> None:
    """EVerest is stuck in ChargingPausedEV without power; here charging goes on once the contactor has opened."""
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    assert evse.cp("B") == News("StoppingCharging", power="off", pilot="X1")
    assert evse.cp("C") == News()
    assert evse.after_contactor() == News("PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33")


def test_row_63_the_authorization_is_withdrawn_while_charging() -> None:
    """Auth makes a stop of it."""
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.Stop("DeAuthorized")) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(
        "ChargingFinished TransactionFinished(DeAuthorized)", power="off", meter="stop"
    )
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


def test_row_64_the_authorization_is_withdrawn_before_the_car_came() -> None:
    evse = Scenario()
    evse.begin()
    evse.authorized()
    assert evse.after(ev.Withdraw()) == News("Deauthorized SessionFinished")
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_row_65_stop_button_and_withdrawal_when_finished() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.Stop("Local")) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News("ChargingFinished TransactionFinished(Local)", power="off", meter="stop")
    assert evse.after(ev.Withdraw()) == News("Deauthorized")
    assert evse.refused(ev.Stop("Local")) == News()


def preparing() -> Scenario:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    return evse


def test_row_66_unplug_before_the_car_took_power() -> None:
    assert preparing().cp("A") == News(f"StoppingCharging {ENDED}", pilot="X1", lock="unlock", meter="stop")


def test_row_66_stop_before_the_car_took_power() -> None:
    evse = preparing()
    assert evse.accepted(ev.Stop("Remote")) == News(
        "StoppingCharging ChargingFinished TransactionFinished(Remote)", pilot="X1", meter="stop"
    )
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


def test_row_66_disable_before_the_car_took_power() -> None:
    """Unlike EVerest's, the lock opens: a cable in a socket out of service is its owner's."""
    evse = preparing()
    assert evse.disable(connector=0) == News(
        "StoppingCharging ChargingFinished TransactionFinished(EVSEDisabled) SessionFinished Disabled",
        pilot="X1 F disable",
        lock="unlock",
        meter="stop",
    )
    assert evse.events[-1].connector_id is None


def test_every_pause_is_told_and_none_twice() -> None:
    evse = Scenario()
    evse.charging()
    for _ in range(2):
        evse.accepted(ev.Pause())
        assert evse.cp("B") == News("ChargingPausedEVSE(UserPause)", power="off")
        assert evse.accepted(ev.Pause()) == News()
        assert evse.wait(60) == News()
        evse.accepted(ev.Resume())
        evse.cp("C")
