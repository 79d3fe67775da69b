"""InfyPower in a running station, its modules as a program of their own behind a CAN adapter on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.config import load_text
from evse_daemon.framework.bus import Client, Implementation, Inbox
from evse_daemon.framework.clock import RealClock
from evse_daemon.interfaces.power_supply_DC import PowerSupplyDC
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from simulators.yeti_firmware.program import NoBroker
from tests.support.waiting import run, until
from tests.system.processes import PROGRAM, Daemon, clean_environment

PATIENCE_S = 30.0
"""The machine may be busy; and a terminal whose program was killed may be another program's by now, until silence tells."""

COMMUNICATION = "power_supply_DC/CommunicationFault"


async def holds(condition: Callable[[], object]) -> None:
    await until(condition, PATIENCE_S)


class Modules(Daemon):
    """``evse-daemon sim infy`` with somebody at its stdin."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        read, self._stdin = os.pipe()
        super().__init__(
            folder / "modules", ["sim", "infy", "--link", str(folder / "infy"), *arguments], stdin=read
        )
        os.close(read)
        self.says(f"Power modules: {folder / 'infy'}")

    def tell(self, line: str) -> None:
        os.write(self._stdin, f"{line}\n".encode())

    def end(self) -> None:
        os.close(self._stdin)
        super().end()


class Supply:
    """The power supply of a station, as EvseManager has it."""

    def __init__(self, station: Station) -> None:
        self.provided: Implementation[Any] = station.bus.implementations["psu", "main"]
        self._client: Client[Any] = Client(self.provided, Inbox(station.bus, "test"))

    def read(self, name: str) -> Any:
        return self.provided.last_values.get(name)

    @property
    def current_A(self) -> float:
        read = self.read("voltage_current")
        return 0.0 if read is None else float(read.current_A)

    @property
    def errors(self) -> list[str]:
        return [error.type for error in self.provided.errors.active]

    def export(self, voltage_V: float, current_A: float) -> None:
        self._client.call(PowerSupplyDC.setExportVoltageCurrent, voltage_V, current_A)
        self._client.call(PowerSupplyDC.setMode, "Export", "Charging")

    async def off(self) -> None:
        answered: list[object] = []
        self._client.call(PowerSupplyDC.setMode, "Off", "Other").then(answered.append, answered.append)
        await holds(lambda: answered)
        assert answered == [None]


@asynccontextmanager
async def station(folder: Path) -> AsyncIterator[Supply]:
    config = f"""
        active_modules:
          psu:
            module: InfyPower
            config_module: {{can_interface: slcan, can_device: {folder / "infy"}, module_addresses: "0,1"}}
    """
    loop = asyncio.get_running_loop()
    built = Station(load_text(config), RealClock(), MemoryJournal(), loop.call_soon)
    built.build(NoBroker())
    end = asyncio.Event()
    running = asyncio.ensure_future(built.supervise(end))
    try:
        yield Supply(built)
    finally:
        end.set()
        await running


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[Callable[[], Modules]]:
    started: list[Modules] = []

    def start() -> Modules:
        started.append(Modules(tmp_path, "--modules", "0,1", "--battery", "350"))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_power_on_and_off_and_off_at_the_end(modules: Callable[[], Modules], tmp_path: Path) -> None:
    program = modules()

    async def scenario() -> None:
        async with station(tmp_path) as supply:
            await holds(lambda: supply.read("mode") == "Off" and supply.read("capabilities"))
            await holds(lambda: supply.read("capabilities").max_export_current_A == 200.0)
            supply.export(400.0, 30.0)
            await holds(lambda: supply.current_A == pytest.approx(30.0))
            await supply.off()
            assert supply.read("mode") == "Off"
            supply.export(400.0, 20.0)
            await holds(lambda: supply.read("mode") == "Export")
            await holds(lambda: "module 1: on, set to 400 V 10 A, gives 10.0 A" in program.out)

    run(scenario(), 120)
    program.says("gives 10.0 A\nmodule 0: off\nmodule 1: off\n", 3)


def test_silent_modules_are_a_fault_that_clears_by_itself_and_power_stays_off(
    modules: Callable[[], Modules], tmp_path: Path
) -> None:
    program = modules()

    async def scenario() -> None:
        async with station(tmp_path) as supply:
            await holds(lambda: supply.read("mode") == "Off" and supply.read("capabilities"))
            supply.export(400.0, 30.0)
            await holds(lambda: supply.read("mode") == "Export")
            for address in (0, 1):
                program.tell(f"silent {address} on")
            await holds(lambda: supply.errors == [COMMUNICATION])
            for address in (0, 1):
                program.tell(f"silent {address} off")
            await holds(lambda: supply.errors == [] and supply.read("mode") == "Off")

    run(scenario(), 120)


def test_modules_that_vanish_with_their_adapter_are_found_again(
    modules: Callable[[], Modules], tmp_path: Path
) -> None:
    program = modules()

    async def scenario() -> None:
        async with station(tmp_path) as supply:
            await holds(lambda: supply.read("mode") == "Off" and supply.read("capabilities"))
            supply.export(400.0, 30.0)
            await holds(lambda: supply.read("mode") == "Export")
            program.kill()
            await holds(lambda: supply.errors == [COMMUNICATION])
            again = await asyncio.to_thread(modules)
            await holds(lambda: supply.errors == [] and supply.read("mode") == "Off")
            assert "on, set" not in again.out
            supply.export(400.0, 30.0)
            await holds(lambda: "on, set to 400 V 15 A" in again.out)

    run(scenario(), 120)


def test_the_program_says_what_it_cannot_do(modules: Callable[[], Modules]) -> None:
    program = modules()
    program.tell("fly")
    program.says("refused: 'fly' (unknown)")
    program.tell("silent 7 on")
    program.says("refused: 'silent 7 on'")
    program.tell("alarm fan_fault 0 maybe")
    program.says("maybe is neither on nor off")
    program.tell("help")
    program.says("battery VOLT")
    program.process.send_signal(signal.SIGTERM)
    assert program.ended() == 0


def test_addresses_that_are_none_are_refused() -> None:
    done = subprocess.run(
        [*PROGRAM, "sim", "infy", "--modules", "0,x"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "addresses are 0 to 59" in done.stderr


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


MAIN = "import sys; from evse_daemon.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("library", "module"), [("can", "InfyPower"), ("can", "YetiCanDriver"), ("isotp", "YetiCanDriver")]
)
def test_without_the_libraries_check_config_says_what_to_install(
    library: str, module: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(f"active_modules: {{it: {{module: {module}}}}}")
    done = python(
        f"import sys; sys.modules[{library!r}] = None; {MAIN}", "check-config", str(tmp_path / "c.yaml")
    )
    assert done.returncode == 3
    assert "pip install 'evse-daemon[can]'" in done.stdout
    with_it = python(MAIN, "check-config", str(tmp_path / "c.yaml"))
    assert with_it.returncode == 0, with_it.stdout


def test_a_station_without_can_loads_no_can_library() -> None:
    loaded = "import sys, simulators.ev_manager.module, drivers.yeti_driver.module, evse_daemon.cli.main; print({'can', 'isotp'} & set(sys.modules))"
    done = python(loaded)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize(
    ("module", "option", "said"),
    [
        ("InfyPower", "module_addresses: 0;1", "is no address of a module"),
        ("InfyPower", "device_connection_timeout_s: 8", "must be more than 10 s"),
        ("YetiCanDriver", "can_id_to_host: 1696", "is can_id_to_board too"),
        ("YetiCanDriver", "can_id_to_board: 4096", "can_id_to_board"),
    ],
)
def test_options_that_cannot_work_are_explained(module: str, option: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        f"active_modules:\n  it:\n    module: {module}\n    config_module:\n      {option}\n"
    )
    done = python(MAIN, "check-config", str(tmp_path / "c.yaml"))
    assert done.returncode == 3
    assert said in done.stdout
    assert "c.yaml:5" in done.stdout
