"""A socket: the cable in it says by its proximity contact how much it carries (rows 29 and 53)."""

from __future__ import annotations

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import energy_request, guards
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.types.energy import EnforcedLimits, LimitsRes, NumberWithSource
from tests.modules.evse_manager.plant import CAPABILITIES, SOCKET, Plant

MREC23 = "evse_board_support/MREC23ProximityFault"


def waiting() -> Plant:
    """A socket with a car, 32 A allowed; the cable is not known yet."""
    plant = Plant(capabilities=SOCKET)
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.limit(32.0)
    plant.plug_in()
    return plant


def charging(cable_a: float = 32.0) -> Plant:
    plant = waiting()
    plant.cable(cable_a)
    plant.authorize()
    plant.tell(ev.CpChanged("C"))
    plant.advance(60.0)
    plant.news()
    plant.board.clear()
    return plant


def limits_told(plant: Plant) -> list[float]:
    return [effect.limit_a for effect in plant.board if isinstance(effect, fx.SetOvercurrentLimit)]


def duties(plant: Plant) -> list[float]:
    return [round(100 * effect.duty, 2) for effect in plant.board if isinstance(effect, fx.SetPwm)]


def test_row_53_a_transaction_waits_until_the_cable_is_known() -> None:
    plant = waiting()
    assert limits_told(plant)[-1] == 0.0
    plant.authorize()
    assert plant.news() == ["Enabled", "SessionStarted(EVConnected)", "AuthRequired", "Authorized"]
    plant.advance(60.0)
    assert plant.news() == []
    plant.cable(20.0)
    assert limits_told(plant)[-1] == 20.0
    assert plant.news() == ["TransactionStarted", "PrepareCharging"]
    assert duties(plant) == [33.33]
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["ChargingStarted"]


def test_an_empty_socket_is_told_to_have_nothing() -> None:
    plant = Plant(capabilities=SOCKET)
    plant.boot()
    plant.limit(32.0)
    assert limits_told(plant) == [0.0]


def test_row_29_changes_of_the_limit_end_at_the_cable() -> None:
    plant = charging(20.0)
    for limit_a in (16.0, 6.0, 32.0):
        plant.limit(limit_a)
        plant.advance(5.0)
    assert duties(plant) == [26.67, 10.0, 33.33]
    assert plant.news() == []


def test_a_lower_rating_caps_at_once() -> None:
    plant = charging()
    plant.limit(30.0)
    plant.advance(1.0)
    plant.cable(13.0)
    assert duties(plant) == [50.0, 21.67]
    assert plant.power_allowed


def test_a_higher_rating_waits_five_seconds() -> None:
    plant = charging(20.0)
    plant.cable(13.0)
    plant.advance(4.9)
    plant.cable(32.0)
    assert duties(plant) == [21.67]
    plant.advance(0.1)
    assert duties(plant) == [21.67, 53.33]


def test_a_lost_contact_while_charging_cuts_power_in_the_same_step() -> None:
    plant = charging()
    plant.cable(None)
    assert not plant.power_allowed
    assert plant.pilot == "X1"
    assert plant.board[0] == fx.AllowPower(on=False)
    assert plant.news() == ["StoppingCharging", "ChargingPausedEVSE(Error,NoEnergy)"]
    assert [cause.type for cause in plant.state.inoperative] == [MREC23]


def test_a_contact_that_comes_back_ends_the_fault() -> None:
    plant = charging()
    plant.cable(None)
    plant.cable(20.0)
    assert plant.state.inoperative == ()
    assert plant.news()[-2:] == ["PrepareCharging", "ChargingStarted"]
    assert duties(plant)[-1] == 33.33


def test_a_fault_that_the_board_reports_itself_is_named_once() -> None:
    plant = charging()
    plant.tell(ev.CausesChanged((ev.Cause("bsp", MREC23, "", "High"),)))
    plant.cable(None)
    assert [cause.type for cause in plant.state.inoperative] == [MREC23]


@pytest.mark.parametrize("state", ["PrepareCharging", "ChargingPausedEV", "ChargingPausedEVSE"])
def test_a_lost_contact_is_a_fault_wherever_power_could_follow(state: str) -> None:
    plant = charging()
    if state == "ChargingPausedEVSE":
        plant.tell(ev.Pause())
    plant.tell(ev.CpChanged("B"))
    if state == "PrepareCharging":
        plant.tell(ev.Pause())
        plant.limit(0.0)
        plant.tell(ev.Resume())
        plant.limit(16.0)
    assert plant.state.charger == state
    plant.cable(None)
    assert plant.news()[-1].startswith("ChargingPausedEVSE(Error")


def test_no_fault_without_a_transaction() -> None:
    plant = waiting()
    assert plant.state.inoperative == ()
    plant = charging()
    plant.tell(ev.Stop("Local"))
    plant.tell(ev.CpChanged("B"))
    assert plant.state.charger == "Finished"
    plant.cable(None)
    assert plant.state.inoperative == ()


def test_no_fault_while_the_meter_has_yet_to_end_the_transaction() -> None:
    plant = charging()
    plant.prompt = False
    plant.tell(ev.Stop("Local"))
    plant.tell(ev.CpChanged("B"))
    plant.move_contactor()
    assert plant.state.session.ending
    plant.cable(None)
    assert plant.state.inoperative == ()


def test_another_cable_counts_in_the_next_session_and_one_that_stayed_is_known() -> None:
    """Boards publish the rating when it changes: one that is forgotten with the session would not come again."""
    plant = charging(20.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.authorize()
    assert duties(plant)[-1] == 33.33
    plant.tell(ev.CpChanged("A"))
    plant.cable(None)
    plant.plug_in()
    plant.authorize()
    assert plant.state.charger == "WaitingForAuthentication"
    plant.cable(13.0)
    assert duties(plant)[-1] == 21.67


def test_a_fixed_cable_needs_no_contact() -> None:
    plant = Plant(capabilities=CAPABILITIES)
    plant.charge()
    plant.tell(ev.ProximityChanged(13.0))
    plant.tell(ev.ProximityChanged(None))
    assert plant.power_allowed
    assert guards.budget_a(plant.state, plant.now_s) == 32.0


@pytest.mark.parametrize(
    ("current_a", "cable_a", "told_a"),
    [(32.0, 20.0, 20.0), (16.0, 20.0, 16.0), (32.0, None, 32.0), (None, 20.0, None)],
)
def test_the_enforced_limit_is_told_with_the_cable(
    current_a: float | None, cable_a: float | None, told_a: float | None
) -> None:
    current = NumberWithSource(value=current_a, source="fuse") if current_a is not None else None
    enforced = EnforcedLimits(
        uuid="evse", valid_for=10, limits_root_side=LimitsRes(ac_max_current_A=current), schedule=[]
    )
    told = energy_request.within_cable(enforced, cable_a).limits_root_side.ac_max_current_A
    assert (told.value if told is not None else None) == told_a
