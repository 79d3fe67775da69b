"""A lock and a board that is lost meanwhile, through driver and kernel in virtual time: only a stuck lock is a failure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import simulators
from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.errors import Error
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.mqtt import topics
from tests.support.memory_wire import MemoryBoard, over_memory
from tests.support.virtual_station import VirtualStation

DRIVER, BOARD, EVSE = "yeti_driver", "yeti_driver_firmware", "evse_manager"

LOST = "evse_board_support/CommunicationFault"
METER = "evse_manager/Internal/Powermeter"
"""The board's own meter falls silent with it."""
LOCK = "evse_manager/Internal/ConnectorLock"

STEP_S = 0.1
STARTS_S = 3.0
STEPS_OF_START = round(STARTS_S / STEP_S) + 1


class Charger(VirtualStation):
    """The station that is simulated, with its board on a serial line in memory."""

    def __init__(self, *, tells_lock: bool = False) -> None:
        wired = over_memory(load(Path(simulators.__file__).with_name("config-sim.yaml"), {}))
        board = wired.modules[BOARD]
        options = board.options.model_copy(update={"tells_lock": tells_lock})
        wired.modules[BOARD] = dataclasses.replace(board, options=options)
        super().__init__(wired)
        self.raised: list[str] = []
        far_end, evse = self.station.modules[BOARD], self.station.modules[EVSE]
        assert isinstance(far_end, MemoryBoard)
        assert isinstance(evse, EvseManager)
        self._far_end, self.evse = far_end, evse
        self.begin()

    @property
    def kernel_lock(self) -> str:
        return self.evse.state.pilot.lock

    @property
    def locked(self) -> bool:
        """As the board's bolt is."""
        return self._far_end.board.locked

    @property
    def contacts(self) -> int:
        return self._far_end.board.contacts

    def fault(self, text: str) -> None:
        self.send(topics.service_command("everest", BOARD, "fault"), text)

    def car(self, script: str) -> None:
        self.send(topics.carsim_command(1, "execute_charging_session"), script)

    def until_lock(self, state: str) -> None:
        for _ in range(1000):
            if self.kernel_lock == state:
                return
            self.advance(0.01)
        raise AssertionError(f"the lock is never {state}: {self.kernel_lock}")

    def active(self) -> set[str]:
        return {
            f"{error.type}/{error.sub_type}".removesuffix("/")
            for found in self.station.bus.implementations.values()
            for error in found.errors.active
        }

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        super().error_changed(source, error)
        if error.active:
            self.raised.append(f"{error.type}/{error.sub_type}".removesuffix("/"))


def only_the_loss(charger: Charger) -> None:
    """What was raised came from the loss of the board, and all of it is over."""
    raised = {name.removesuffix("/McuToEverest") for name in charger.raised}
    assert raised <= {LOST, METER, "evse_manager/Inoperative"}
    assert charger.active() == set()


FEEDBACK = pytest.mark.parametrize("tells_lock", [False, True], ids=["no feedback", "feedback"])


@FEEDBACK
@pytest.mark.parametrize("step", range(STEPS_OF_START))
def test_a_board_that_restarts_while_the_charger_starts(step: int, tells_lock: bool) -> None:
    charger = Charger(tells_lock=tells_lock)
    charger.advance(step * STEP_S)
    charger.fault("watchdog")
    charger.advance(4)
    only_the_loss(charger)
    assert charger.evse.state.charger == "Idle"
    assert (charger.kernel_lock, charger.locked) == ("unlocked", False)


@FEEDBACK
@pytest.mark.parametrize("absent_s", [0.5, 1.9, 2.5, 30.0])
def test_a_board_that_comes_late(absent_s: float, tells_lock: bool) -> None:
    charger = Charger(tells_lock=tells_lock)
    charger.fault("hang")
    charger.advance(absent_s)
    charger.fault("reset")
    charger.advance(8)
    only_the_loss(charger)
    assert charger.evse.state.charger == "Idle"
    assert (charger.kernel_lock, charger.locked) == ("unlocked", False)


LOSSES = {"restart": "watchdog", "silence": "hang 4", "port": "port off"}


@FEEDBACK
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", range(0, 14, 2))
def test_a_board_that_is_lost_while_its_lock_closes(step: int, loss: str, tells_lock: bool) -> None:
    charger = Charger(tells_lock=tells_lock)
    charger.advance(3)
    charger.car("sleep 1;iec_wait_pwr_ready;sleep 100;unplug")
    charger.until_lock("locking")
    charger.advance(step * STEP_S)
    lose(charger, loss)
    only_the_loss(charger)
    assert (charger.kernel_lock, charger.locked) == ("locked", True)


@FEEDBACK
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", range(0, 14, 2))
def test_a_board_that_is_lost_while_its_lock_opens(step: int, loss: str, tells_lock: bool) -> None:
    charger = Charger(tells_lock=tells_lock)
    charger.advance(3)
    charger.car("sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 5;unplug")
    charger.until_lock("locked")
    charger.until_lock("unlocking")
    charger.advance(step * STEP_S)
    lose(charger, loss)
    only_the_loss(charger)
    assert (charger.kernel_lock, charger.locked) == ("unlocked", False)
    assert charger.evse.state.charger == "Idle"


def lose(charger: Charger, loss: str) -> None:
    charger.fault(LOSSES[loss])
    if loss == "port":
        charger.advance(1)
        charger.fault("port on")
    charger.advance(12)


def test_power_waits_for_the_lock_of_a_board_that_has_restarted() -> None:
    """Where its bolt is after a restart nobody knows."""
    charger = Charger()
    charger.advance(3)
    charger.car("sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 100;unplug")
    charger.until_lock("locked")
    charger.advance(5)
    assert charger.contacts == 3
    charger.fault("watchdog")
    charger.advance(0.3)
    charger.until_lock("locking")
    assert charger.contacts == 0
    charger.until_lock("locked")
    charger.advance(1)
    only_the_loss(charger)
    assert charger.contacts == 3


def test_a_lock_that_is_stuck_is_still_a_failure() -> None:
    charger = Charger(tells_lock=True)
    charger.advance(3)
    charger.fault("lock_stuck on")
    charger.car("sleep 1;iec_wait_pwr_ready;sleep 30;unplug")
    charger.until_lock("locking")
    charger.advance(3)
    assert LOCK in charger.active()


@pytest.mark.parametrize("step", range(0, 30, 5))
def test_a_stuck_lock_whose_board_restarts_too_is_a_failure_once_it_is_back(step: int) -> None:
    charger = Charger(tells_lock=True)
    charger.advance(3)
    charger.fault("lock_stuck on")
    charger.car("sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 30;unplug")
    charger.until_lock("locking")
    charger.advance(step * STEP_S)
    charger.fault("watchdog")
    charger.advance(5)
    assert LOCK in charger.active()
    assert charger.contacts == 0
