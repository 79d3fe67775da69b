"""The rows of the reference's scenario table (evse-manager.md §10.1) that are about errors."""

from __future__ import annotations

import pytest

from evse_daemon.framework.errors import Severity
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from tests.modules.evse_manager.plant import WARNING, Plant

INOPERATIVE = ("evse_manager/Inoperative", "")


def error(type_: str, severity: Severity = "High") -> ev.Cause:
    source = {"evse_board_support": "bsp"}.get(type_.partition("/")[0], type_.partition("/")[0])
    return ev.Cause(source, type_, "", severity)


RCD = error("ac_rcd/DC")
STOP_BUTTON = error("evse_board_support/MREC8EmergencyStop")


class Recorded(Plant):
    """A plant that keeps the text of the Inoperative error."""

    def __init__(self, config: KernelConfig | None = None, *, prompt: bool = True) -> None:
        super().__init__(config, prompt=prompt)
        self.inoperative: list[str] = []

    def _journal(self, effect: fx.JournalEffect) -> None:
        match effect:
            case fx.RaiseError(type_, message) if type_ == INOPERATIVE[0]:
                self.inoperative.append(f"{message}: {effect.description}")
            case fx.ClearError(type_) if type_ == INOPERATIVE[0]:
                self.inoperative.append("cleared")
        super()._journal(effect)

    def causes_are(self, *causes: ev.Cause) -> None:
        self.tell(ev.CausesChanged(causes))

    def pilot_commands(self) -> list[str]:
        """What was signalled since this was asked last."""
        names = {fx.SetPwm: "pwm", fx.SetX1: "X1", fx.SetF: "F"}
        found = [names[type(effect)] for effect in self.board if type(effect) in names]
        self.board.clear()
        return found


def charging(**config: object) -> Recorded:
    plant = Recorded(KernelConfig(**config))  # type: ignore[arg-type]  # options by name
    plant.charge()
    plant.news()
    plant.pilot_commands()
    return plant


@pytest.mark.parametrize("severity", ["High", "Medium", "Low"])
def test_row_13_14_an_error_while_charging_pauses_until_it_clears(severity: Severity) -> None:
    """Unlike the real one, ChargingStarted is not told a second time."""
    plant = charging()
    plant.causes_are(error("ac_rcd/DC", severity))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    assert plant.pilot_commands() == ["X1"]
    assert not plant.contactor_closed
    plant.tell(ev.CpChanged("B"))
    plant.causes_are()
    assert plant.news() == ["PrepareCharging"]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["ChargingStarted"]
    assert plant.contactor_closed


def test_row_15_a_second_error_renews_inoperative_and_no_event_is_told() -> None:
    plant = charging()
    ac, ground = error("ac_rcd/AC", "Medium"), error("evse_board_support/MREC2GroundFailure")
    plant.causes_are(ac)
    plant.news()
    plant.causes_are(ac, ground)
    plant.causes_are(ground)
    assert plant.news() == []
    plant.causes_are()
    assert plant.inoperative == [
        "ac_rcd/AC: AC",
        "cleared",
        "evse_board_support/MREC2GroundFailure: MREC2GroundFailure, AC",
        "cleared",
        "evse_board_support/MREC2GroundFailure: MREC2GroundFailure",
        "cleared",
    ]
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


def test_row_16_unplug_while_faulted_ends_the_session_and_signals_f_until_it_clears() -> None:
    plant = charging()
    plant.causes_are(RCD)
    plant.tell(ev.CpChanged("A"))
    assert plant.news()[2:] == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished(EVDisconnected)",
        "SessionFinished",
    ]
    assert plant.pilot == "F"
    plant.causes_are()
    assert plant.pilot == "X1"
    assert not plant.errors


def test_row_17_a_car_that_is_plugged_in_during_an_error_is_found_when_it_clears() -> None:
    plant = Recorded()
    plant.boot()
    plant.limit(16.0)
    plant.news()
    plant.causes_are(STOP_BUTTON)
    assert plant.pilot == "F"
    plant.tell(ev.CpChanged("F"))
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == []
    plant.causes_are()
    assert plant.news() == ["SessionStarted", "AuthRequired"]


