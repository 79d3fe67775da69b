"""A charger over CAN whose bytes are damaged between adapter and driver: late, but never wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.yeti_can_driver.module import YetiCanDriver
from evse_daemon.config import load_text
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.mqtt import topics
from simulators.wired import FAR_END
from simulators.yeti_firmware.module import YetiFirmware
from tests.support.memory_can import over_memory_can, virtual_loop
from tests.support.virtual_station import VirtualStation

SESSION = topics.carsim_command(1, "execute_charging_session")
STATION = """
active_modules:
  board: {module: YetiSimulator, config_module: {connector_id: 1}}
  car:
    module: EvManager
    config_module: {connector_id: 1, auto_enable: true}
    connections: {ev_board_support: [{module_id: board, implementation_id: ev_board_support}]}
  evse:
    module: EvseManager
    config_module: {connector_id: 1, evse_id: DE*PNX*E1*1, disable_authentication: true}
    connections:
      bsp: [{module_id: board, implementation_id: board_support}]
      powermeter_grid_side: [{module_id: board, implementation_id: powermeter}]
"""


@pytest.fixture(autouse=True)
def virtual() -> Iterator[None]:
    with virtual_loop():
        yield


@pytest.mark.parametrize("fault", ["noise 1", "lose 1"])
def test_no_wrong_state_is_believed_and_the_board_is_heard_again(fault: str) -> None:
    station = VirtualStation(over_memory_can(load_text(STATION)))
    driver, board = station.station.modules["board"], station.station.modules["board" + FAR_END]
    assert isinstance(driver, YetiCanDriver)
    assert isinstance(board, YetiFirmware)
    sent: set[bytes] = set()
    heard: list[bytes] = []
    told, commanded = board.line.send, driver.link.send
    commands: set[bytes] = set()
    obeyed: list[bytes] = []

    def board_sends(message: bytes) -> None:
        sent.add(message)
        told(message)

    def driver_sends(message: bytes) -> None:
        commands.add(message)
        commanded(message)

    received, arrived = driver._received, board._received

    def driver_hears(message: bytes) -> None:
        heard.append(message)
        received(message)

    def board_hears(message: bytes) -> None:
        obeyed.append(message)
        arrived(message)

    board.line.send, driver.link.send = board_sends, driver_sends  # type: ignore[method-assign]
    driver._received, board._received = driver_hears, board_hears  # type: ignore[method-assign, assignment]
    station.begin()
    station.advance(5)
    board.break_it(fault)
    for _ in range(5):
        station.send(SESSION, "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 30;unplug")
        station.advance(60)
    board.break_it("none")
    station.advance(30)
    assert set(heard) <= sent, "a message that the board never sent"
    assert set(obeyed) <= commands, "a command that the driver never gave"
    assert len(heard) > 100
    assert driver.board_support.errors.active == ()
    assert Powermeter.powermeter.name in driver.powermeter.last_values
    assert EvseBoardSupport.event.name in driver.board_support.last_values
