"""Charging sessions one after the other while a part of the bytes between driver and board is damaged.

The whole charger in virtual time: only the line is in memory. An hour takes a minute; `python3 -m tests.soak.wire_noise`.
On CAN (`--wire can`) controllers let no damaged frame through: tests/support/disturbed_can.py says what comes of it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import simulators
from drivers.board.module import BoardModule
from drivers.link.isotp_link import IsoTpLink
from evse_daemon.config import load
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Var
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt import topics
from simulators.yeti_firmware.state import RELAY_S
from tests.support.disturbed_can import DisturbedCan
from tests.support.memory_can import over_memory_can, virtual_loop
from tests.support.memory_wire import MemoryBoard, MemoryLink, over_memory
from tests.support.virtual_station import VirtualStation

DRIVER, BOARD = "yeti_driver", "yeti_driver_firmware"

Wire = Literal["serial", "can"]

FRESH_S = 0.5
"""How old a state may be that is told: a message on the wire, and the contactor's own time."""

WRONG_S = 5.0
"""How long the driver may believe what is no longer so while it counts the board as running: until it notices."""

STEP_S = 0.5


@dataclass
class Result:
    """What a soak found; ``problems`` is empty where all held."""

    sessions: int = 0
    finished: int = 0
    damaged: int = 0
    """Messages of the board that the driver has thrown away."""
    frames: Counter[str] = field(default_factory=Counter)
    """What became of the frames on CAN."""
    errors: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    wrong_s: float = 0.0
    """The longest time that the driver believed something wrong."""


class Watch(VirtualStation):
    """A station whose board is looked into beside what its driver says of it."""

    def __init__(self, wire: Wire = "serial", seed: int = 1) -> None:
        config = load(Path(simulators.__file__).with_name("config-sim.yaml"), {})
        self.result = Result()
        self.can: list[DisturbedCan] = []
        if wire == "can":
            wired = over_memory_can(
                config, lambda pipe, clock: self._disturbed(DisturbedCan(pipe, clock, seed))
            )
        else:
            wired = over_memory(config)
        super().__init__(wired)
        driver, board = self.station.modules[DRIVER], self.station.modules[BOARD]
        assert isinstance(driver, BoardModule)
        assert isinstance(board, MemoryBoard)
        self.driver, self.board = driver, board
        self._since: dict[str, float] = {}
        self._states: dict[str, float] = {}

    def _disturbed(self, wire: DisturbedCan) -> DisturbedCan:
        self.can.append(wire)
        return wire

    def damage(self, percent: float) -> None:
        """This part of the bytes is damaged from now on."""
        for wire in self.can:
            wire.damage(percent / 100)
        if not self.can:
            fault = topics.service_command("everest", BOARD, "fault")
            self.send(fault, f"noise {percent:g}" if percent else "none")

    def _record(self, topic: str, payload: Any) -> None:
        """An hour of messages is not kept."""

    def note(self) -> None:
        """What the board has been lately, and what its driver believes."""
        self._look()
        firmware, believed = self.board.board, self.driver.state
        running = believed.phase == "running"
        told = None if firmware.told_state is None else firmware.told_state.told.name
        self._wrong(
            "the contactor is closed and believed to be open",
            running and believed.relay_closed is False and firmware.contacts > 0,
        )
        self._wrong(f"the control pilot is not {believed.pilot}", running and believed.pilot != told)
        self._wrong("power flows that nobody wants", not believed.wanted.power and firmware.contacts > 0)

    def _look(self) -> None:
        firmware, now_s = self.board.board, self.clock.now_s()
        if firmware.told_state is not None:
            self._states[firmware.told_state.told.name] = now_s
        self._states["PowerOn" if firmware.contacts else "PowerOff"] = now_s

    def _wrong(self, what: str, wrong: bool) -> None:
        key = what.split()[2]
        if not wrong:
            self._since.pop(key, None)
            return
        lasted_s = self.clock.now_s() - self._since.setdefault(key, self.clock.now_s())
        self.result.wrong_s = max(self.result.wrong_s, lasted_s)
        if lasted_s > WRONG_S:
            self._problem(f"for {lasted_s:.1f} s {what}")
            self._since[key] = self.clock.now_s()

    def _problem(self, text: str) -> None:
        self.result.problems.append(f"{self.clock.now_s():.2f} s: {text}")

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseBoardSupport.event and source.module_id == DRIVER:
            self._look()
            seen_s = self._states.get(value.event)
            if seen_s is None or seen_s < self.clock.now_s() - FRESH_S - RELAY_S:
                self._problem(f"{value.event} was told, and was not so")
        elif var is EvseManager.session_event:
            self.result.sessions += value.event == "SessionStarted"
            self.result.finished += value.event == "SessionFinished"

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        if error.active:
            self.result.errors[error.type] += 1


