"""Every error that the kernel raises itself: what brings it about, and what ends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.evse_manager import EnableDisableSource
from tests.modules.evse_manager.plant import Plant

Act = Callable[[Plant], None]


def answer(plant: Plant, kind: type, problem: str | None) -> None:
    plant.answer(problem, [type(effect) for effect in plant.pending].index(kind))


def unplug(plant: Plant) -> None:
    plant.prompt = True
    plant.tell(ev.CpChanged("A"))
    while plant.pending:
        plant.answer()
    plant.move_contactor()


def stuck_open(plant: Plant) -> None:
    plant.tell(ev.CpChanged("C"))
    plant.advance(5.1)


def stuck_closed(plant: Plant) -> None:
    plant.tell(ev.CpChanged("C"))
    plant.move_contactor()
    plant.tell(ev.CpChanged("B"))
    plant.advance(1.1)


def lock_fails(plant: Plant) -> None:
    plant.tell(ev.CpChanged("F"))
    plant.advance(5.1)
    answer(plant, fx.Lock, "it is jammed")


def store_is_full(plant: Plant) -> None:
    plant.tell(ev.Stop("Local"))
    answer(plant, fx.StopMeter, None)
    answer(plant, fx.Commit, "the disk is full")


def store_recovers(plant: Plant) -> None:
    plant.advance(10.1)
    answer(plant, fx.Commit, None)


def repair(plant: Plant) -> None:
    plant.move_contactor()
    unplug(plant)
    assert plant.tell(ev.ClearLatched("evse_manager/Internal/ContactorWelded")) is True


OWN: dict[str, tuple[Act, Act]] = {
    "ContactorNotClosed": (stuck_open, unplug),
    "ContactorWelded": (stuck_closed, repair),
    "ConnectorLock": (lock_fails, unplug),
    "Board": (lambda plant: (plant.tell(ev.BoardFailed("no")), None)[1], unplug),
    "StoreEnd": (store_is_full, store_recovers),
}


@pytest.mark.parametrize("sub_type", OWN)
def test_what_the_kernel_finds_wrong_stops_charging_until_it_is_over(sub_type: str) -> None:
    begin, end = OWN[sub_type]
    plant = Plant()
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.authorize()
    plant.prompt = False
    begin(plant)
    assert ("evse_manager/Internal", sub_type) in plant.errors
    assert ("evse_manager/Inoperative", "") in plant.errors
    assert not plant.power_allowed
    end(plant)
    assert ("evse_manager/Internal", sub_type) not in plant.errors
    assert ("evse_manager/Inoperative", "") not in plant.errors


def test_a_start_that_cannot_be_stored_is_no_start() -> None:
    plant = Plant(prompt=False)
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.authorize()
    answer(plant, fx.StartMeter, None)
    answer(plant, fx.Commit, "the disk is full")
    assert ("evse_manager/Internal", "StoreStart") in plant.errors
    assert "TransactionStarted" not in plant.names
    unplug(plant)
    assert not plant.errors


def test_row_07_nobody_authorizes_in_time() -> None:
    plant = Plant(KernelConfig(raise_mrec9=True))
    plant.boot()
    plant.limit(16.0)
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.news()
    plant.tell(ev.Withdraw())
    assert ("evse_manager/MREC9AuthorizationTimeout", "") in plant.errors
    assert plant.news() == ["Deauthorized", "PluginTimeout"]
    plant.authorize()
    assert plant.news() == ["Authorized"]
    unplug(plant)
    assert plant.news() == ["SessionFinished"]
    assert not plant.errors


def test_a_contactor_that_stays_closed_after_the_car_has_left_is_welded() -> None:
    plant = Plant(prompt=False)
    plant.charge()
    while plant.pending:
        plant.answer()
    plant.tell(ev.CpChanged("C"))
    plant.move_contactor()
    plant.tell(ev.CpChanged("A"))
    plant.advance(1.1)
    while plant.pending:
        plant.answer()
    assert ("evse_manager/Internal", "ContactorWelded") in plant.errors
    assert plant.lock_holds


@pytest.mark.parametrize(
    "charger", ["Idle", "WaitingForAuthentication", "PrepareCharging", "Disabled", "Finished"]
)
def test_a_contactor_that_closes_by_itself_counts_as_welded_in_every_state(charger: str) -> None:
    plant = Plant()
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    if charger == "Disabled":
        off = EnableDisableSource(enable_source="CSMS", enable_state="Disable", enable_priority=1)
        plant.tell(ev.EnableDisable(0, off))
    elif charger != "Idle":
        plant.limit(16.0)
        plant.plug_in()
        if charger != "WaitingForAuthentication":
            plant.authorize()
        if charger == "Finished":
            plant.tell(ev.Stop("Local"))
    assert plant.state.charger == charger
    plant.prompt = False
    plant.contactor_closed = True
    plant.tell(ev.ContactorChanged(closed=True))
    assert fx.AllowPower(on=False) in plant.board[-2:]
    plant.advance(1.1)
    assert ("evse_manager/Internal", "ContactorWelded") in plant.errors
    while plant.pending:
        plant.answer()
    assert plant.lock_holds
