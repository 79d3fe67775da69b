"""Settings that cannot be read when the station starts: nothing begins, and nothing of them is overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.store import StoreError
from evse_daemon.store.memory import MemoryJournal
from tests.modules.evse_manager.evse_world import EVSE, EvseWorld
from tests.modules.evse_manager.rig import source
from tests.modules.evse_manager.supervised import Supervised

MREC17 = "evse_board_support/MREC17EVSEContactorFault"
WELDED = "evse_manager/Internal"


class Locked(MemoryJournal):
    """A store whose settings cannot be read for a while; a backup holds the file, say."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.tried = 0

    def settings(self, evse: str) -> dict[str, Any]:
        self.tried += 1
        if self.locked:
            raise StoreError("the file is locked")
        return super().settings(evse)


@pytest.fixture
def store() -> Locked:
    """Left by a station with a worn contactor, switched off by its key; locked now."""
    store = Locked()
    before = EvseWorld(store)
    before.boot()
    before.world.call(EVSE, Interface.enable_disable, 0, source("LocalKeyLock", "Disable"))
    before.fail(before.board, MREC17)
    assert set(store.settings("evse")) == {"enable_table", "latched_errors"}
    store.locked = True
    return store


def latched(store: Locked) -> set[str]:
    return {entry["type"] for entry in store.settings("evse")["latched_errors"]}


def try_to_charge(evse: EvseWorld) -> None:
    evse.enforce(16.0)
    evse.cp("B")
    evse.authorize()
    evse.cp("C")


def test_no_car_charges_before_it_is_known_whether_the_contactor_is_welded(store: Locked) -> None:
    evse = EvseWorld(store)
    evse.boot()
    try_to_charge(evse)
    evse.world.advance(35)
    assert evse.names == []
    assert True not in evse.power
    store.locked = False
    evse.world.advance(6)
    assert evse.names == ["Disabled"], "it begins by itself, and as it was left"
    assert [error.message for error in evse.world.active_errors(EVSE)] == [MREC17]


def test_an_empty_store_that_is_locked_delays_the_start_and_no_more() -> None:
    store = Locked()
    store.locked = True
    evse = EvseWorld(store)
    evse.boot()
    evse.world.advance(15)
    store.locked = False
    evse.world.advance(6)
    assert evse.names == ["Enabled"]
    try_to_charge(evse)
    assert evse.contactor_closed


@pytest.mark.parametrize("locked", [True, False])
def test_who_disables_meanwhile_does_not_overwrite_who_did_before(store: Locked, locked: bool) -> None:
    evse = EvseWorld(store)
    evse.boot()
    store.locked = locked
    assert evse.world.call(EVSE, Interface.enable_disable, 0, source("MobileApp", "Enable", 9000)) is True
    store.locked = False
    evse.world.advance(25)
    kept = [entry["enable_source"] for entry in store.settings("evse")["enable_table"]]
    assert set(kept) >= {"LocalKeyLock", "MobileApp"}
    assert evse.names == ["Disabled"], "the key's priority is the higher one"


def test_the_same_source_may_change_its_mind_meanwhile(store: Locked) -> None:
    evse = EvseWorld(store)
    evse.boot()
    assert evse.world.call(EVSE, Interface.enable_disable, 0, source("LocalKeyLock", "Enable")) is True
    store.locked = False
    evse.world.advance(25)
    assert evse.names == ["Enabled"]


@pytest.mark.parametrize("found_after_s", [1.0, 9.0])
def test_a_weld_that_is_found_meanwhile_does_not_overwrite_an_older_latch(
    store: Locked, found_after_s: float
) -> None:
    evse = EvseWorld(store)
    evse.boot()
    evse.world.advance(found_after_s)
    evse.contactor_follows = False
    evse.closes_by_itself()
    evse.world.advance(1.5)
    store.locked = False
    assert latched(store) == {MREC17}
    evse.world.advance(25)
    assert latched(store) == {MREC17, WELDED}
    assert {cause.type for cause in evse.evse.state.latched} == {MREC17, WELDED}


def test_a_latch_that_comes_when_the_store_can_be_read_again_does_not_either(store: Locked) -> None:
    evse = EvseWorld(store)
    evse.boot()
    evse.world.advance(3)
    store.locked = False
    evse.contactor_follows = False
    evse.closes_by_itself()
    evse.world.advance(7.5)
    assert latched(store) == {MREC17, WELDED}, "it is stored as soon as the older one is known"
    assert {cause.type for cause in evse.evse.state.latched} == {MREC17, WELDED}


def test_a_kernel_that_fails_for_good_meanwhile_stays_off(
    store: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    evse = Supervised(store)
    evse.boot()
    for _ in range(4):
        evse.crash(monkeypatch)
    store.locked = False
    evse.world.advance(40)
    assert evse.names == []
    assert evse.sub_types == {"Kernel", ""}


def test_a_kernel_that_fails_once_meanwhile_begins_once(
    store: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    evse = Supervised(store)
    evse.boot()
    evse.crash(monkeypatch)
    evse.world.advance(5)
    store.locked = False
    evse.world.advance(30)
    assert evse.names == ["Disabled"]
    assert [error.message for error in evse.world.active_errors(EVSE)] == [MREC17]


def test_it_is_read_every_10_s_however_often_the_kernel_fails(
    store: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    evse = Supervised(store)
    evse.boot()
    for _ in range(2):
        evse.crash(monkeypatch)
        evse.world.advance(3)
    before = store.tried
    evse.world.advance(40)
    assert store.tried - before == 4


def test_who_gives_the_external_release_meanwhile_need_not_give_it_again(store: Locked) -> None:
    evse = EvseWorld(store, external_ready_to_start_charging=True)
    evse.boot()
    assert evse.world.call(EVSE, Interface.external_ready_to_start_charging) is True
    store.locked = False
    evse.world.advance(11)
    assert evse.names == ["Disabled"]