def soak(seconds: float, noise_percent: float, seed: int = 1, wire: Wire = "serial") -> Result:
    """Runs sessions for a time of the virtual clock; then the noise ends, and one more has to be flawless."""
    around: AbstractContextManager[None] = nullcontext() if wire == "serial" else virtual_loop()
    with around:
        return _soak(Watch(wire, seed), seconds, noise_percent, random.Random(seed))


def _soak(watch: Watch, seconds: float, noise_percent: float, chance: random.Random) -> Result:
    watch.begin()
    _pass_time(watch, 2)
    watch.damage(noise_percent)
    while watch.clock.now_s() < seconds:
        before = watch.result.finished
        charges_s = chance.uniform(1, 30)
        pause = (
            f"pause;sleep 2;draw_power_regulated 16,3;sleep {chance.uniform(1, 10):.1f};"
            * chance.randint(0, 1)
        )
        watch.send(
            topics.carsim_command(1, "execute_charging_session"),
            f"sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep {charges_s:.1f};{pause}unplug",
        )
        _pass_time(watch, charges_s + 10)
        if watch.result.finished == before:
            # It waits for power, held up by an error: the driver leaves.
            if not any(
                watch.station.bus.implementations[DRIVER, name].errors.active for name in ("board_support",)
            ):
                _pass_time(watch, 30)
            watch.send(topics.carsim_command(1, "modify_charging_session"), "unplug")
            _pass_time(watch, 20)
    watch.damage(0)
    _pass_time(watch, 30)
    before = watch.result.finished
    watch.send(
        topics.carsim_command(1, "execute_charging_session"),
        "sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 5;unplug",
    )
    _pass_time(watch, 30)
    result = watch.result
    if result.finished != before + 1:
        result.problems.append("the session after the noise was not completed")
    if result.sessions != result.finished:
        result.problems.append(f"{result.sessions} sessions were started, {result.finished} finished")
    left = [
        error.type for found in watch.station.bus.implementations.values() for error in found.errors.active
    ]
    if left:
        result.problems.append(f"errors are left after the noise: {', '.join(left)}")
    link = watch.driver.link
    assert isinstance(link, MemoryLink | IsoTpLink)
    result.damaged = link.damaged
    for can in watch.can:
        result.frames += can.to_board.happened + can.to_host.happened
    return result


def _pass_time(watch: Watch, seconds: float) -> None:
    end_s = watch.clock.now_s() + seconds
    while watch.clock.now_s() < end_s:
        watch.advance(STEP_S / 10)
        watch.note()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.soak.wire_noise", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="of the virtual clock (default: 3600)")
    parser.add_argument("--noise", type=float, default=1, metavar="PERCENT", help="of the bytes (default: 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wire", choices=get_args(Wire), default="serial")
    arguments = parser.parse_args(argv)
    log = logging_setup.configure("error", "console")
    begin_s = time.monotonic()
    result = soak(arguments.seconds, arguments.noise, arguments.seed, arguments.wire)
    log.close()
    print(f"{arguments.seconds:g} s of the wire in {time.monotonic() - begin_s:.0f} s")
    print(f"sessions:  {result.finished} of {result.sessions} completed")
    print(f"damaged:   {result.damaged} messages of the board")
    if result.frames:
        print(f"frames:    {', '.join(f'{count} {what}' for what, count in result.frames.most_common())}")
    print(f"errors:    {', '.join(f'{count} times {what}' for what, count in result.errors.most_common())}")
    print(f"believed:  nothing wrong for longer than {result.wrong_s:.1f} s (bound: {WRONG_S:g} s)")
    for problem in result.problems:
        print(f"PROBLEM:   {problem}")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
