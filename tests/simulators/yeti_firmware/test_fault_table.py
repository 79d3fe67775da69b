"""Each fault of the board, in each state of charging, in the whole charger over a serial line: in virtual time.

What has to hold in every cell: an error with a name says it, power is off soon after it can be known, and once what was
broken is mended and the car has left, the next session is flawless without a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import simulators
from drivers.board.module import BoardModule
from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt import topics
from tests.support.memory_wire import MemoryBoard, over_memory
from tests.support.virtual_station import VirtualStation

DRIVER, BOARD = "yeti_driver", "yeti_driver_firmware"
FAULT = topics.service_command("everest", BOARD, "fault")
EXECUTE = topics.carsim_command(1, "execute_charging_session")
MODIFY = topics.carsim_command(1, "modify_charging_session")
PAUSE = topics.api_command("evse_manager", "pause_charging")
CHARGE = "sleep 0.5;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 100000"

KEEP_ALIVE_S = 2.0 + 1.0
"""The link's deadline, and a second of the issue's within which its end must be noticed."""


class Charger(VirtualStation):
    """The built-in charger with its board on a serial line."""

    def __init__(self) -> None:
        super().__init__(over_memory(load(Path(simulators.__file__).with_name("config-sim.yaml"), {})))
        self.events: list[str] = []
        self.raised: set[str] = set()
        """The errors that were raised so far."""
        board, driver = self.station.modules[BOARD], self.station.modules[DRIVER]
        assert isinstance(board, MemoryBoard)
        assert isinstance(driver, BoardModule)
        self.board, self.driver = board, driver
        self.begin()
        self.advance(2)

    @property
    def closed(self) -> bool:
        return self.board.board.contacts > 0

    def errors(self) -> set[str]:
        """The active errors of board and EVSE."""
        return {
            error.type
            for (module_id, _), found in self.station.bus.implementations.items()
            if module_id in (DRIVER, "evse_manager")
            for error in found.errors.active
        }

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseManager.session_event:
            self.events.append(value.event)

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        if error.active:
            self.raised.add(error.type)

    def call_made(self, call: Call[Any]) -> None:
        """Calls are not kept."""

    def call_finished(self, call: Call[Any]) -> None:
        """As calls."""

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Lets time pass until something is so; how long that took."""
        begin_s = self.clock.now_s()
        while not condition():
            assert self.clock.now_s() < begin_s + seconds, f"not within {seconds:g} s"
            self.advance(0.01)
        return self.clock.now_s() - begin_s


def idle(_charger: Charger) -> None:
    """No car."""


def plugged_in(charger: Charger) -> None:
    charger.send(EXECUTE, "pause;sleep 100000")
    charger.advance(3)


def charging(charger: Charger) -> None:
    charger.send(EXECUTE, CHARGE)
    charger.advance(6)
    assert charger.closed


def paused(charger: Charger) -> None:
    charging(charger)
    charger.send(PAUSE, "")
    charger.advance(8)
    assert not charger.closed


STATES = (idle, plugged_in, charging, paused)


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    text: str
    error: str | None = None
    """What is raised in every state; None where the fault shows in some states alone."""
    while_charging: str | None = None
    """What is raised while a car charges, if it is another."""
    off_s: float | None = None
    """While a car charges, how long until the contactor is open; None where it need not open or cannot."""
    latches: bool = False
    """Only the service ends it."""


COMMUNICATION = "evse_board_support/CommunicationFault"

TABLE = (
    Fault("diode on", while_charging="evse_board_support/DiodeFault", off_s=0.1),
    Fault("rcd 30", while_charging="evse_board_support/MREC2GroundFailure", off_s=0.0),
    Fault("flag cp_signal_fault on", "evse_board_support/MREC14PilotFault", off_s=0.2),
    Fault("flag over_current on", "evse_board_support/MREC4OverCurrentFailure", off_s=0.2),
    Fault("flag rcd_selftest_failed on", "ac_rcd/Selftest", off_s=0.2),
    Fault("flag ventilation_not_available on", "evse_board_support/VentilationNotAvailable", off_s=0.2),
    Fault("reset", COMMUNICATION, off_s=0.0),
    Fault("watchdog", COMMUNICATION, off_s=0.0),
    Fault("hang 6", COMMUNICATION, off_s=6.0),
    Fault("mute on", COMMUNICATION, off_s=KEEP_ALIVE_S),
    Fault("port off", COMMUNICATION),
    Fault("version 9.0 9.9", off_s=None),
    Fault("noise 100", COMMUNICATION),
    Fault("lose 100", COMMUNICATION),
    Fault("half"),
    Fault("garbage 3000"),
    Fault("slow 3"),
    Fault("lock_stuck on"),
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.text)
def test_each_fault_in_each_state(fault: Fault, state: Callable[[Charger], None]) -> None:
    charger = Charger()
    state(charger)
    assert charger.raised == set()

    charger.send(FAULT, fault.text)
    wanted = fault.error or (fault.while_charging if state is charging else None)
    if state is charging and fault.off_s is not None:
        charger.until(lambda: not charger.closed, fault.off_s + 0.05)
    if wanted is not None:
        charger.until(lambda: wanted in charger.raised, KEEP_ALIVE_S)
    charger.advance(7)
    if wanted is None and not charger.raised:
        assert state is not charging or charger.closed, "what opens the contactor has a name"

    charger.send(FAULT, "none")
    charger.send(FAULT, "port on")
    if state is not idle:
        charger.send(MODIFY, "unplug")
    charger.advance(9)
    assert charger.errors() == set()
    finished = charger.events.count("SessionFinished")
    charger.send(EXECUTE, CHARGE.replace("sleep 100000", "sleep 1;unplug"))
    charger.advance(8)
    assert charger.errors() == set()
    assert charger.events.count("SessionFinished") == finished + 1
    assert charger.events[-10:] == [
        "SessionStarted",
        "AuthRequired",
        "Authorized",
        "TransactionStarted",
        "PrepareCharging",
        "ChargingStarted",
        "StoppingCharging",
        "ChargingFinished",
        "TransactionFinished",
        "SessionFinished",
    ]


def test_a_welded_contactor_is_an_error_that_stays() -> None:
    charger = Charger()
    charging(charger)
    charger.send(FAULT, "weld on")
    charger.send(MODIFY, "pause;sleep 10;unplug")
    charger.until(lambda: "evse_board_support/MREC17EVSEContactorFault" in charger.raised, 3)
    charger.advance(30)
    charger.send(FAULT, "none")
    charger.advance(10)
    assert not charger.closed
    assert charger.errors()
    charger.send(EXECUTE, CHARGE)
    charger.advance(20)
    assert not charger.closed


def test_a_board_that_cannot_hear_is_named() -> None:
    charger = Charger()
    charger.send(FAULT, "deaf on")
    charger.send(FAULT, "reset")
    charger.until(lambda: COMMUNICATION in charger.errors(), 10)
    charger.send(FAULT, "none")
    charger.until(lambda: not charger.errors(), 10)


def test_the_published_firmware_keeps_charging_without_its_host_and_one_with_a_watchdog_does_not() -> None:
    for watchdog, closed in ((False, True), (True, False)):
        charger = Charger()
        settings = charger.board.board.settings
        object.__setattr__(settings, "host_watchdog", watchdog)
        charging(charger)
        charger.send(FAULT, "deaf on;mute on")
        charger.advance(8)
        assert charger.closed is closed
        assert COMMUNICATION in charger.errors()
