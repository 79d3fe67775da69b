"""The reference's scenarios (evse-manager.md §10.1) of errors.

Everywhere EVerest repeats the entry action of the present state when a fatal error comes or goes (a second
ChargingStarted, AuthRequired, ChargingPausedEVSE …); here an event says that something happened.
"""

from __future__ import annotations

import pytest

from evse_daemon.modules.evse_manager import events as ev
from tests.modules.evse_manager.plant import UTC
from tests.modules.evse_manager.scenario import AUTHORIZED, ENDED, PLUGGED, News, Scenario, cause

BSP = "evse_board_support/"
EMERGENCY_STOP = cause(f"{BSP}MREC8EmergencyStop")
RCD = cause("ac_rcd/DC", source_="ac_rcd")
RCD_MEDIUM = cause("ac_rcd/AC", "Medium", source_="ac_rcd")
GROUND = cause(f"{BSP}MREC2GroundFailure")
UNDERVOLTAGE = cause(f"{BSP}MREC6UnderVoltage")

FAULTED = News("StoppingCharging ChargingPausedEVSE(Error)", power="off", pilot="X1", errors="+Inoperative")


@pytest.mark.parametrize("error", [RCD, RCD_MEDIUM], ids=["row 13: High", "row 14: Medium"])
def test_rows_13_and_14_error_while_charging_then_cleared(error: ev.Cause) -> None:
    """Severity makes no difference: power is cut first, then PWM."""
    evse = Scenario()
    evse.charging()
    assert evse.errors_are(error) == FAULTED
    assert evse.cp("B") == News()
    assert evse.errors_are() == News("PrepareCharging", pilot="pwm 53.33", errors="-Inoperative")
    assert evse.cp("C") == News("ChargingStarted", power="on")
    assert len({event.uuid for event in evse.events if event.event != "Enabled"}) == 1


def test_row_15_a_second_error() -> None:
    evse = Scenario()
    evse.charging()
    evse.errors_are(RCD_MEDIUM)
    assert evse.errors_are(RCD_MEDIUM, GROUND) == News(errors="-Inoperative +Inoperative")
    assert evse.raised.message == f"{BSP}MREC2GroundFailure"
    assert evse.raised.description == "MREC2GroundFailure, AC"
    assert evse.errors_are(GROUND) == News(errors="-Inoperative +Inoperative")
    assert evse.raised.description == "MREC2GroundFailure"
    assert evse.errors_are() == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33", errors="-Inoperative"
    )


def test_row_16_unplug_while_faulted() -> None:
    evse = Scenario()
    evse.charging()
    evse.errors_are(RCD)
    assert evse.cp("A") == News(f"StoppingCharging {ENDED}", pilot="F", lock="unlock", meter="stop")
    assert evse.cp("F") == News()
    assert evse.errors_are() == News(pilot="X1", errors="-Inoperative")
    assert evse.cp("A") == News()


def test_row_17_error_without_a_car_and_a_car_that_comes() -> None:
    evse = Scenario()
    evse.begin()
    assert evse.errors_are(EMERGENCY_STOP) == News(pilot="F", errors="+Inoperative")
    assert evse.cp("F") == News()
    assert evse.errors_are() == News(pilot="X1", errors="-Inoperative")
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_row_17_a_card_while_faulted_is_not_taken() -> None:
    """Auth rejects it; if it comes all the same, it is taken back at once."""
    evse = Scenario()
    evse.begin()
    evse.errors_are(EMERGENCY_STOP)
    assert evse.authorized() == News("SessionStarted(Authorized) Authorized Deauthorized SessionFinished")
    assert evse.errors_are() == News(pilot="X1", errors="-Inoperative")


def test_row_18_authorized_first_then_an_error() -> None:
    evse = Scenario()
    evse.begin()
    evse.authorized()
    assert evse.errors_are(EMERGENCY_STOP) == News(
        "Deauthorized SessionFinished", pilot="F", errors="+Inoperative"
    )


def test_row_19_a_warning() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.errors_are(cause(f"{BSP}MREC3HighTemperature", "Low")) == News()
    assert evse.errors_are() == News()