def test_row_18_an_authorization_without_a_car_is_taken_back_by_an_error() -> None:
    plant = Recorded()
    plant.boot()
    plant.authorize()
    plant.news()
    plant.causes_are(STOP_BUTTON)
    assert plant.news() == ["Deauthorized", "SessionFinished"]


def test_row_19_a_warning_changes_nothing() -> None:
    plant = charging()
    plant.causes_are(WARNING)
    assert plant.news() == []
    assert not plant.errors
    assert plant.power_allowed


def test_row_20_an_error_before_the_authorization_needs_a_replug() -> None:
    plant = Recorded()
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.news()
    plant.causes_are(STOP_BUTTON)
    plant.causes_are()
    plant.authorize()
    assert plant.news() == ["Authorized"]
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == ["SessionFinished"]


def test_row_21_an_error_before_the_car_draws_power() -> None:
    plant = Recorded()
    plant.boot()
    plant.limit(16.0)
    plant.plug_in()
    plant.authorize()
    plant.news()
    plant.causes_are(STOP_BUTTON)
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    assert plant.pilot == "X1"
    plant.causes_are()
    assert plant.news() == ["PrepareCharging"]
    assert plant.pilot == "PWM"


def test_row_22_an_error_while_the_car_pauses() -> None:
    """Unlike the real one, it shows at once and not when the car comes back."""
    plant = charging()
    plant.tell(ev.CpChanged("B"))
    plant.advance(6)
    plant.news()
    plant.causes_are(error("evse_board_support/MREC6UnderVoltage"))
    assert plant.news() == ["ChargingPausedEVSE(Error)"]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == []
    plant.causes_are()
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


def paused_by_the_user(**config: object) -> Recorded:
    plant = charging(**config)
    plant.tell(ev.Pause())
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(UserPause)"]
    plant.pilot_commands()
    return plant


def test_row_23_an_error_during_the_users_pause_signals_f_for_a_moment() -> None:
    plant = paused_by_the_user()
    plant.causes_are(error("evse_board_support/MREC6UnderVoltage"))
    assert plant.news() == ["ChargingPausedEVSE(Error,UserPause)"]
    plant.tell(ev.CpChanged("F"))
    assert plant.pilot_commands() == ["F"]
    plant.advance(0.29)
    assert plant.pilot_commands() == []
    plant.advance(0.02)
    assert plant.pilot_commands() == ["X1"]
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.Resume())
    assert plant.news() == ["ChargingPausedEVSE(Error)"]
    plant.causes_are()
    assert plant.news() == ["PrepareCharging"]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["ChargingStarted"]


def test_state_f_after_a_fault_lasts_its_time_whatever_happens_meanwhile() -> None:
    plant = paused_by_the_user(state_f_after_fault_s=1.0)
    plant.causes_are(RCD)
    plant.tell(ev.Resume())
    plant.causes_are()
    plant.tell(ev.Stop("Remote"))
    plant.advance(0.9)
    assert plant.pilot_commands() == ["F"]
    plant.advance(0.2)
    assert plant.pilot_commands() == ["X1"]
    assert plant.news()[-2:] == ["ChargingFinished", "TransactionFinished(Remote)"]


def test_state_f_after_a_fault_can_be_switched_off() -> None:
    """Some older hybrids never charge again once they have seen it."""
    plant = paused_by_the_user(state_f_after_fault_s=0.0)
    plant.causes_are(RCD)
    assert plant.news() == ["ChargingPausedEVSE(Error,UserPause)"]
    assert plant.pilot_commands() == []


def test_a_second_error_does_not_signal_f_again() -> None:
    plant = paused_by_the_user()
    plant.causes_are(RCD)
    plant.advance(1)
    assert plant.pilot_commands() == ["F", "X1"]
    plant.causes_are(RCD, STOP_BUTTON)
    assert plant.pilot_commands() == []


