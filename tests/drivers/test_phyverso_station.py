"""A whole charger of two EVSEs on one PhyVerso, in virtual time: the example of a configuration, on a wire in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.board import messages as m
from drivers.link.link import Link
from drivers.phy_verso_bsp.module import PhyVersoBSP
from evse_daemon.config import load, load_text
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.interface import Var
from evse_daemon.interfaces.evse_manager import EvseManager
from tests.drivers.fake_board import CYCLE_S
from tests.drivers.fake_phyverso import FakePhyVerso, Port
from tests.drivers.test_phyverso_driver import MemoryLink
from tests.support.virtual_station import VirtualStation

EXAMPLE = Path(__file__).parents[2] / "config" / "config-phyverso.yaml"
NOT_HERE = ("auth", "card_reader", "allowlist", "meter_1", "meter_2", "meter_bus")
CONNECTORS = (1, 2)


class Wired(PhyVersoBSP):
    def make_link(self) -> Link:
        link = MemoryLink()
        link.now_s = self.clock.now_s
        return link

    def make_reset_pin(self) -> None:
        return None


def example() -> str:
    """The example, where everybody may charge and nothing is metered."""
    document = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    modules: dict[str, Any] = document["active_modules"]
    for module_id in NOT_HERE:
        del modules[module_id]
    for module in modules.values():
        for name, targets in list(module.get("connections", {}).items()):
            if any(target["module_id"] in NOT_HERE for target in targets):
                del module["connections"][name]
    for connector in CONNECTORS:
        modules[f"evse_manager_{connector}"]["config_module"]["disable_authentication"] = True
    return yaml.safe_dump(document)


class Charger(VirtualStation):
    def __init__(self) -> None:
        config = load_text(example())
        entry = dataclasses.replace(config.modules["phyverso"], cls=Wired)
        super().__init__(dataclasses.replace(config, modules={**config.modules, "phyverso": entry}))
        self.session: dict[int, list[str]] = {connector: [] for connector in CONNECTORS}
        self.board = FakePhyVerso()
        driver = self.station.modules["phyverso"]
        assert isinstance(driver, Wired)
        assert isinstance(driver.link, MemoryLink)
        self.driver = driver
        driver.link.board = self.board
        self.begin()
        self.run(2)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / CYCLE_S)):
            for connector, message in self.board.cycle(self.clock.now_s()):
                self.driver.received(self.driver.codec.encode_from_board(message, connector))
            self.advance(CYCLE_S)

    def until(self, port: Port, condition: str) -> None:
        for _ in range(400):
            if {"PWM": 0 < port.duty < 10_000, "closed": port.relay, "open": not port.relay}[condition]:
                return
            self.run(CYCLE_S)
        pytest.fail(f"not {condition} within 20 s")

    def charge(self, connector: int) -> None:
        port = self.board.ports[connector]
        port.car = "B"
        self.until(port, "PWM")
        port.car = "C"
        self.until(port, "closed")

    def leave(self, connector: int) -> None:
        self.board.ports[connector].car = "A"
        self.until(self.board.ports[connector], "open")
        self.run(2)

    def errors(self, connector: int) -> set[str]:
        return {
            error.type
            for (module_id, name), found in self.station.bus.implementations.items()
            if (module_id == "phyverso" and name.endswith(f"_{connector}"))
            or module_id == f"evse_manager_{connector}"
            for error in found.errors.active
        }

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseManager.session_event:
            self.session[int(source.module_id[-1])].append(value.event)


WHOLE = [
    "SessionStarted",
    "TransactionStarted",
    "ChargingStarted",
    "ChargingFinished",
    "TransactionFinished",
    "SessionFinished",
]


def milestones(events: list[str]) -> list[str]:
    return [event for event in events if event in WHOLE]


def test_cars_charge_on_both_connectors_at_once_and_again() -> None:
    charger = Charger()
    for _ in range(2):
        for events in charger.session.values():
            events.clear()
        for connector in CONNECTORS:
            charger.charge(connector)
        charger.run(30)
        assert [charger.board.ports[connector].relay for connector in CONNECTORS] == [True, True]
        charger.leave(1)
        assert charger.board.ports[2].relay
        charger.run(10)
        charger.leave(2)
        for connector in CONNECTORS:
            assert milestones(charger.session[connector]) == WHOLE
            assert charger.errors(connector) == set()


def test_a_fault_at_one_stops_that_session_alone_and_it_goes_on_afterwards() -> None:
    charger = Charger()
    for connector in CONNECTORS:
        charger.charge(connector)
    charger.board.ports[1].flags = m.ErrorFlags(diode_fault=True)
    charger.run(0.5)
    assert not charger.board.ports[1].relay
    assert "evse_board_support/DiodeFault" in charger.errors(1)
    charger.run(5)
    assert charger.board.ports[2].relay
    assert charger.errors(2) == set()
    assert "ChargingPausedEVSE" not in charger.session[2]
    charger.board.ports[1].flags = m.ErrorFlags()
    charger.until(charger.board.ports[1], "closed")


def test_a_restart_of_the_board_stops_both_and_both_go_on_by_themselves() -> None:
    charger = Charger()
    for connector in CONNECTORS:
        charger.charge(connector)
    charger.board.restart()
    charger.run(0.1)
    for connector in CONNECTORS:
        assert "evse_board_support/CommunicationFault" in charger.errors(connector)
        assert not charger.board.ports[connector].relay
    for connector in CONNECTORS:
        charger.until(charger.board.ports[connector], "closed")
        assert charger.errors(connector) == set()
        assert "SessionFinished" not in charger.session[connector]


def test_a_lost_board_is_an_error_of_both_evses_until_it_is_back() -> None:
    charger = Charger()
    charger.charge(1)
    charger.board.silent = True
    charger.run(2.5)
    for connector in CONNECTORS:
        assert "evse_board_support/CommunicationFault" in charger.errors(connector)
    charger.board.silent = False
    charger.run(10)
    for connector in CONNECTORS:
        assert charger.errors(connector) == set()
    charger.leave(1)
    charger.charge(2)


def test_the_example_is_fine() -> None:
    config = load(EXAMPLE, {})
    assert config.warnings == ()
    assert config.modules["phyverso"].cls is PhyVersoBSP


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("conn1_has_socket: true", "conn1_motor_lock_type"),
        ("conn2_motor_lock_type: 0", "conn2_motor_lock_type"),
        ("conn2_feedback_pull: 3", "conn2_feedback_pull"),
        (
            "conn1_min_current_A_import: 20",
            "conn1_min_current_A_import is more than conn1_max_current_A_import",
        ),
        ("{conn1_disable_port: true, conn2_disable_port: true}", "one connector at least"),
        ("conn3_dc: true", "conn"),
    ],
)
def test_options_that_cannot_be_are_named(options: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_text(
            f"active_modules:\n  board:\n    module: PhyVersoBSP\n    config_module:\n      {options}\n"
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("reset_gpio: -1", "no line resets the board"),
        ("{reset_gpio: 1, conn2_dc: true, conn2_disable_port: true}", "the port is disabled"),
    ],
)
def test_options_that_have_no_effect_or_are_a_risk_are_warned_of(options: str, says: str) -> None:
    text = f"active_modules:\n  board:\n    module: PhyVersoBSP\n    config_module:\n      {options}\n"
    (warning,) = load_text(text).warnings
    assert says in warning.message


def test_a_socket_for_direct_current_needs_no_lock_of_the_board() -> None:
    options = PhyVersoBSP.Options(conn1_has_socket=True, conn1_dc=True)
    assert options.port(1).setup == m.PortSetup("DC", has_socket=True)


def test_the_reset_line_is_that_of_bank_and_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(
        "drivers.phy_verso_bsp.options.GpioLine",
        lambda chip, line, *, active_low: asked.append((chip, line, active_low)),
    )
    assert PhyVersoBSP.Options().reset_pin() is None
    PhyVersoBSP.Options(reset_gpio=1, reset_gpio_bank=3, reset_gpio_pin=5).reset_pin()
    assert asked == [("gpiochip3", 5, False)]