def test_row_20_error_while_waiting_for_authorization() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    assert evse.errors_are(EMERGENCY_STOP) == News(errors="+Inoperative")
    assert evse.errors_are() == News(errors="-Inoperative")
    assert evse.authorized() == News("Authorized")
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


def test_row_21_error_before_the_car_took_power() -> None:
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.authorized()
    assert evse.errors_are(UNDERVOLTAGE) == News(
        "StoppingCharging ChargingPausedEVSE(Error)", pilot="X1", errors="+Inoperative"
    )
    assert evse.errors_are() == News("PrepareCharging", pilot="pwm 53.33", errors="-Inoperative")


def test_row_22_error_while_the_car_pauses() -> None:
    """EVerest keeps PWM on, and the error shows only when the car comes back; here at once, and PWM goes off."""
    evse = Scenario()
    evse.charging()
    evse.cp("B")
    evse.wait(5)
    assert evse.errors_are(UNDERVOLTAGE) == News(
        "ChargingPausedEVSE(Error)", pilot="X1", errors="+Inoperative"
    )
    assert evse.cp("C") == News()
    assert evse.errors_are() == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33", errors="-Inoperative"
    )


def test_row_23_error_while_the_user_pauses() -> None:
    """As EVerest: the one case in which state F is signalled for 0.3 s after a fault."""
    evse = Scenario()
    evse.charging()
    evse.accepted(ev.Pause())
    evse.cp("B")
    assert evse.errors_are(UNDERVOLTAGE) == News(
        "ChargingPausedEVSE(Error,UserPause)", pilot="F", errors="+Inoperative"
    )
    assert evse.wait(0.29) == News()
    assert evse.wait(0.02) == News(pilot="X1")
    assert evse.accepted(ev.Resume()) == News("ChargingPausedEVSE(Error)")
    assert evse.errors_are() == News("PrepareCharging", pilot="pwm 53.33", errors="-Inoperative")
    assert evse.cp("C") == News("ChargingStarted", power="on")


def test_row_24_control_pilot_short_while_charging() -> None:
    """In EVerest E→C leads nowhere until the car goes through B; here charging goes on, once the lock has locked."""
    evse = Scenario()
    evse.charging()
    assert evse.cp("E") == News(
        "StoppingCharging ChargingPausedEV", power="off", pilot="X1 pwm 53.33", lock="unlock"
    )
    assert evse.cp("C") == News("PrepareCharging ChargingStarted", power="on", lock="lock")


def test_row_25_diode_fault_that_ends_when_the_car_leaves() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.errors_are(cause(f"{BSP}DiodeFault")) == FAULTED
    assert evse.cp("A") == News(f"StoppingCharging {ENDED}", pilot="F", lock="unlock", meter="stop")
    assert evse.errors_are() == News(pilot="X1", errors="-Inoperative")


def test_row_26_the_board_reports_f_while_charging() -> None:
    """EVerest stays in Charging without power; here it is a pilot fault that pauses, and charging resumes after it."""
    evse = Scenario()
    evse.charging()
    assert evse.cp("F") == FAULTED
    assert evse.raised.description == "MREC14PilotFault"
    assert evse.wait(4.9) == News()
    assert evse.wait(0.2) == News(lock="unlock")
    assert evse.cp("C") == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33", lock="lock", errors="-Inoperative"
    )


def test_row_45_the_contactor_does_not_open_at_stop() -> None:
    """EVerest waits for ever; here it is an error after 1 s, the session ends, and only the service unlocks."""
    evse = Scenario()
    evse.charging()
    evse.prompt = False
    assert evse.accepted(ev.Stop("Remote")) == News("StoppingCharging", pilot="X1")
    assert evse.cp("B") == News(power="off")
    assert evse.wait(0.9) == News()
    assert evse.wait(0.2) == News(errors="+Internal/ContactorWelded +Inoperative", meter="stop")
    evse.answer()
    evse.answer()
    assert evse.since_last() == News("ChargingFinished TransactionFinished(Remote)")
    assert evse.cp("A") == News("SessionFinished", pilot="F")
    evse.power_allowed = evse.contactor_closed = False
    assert evse.after(ev.ContactorChanged(closed=False)) == News()
    assert evse.state.charger == "Idle"
    assert evse.state.inoperative, "a contactor that did not open once is not trusted again"
    evse.accepted(ev.ClearLatched("evse_manager/Internal/ContactorWelded"))
    assert not evse.state.inoperative


