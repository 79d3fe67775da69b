"""Each fault of the board, in each state of charging, in the whole charger over either wire: in virtual time.

What has to hold in every cell: an error with a name says it, power-off is asked for within 100 ms of that, power is off
soon after it can be known, and once what was broken is mended and the car has left, the next session is flawless without
a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import simulators
from drivers.board.module import BoardModule
from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call
from evse_daemon.framework.clock import Clock
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt import topics
from tests.support.disturbed_can import DisturbedCan
from tests.support.memory_can import over_memory_can, virtual_loop
from tests.support.memory_wire import MemoryBoard, MemoryPipe, over_memory
from tests.support.virtual_station import VirtualStation

DRIVER, BOARD = "yeti_driver", "yeti_driver_firmware"
FAULT = topics.service_command("everest", BOARD, "fault")
EXECUTE = topics.carsim_command(1, "execute_charging_session")
MODIFY = topics.carsim_command(1, "modify_charging_session")
PAUSE = topics.api_command("evse_manager", "pause_charging")
CHARGE = "sleep 0.5;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 100000"

REQUEST_S = 0.1
"""From an error to the request of power-off."""

KEEP_ALIVE_S = 2.0 + 1.0
"""The link's deadline, and a second of the issue's within which its end must be noticed."""


Wire = Literal["serial", "can"]


class Charger(VirtualStation):
    """The built-in charger with its board on a wire."""

    def __init__(self, wire: Wire) -> None:
        config = load(Path(simulators.__file__).with_name("config-sim.yaml"), {})
        self._frames: list[DisturbedCan] = []
        super().__init__(over_memory_can(config, self._can) if wire == "can" else over_memory(config))
        self.events: list[str] = []
        self.raised: set[str] = set()
        """The errors that were raised so far."""
        board, driver = self.station.modules[BOARD], self.station.modules[DRIVER]
        assert isinstance(board, MemoryBoard)
        assert isinstance(driver, BoardModule)
        self.board, self.driver = board, driver
        self.begin()
        self.advance(2)

    def _can(self, pipe: Callable[[], MemoryPipe], clock: Clock) -> DisturbedCan:
        self._frames.append(DisturbedCan(pipe, clock, seed=1))
        return self._frames[-1]

    def break_it(self, text: str) -> None:
        """As faults.py says; or ``frames 5``: so many percent of the bytes on CAN are damaged."""
        word, _, percent = text.partition(" ")
        if word == "frames":
            self._frames[0].damage(float(percent) / 100)
        else:
            self.send(FAULT, text)

    def mend(self) -> None:
        self.send(FAULT, "none")
        self.send(FAULT, "port on")
        for wire in self._frames:
            wire.damage(0)

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


def paused_by_the_car(charger: Charger) -> None:
    charger.send(EXECUTE, "sleep 0.5;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 3;pause;sleep 100000")
    charger.advance(12)
    assert charger.events[-1] == "ChargingPausedEV"


def stopping(charger: Charger) -> None:
    """The car has yet to leave state C."""
    charging(charger)
    charger.send(PAUSE, "")
    charger.advance(0.05)
    assert charger.closed


STATES_ON_CAN = (idle, plugged_in, charging, paused)
STATES = (*STATES_ON_CAN, paused_by_the_car, stopping)


@pytest.fixture
def charger(wire: Wire) -> Iterator[Charger]:
    with virtual_loop() if wire == "can" else nullcontext():
        yield Charger(wire)


ON_BOTH = pytest.mark.parametrize("wire", ["serial", "can"])


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
    Fault("version 9.0 9.9", "evse_board_support/VendorError", off_s=0.5),
    Fault("slow 3"),
)

OF_A_LINE = (
    Fault("noise 100", COMMUNICATION),
    Fault("lose 100", COMMUNICATION),
    Fault("half"),
    Fault("garbage 3000"),
)

"""On CAN they hit the line between the host and its adapter."""

OF_CAN = (Fault("frames 100", COMMUNICATION), Fault("frames 5"))

CELLS = [
    pytest.param(wire, fault, state, id=f"{wire}-{fault.text}-{state.__name__}")
    for wire, faults, states in (
        ("serial", (*TABLE, *OF_A_LINE), STATES),
        ("can", (*TABLE, *OF_CAN), STATES_ON_CAN),
        ("can", OF_A_LINE, (charging,)),
    )
    for fault in faults
    for state in states
]

IN_EACH_STATE = pytest.mark.parametrize(
    ("wire", "state"),
    [
        *(pytest.param("serial", state, id=f"serial-{state.__name__}") for state in STATES),
        pytest.param("can", charging, id="can-charging"),
    ],
)


@pytest.mark.parametrize(("wire", "fault", "state"), CELLS)
def test_each_fault_in_each_state(charger: Charger, fault: Fault, state: Callable[[Charger], None]) -> None:
    state(charger)
    assert charger.raised == set()

    charger.break_it(fault.text)
    wanted = fault.error or (fault.while_charging if state is charging else None)
    if state is charging and fault.off_s is not None:
        charger.until(lambda: not charger.closed, fault.off_s + 0.05)
    if wanted is not None:
        charger.until(lambda: wanted in charger.raised, KEEP_ALIVE_S)
        charger.until(lambda: not charger.driver.state.wanted.power, REQUEST_S)
    charger.advance(7)
    if wanted is None and not charger.raised:
        assert state is not charging or charger.closed, "what opens the contactor has a name"

    charger.mend()
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


@IN_EACH_STATE
def test_a_welded_contactor_is_an_error_that_stays(
    charger: Charger, state: Callable[[Charger], None]
) -> None:
    """Told when it should have opened, in this session or the next; 1 s is what a contactor has for that."""
    state(charger)
    charger.break_it("weld on")
    if state not in (charging, stopping):
        charger.send(MODIFY, "unplug")
        charger.advance(8)
        charging(charger)
    charger.send(MODIFY, "pause;sleep 10;unplug")
    charger.until(lambda: "evse_board_support/MREC17EVSEContactorFault" in charger.raised, 3)
    assert not charger.driver.state.wanted.power
    charger.advance(30)
    charger.mend()
    charger.advance(10)
    assert not charger.closed
    assert charger.errors()
    charger.send(EXECUTE, CHARGE)
    charger.advance(20)
    assert not charger.closed


@IN_EACH_STATE
def test_a_stuck_lock_is_an_error_until_it_is_mended_and_the_car_has_left(
    charger: Charger, state: Callable[[Charger], None]
) -> None:
    """Told when it should have moved: without a car at the next one, which gets no power."""
    stuck = "connector_lock/MREC1ConnectorLockFailure"
    state(charger)
    charger.break_it("lock_stuck on")
    if state is idle:
        charger.send(EXECUTE, CHARGE)
    else:
        charger.send(MODIFY, "unplug")
    charger.until(lambda: stuck in charger.raised, 5)
    charger.until(lambda: not charger.driver.state.wanted.power, REQUEST_S)
    charger.advance(10)
    assert not charger.closed
    charger.mend()
    charger.send(MODIFY, "unplug")
    charger.advance(40)  # without a car it is tried again after 30 s
    assert charger.errors() == set()
    charging(charger)


@ON_BOTH
def test_a_board_that_cannot_hear_is_named(charger: Charger) -> None:
    charger.break_it("deaf on")
    charger.break_it("reset")
    charger.until(lambda: COMMUNICATION in charger.errors(), 10)
    charger.mend()
    charger.until(lambda: not charger.errors(), 10)


@ON_BOTH
@pytest.mark.parametrize("watchdog", [False, True])
def test_the_published_firmware_keeps_charging_without_its_host_and_one_with_a_watchdog_does_not(
    charger: Charger, watchdog: bool
) -> None:
    object.__setattr__(charger.board.board.settings, "host_watchdog", watchdog)
    charging(charger)
    charger.break_it("deaf on;mute on")
    charger.advance(8)
    assert charger.closed is not watchdog
    assert COMMUNICATION in charger.errors()