def test_row_24_a_control_pilot_that_is_shorted_is_a_pause_of_the_car() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("E"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEV"]
    assert not plant.contactor_closed
    assert not plant.lock_holds
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["PrepareCharging", "ChargingStarted"], "the real one waits for C-B-C"


def test_row_25_a_diode_fault_that_clears_when_the_car_has_left() -> None:
    plant = charging()
    plant.causes_are(error("evse_board_support/DiodeFault"))
    plant.tell(ev.CpChanged("A"))
    plant.causes_are()
    assert plant.news()[-1] == "SessionFinished"
    assert plant.pilot == "X1"
    assert not plant.errors


def test_row_26_state_f_reported_by_the_board_is_a_fault_and_unlocks_after_5_s() -> None:
    """The real one stays in Charging without power."""
    plant = charging()
    plant.tell(ev.CpChanged("F"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    assert plant.inoperative == ["evse_board_support/MREC14PilotFault: MREC14PilotFault"]
    plant.advance(4.9)
    assert plant.lock_holds
    plant.advance(0.2)
    assert not plant.lock_holds
    plant.tell(ev.CpChanged("C"))
    assert plant.lock_holds
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


def test_row_45_a_contactor_that_does_not_open_ends_the_session_and_waits_for_the_service() -> None:
    """The real one never ends the session."""
    plant = charging()
    plant.prompt = False
    plant.tell(ev.Stop("Remote"))
    plant.tell(ev.CpChanged("B"))
    plant.advance(0.9)
    assert plant.news() == ["StoppingCharging"]
    plant.advance(0.2)
    while plant.pending:
        plant.answer()
    assert plant.news() == ["ChargingFinished", "TransactionFinished(Remote)"]
    assert ("evse_manager/Internal", "ContactorWelded") in plant.errors
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == ["SessionFinished"]
    assert plant.lock_holds
    plant.move_contactor()
    plant.causes_are()
    assert plant.lock_holds
    assert INOPERATIVE in plant.errors


def test_row_46_state_d_without_ventilation_is_a_fault() -> None:
    """The real one stays in Charging without power."""
    plant = charging()
    plant.tell(ev.CpChanged("D"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    assert plant.lock_holds
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


def test_row_47_the_boards_own_error_in_state_d_is_the_same_one() -> None:
    plant = charging()
    plant.tell(ev.CpChanged("D"))
    plant.causes_are(error("evse_board_support/VentilationNotAvailable"))
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    plant.causes_are()
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]
    assert plant.state.session.resumes == {"evse_board_support/VentilationNotAvailable": 1}


@pytest.mark.parametrize("type_", ["powermeter/VendorWarning", "connector_lock/VendorWarning"])
def test_row_50_a_makers_warning_is_no_error(type_: str) -> None:
    """The real one stops at powermeter/VendorWarning, against its own documentation."""
    plant = charging()
    plant.causes_are(error(type_, "Low"))
    assert plant.news() == []
    assert plant.power_allowed


def test_row_66b_an_error_while_stopping_cuts_power_at_once() -> None:
    """The real one waits for 6 to 20 s."""
    plant = charging()
    plant.tell(ev.Stop("Remote"))
    assert plant.power_allowed
    plant.causes_are(STOP_BUTTON)
    assert not plant.power_allowed
    plant.causes_are()
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == [
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished(Remote)",
        "SessionFinished",
    ]


def test_row_67_a_meter_that_cannot_start_a_transaction_needs_a_replug() -> None:
    plant = Recorded(prompt=False)
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.authorize()
    plant.news()
    starts = [i for i, effect in enumerate(plant.pending) if isinstance(effect, fx.StartMeter)]
    plant.answer("no", starts[0])
    assert ("evse_manager/PowermeterTransactionStartFailed", "") in plant.errors
    assert plant.state.charger == "Finished"
    assert plant.news() == []
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == ["SessionFinished"]
    assert not plant.errors


def test_a_car_that_leaves_during_its_fault_charges_when_it_comes_back() -> None:
    plant = charging()
    plant.causes_are(error("ac_rcd/Selftest"))
    plant.causes_are()
    assert INOPERATIVE in plant.errors
    plant.tell(ev.CpChanged("A"))
    assert not plant.errors
    plant.plug_in()
    plant.authorize()
    plant.tell(ev.CpChanged("C"))
    assert plant.power_allowed