def test_row_46_state_d_without_ventilation() -> None:
    """EVerest stays in Charging without power until the car goes through B; here it pauses with an error, and resumes."""
    evse = Scenario()
    evse.charging()
    assert evse.cp("D") == FAULTED
    assert evse.raised.description == "VentilationNotAvailable"
    assert evse.cp("C") == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33", errors="-Inoperative"
    )


def test_row_46_state_d_with_ventilation() -> None:
    evse = Scenario(has_ventilation=True)
    evse.charging()
    assert evse.cp("D") == News()
    assert evse.cp("C") == News()
    assert evse.cp("B") == News("StoppingCharging ChargingPausedEV", power="off", pilot="X1 pwm 53.33")
    assert evse.cp("D") == News("PrepareCharging ChargingStarted", power="on")


def test_row_47_state_d_and_the_board_raises_its_error() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.cp("D") == FAULTED
    raised = cause(f"{BSP}VentilationNotAvailable")
    assert evse.errors_are(raised) == News()
    assert evse.raised.description == "VentilationNotAvailable"
    assert evse.cp("C") == News()
    assert evse.errors_are() == News(
        "PrepareCharging ChargingStarted", power="on", pilot="pwm 53.33", errors="-Inoperative"
    )


def test_row_50_a_warning_of_the_meter() -> None:
    """EVerest's code takes it as fatal, its documentation does not; a warning is a warning."""
    evse = Scenario()
    evse.charging()
    assert evse.errors_are(cause("powermeter/VendorWarning", "Low", source_="powermeter")) == News()


def test_row_66b_error_while_stopping_and_the_car_stays_in_c() -> None:
    """EVerest keeps the contactor closed for up to 6 s more; here an error cuts power in every state."""
    evse = Scenario()
    evse.charging()
    assert evse.accepted(ev.Stop("Remote")) == News("StoppingCharging", pilot="X1")
    assert evse.errors_are(RCD) == News(
        "ChargingFinished TransactionFinished(Remote)", power="off", errors="+Inoperative", meter="stop"
    )
    assert evse.errors_are() == News(errors="-Inoperative")
    assert evse.cp("A") == News("SessionFinished", lock="unlock")


def test_row_67_the_meter_cannot_start_a_transaction() -> None:
    """Unlike EVerest's: no second AuthRequired, and no pulse of F when the car leaves."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    assert evse.authorized() == News("Authorized", meter="start")
    evse.answer("the meter is locked")
    assert evse.since_last() == News(errors="+PowermeterTransactionStartFailed +Inoperative")
    assert evse.state.charger == "Finished"
    evse.prompt = True
    assert evse.cp("A") == News(
        "SessionFinished", lock="unlock", errors="-PowermeterTransactionStartFailed -Inoperative"
    )
    assert evse.cp("B") == News(PLUGGED, lock="lock")


def test_row_67_meter_errors_may_be_ignored() -> None:
    evse = Scenario(fail_on_powermeter_errors=False)
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    assert evse.authorized() == News("Authorized", meter="start")
    evse.answer("the meter is locked")
    evse.answer()
    assert evse.since_last() == News("TransactionStarted PrepareCharging", pilot="pwm 53.33")


def test_row_67_a_meter_that_does_not_answer_is_told_to_stop() -> None:
    """It may have begun all the same, and would refuse the next start."""
    evse = Scenario()
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    evse.authorized()
    assert evse.wait(9.9) == News()
    assert evse.wait(0.2) == News(errors="+PowermeterTransactionStartFailed +Inoperative", meter="stop")
    assert UTC in evse.events[-1].timestamp


def test_without_a_meter_nobody_is_asked() -> None:
    evse = Scenario(has_billing_meter=False)
    evse.begin()
    evse.cp("B")
    assert evse.authorized() == News(AUTHORIZED, pilot="pwm 53.33")
    assert evse.cp("A") == News(f"StoppingCharging {ENDED}", pilot="X1", lock="unlock")
