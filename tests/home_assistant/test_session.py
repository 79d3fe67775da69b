"""What Home Assistant shows of a charging session, and what its switches do."""

from __future__ import annotations

import json

import pytest

from evse_daemon.mqtt.topics import api_command, carsim_command, carsim_error
from tests.home_assistant.world import CONFIG, World, configuration
from tests.modules.evse_manager.test_two_evses import own_configuration
from tests.support.home_assistant import UNAVAILABLE, UNKNOWN

BUTTONS = {"pause", "resume", "stop", "unlock"}
"""Without a state."""


@pytest.fixture
def world() -> World:
    found = World(configuration())
    found.advance(5)
    return found


def test_before_a_car_comes_every_entity_has_a_value(world: World) -> None:
    states = world.states()
    assert {key for key, state in states.items() if state == UNKNOWN} == BUTTONS
    assert states["state"] == "Unplugged"
    assert states["reason"] == "Ready, not charging: no car is plugged in. Plug a car in."
    assert [states[key] for key in ("car_connected", "charging", "problem", "enabled")] == [
        "off", "off", "off", "on",
    ]  # fmt: skip
    assert states["current_limit"] == "32"


def test_a_session(world: World) -> None:
    world.plug_in()
    before = world.states()
    assert before["state"] == "Charging"
    assert (before["car_connected"], before["charging"]) == ("on", "on")
    assert 9000 < float(before["power"]) < 12000
    assert [float(before[f"current_l{phase}"]) for phase in (1, 2, 3)] == pytest.approx([16.0] * 3, abs=0.2)
    assert float(before["voltage_l1"]) == pytest.approx(230, abs=15)
    assert float(before["offered_current"]) == pytest.approx(32, abs=0.1)
    assert world.device.attributes["reason"]["sentence"].startswith("Charging with up to 32.0 A on 3 phases")
    world.advance(120)
    after = world.states()
    charged_kwh = float(after["power"]) * 120 / 3.6e6
    for counter in ("energy", "session_energy"):
        assert float(after[counter]) - float(before[counter]) == pytest.approx(charged_kwh, rel=0.05)
    total = float(after["energy"])
    world.virtual.send(carsim_command(1, "modify_charging_session"), "unplug")
    world.advance(10)
    gone = world.states()
    assert (gone["state"], gone["car_connected"], gone["charging"]) == ("Unplugged", "off", "off")
    assert float(gone["power"]) == 0
    assert float(gone["energy"]) >= total
    assert float(gone["session_energy"]) == pytest.approx(total, abs=0.02), "until the next car comes"


def test_the_limit_is_set_and_is_what_the_energy_management_says(world: World) -> None:
    world.plug_in()
    world.press("current_limit", 10)
    states = world.states()
    assert (states["current_limit"], states["allowed_current"]) == ("10", "10.0")
    world.virtual.send(api_command("evse_manager", "set_limit_amps"), "7.5")
    world.advance(2)
    assert world.states()["current_limit"] == "7.5", "whoever has set it"
    world.press("current_limit", 0)
    states = world.states()
    assert (states["current_limit"], states["allowed_current"]) == ("0", "0.0")
    world.advance(10)
    assert world.states()["charging"] == "off"


def test_a_limit_above_what_the_board_has_is_shown_as_the_most_there_is() -> None:
    """Home Assistant refuses a number out of its range, and would go on showing the one before."""
    text = CONFIG.read_text("utf-8").replace("fuse_limit_A: 32", "fuse_limit_A: 63")
    world = World(configuration(text))
    world.advance(5)
    world.virtual.send(api_command("evse_manager", "set_limit_amps"), "50")
    world.advance(2)
    assert world.states()["current_limit"] == "32"


def test_pause_and_resume(world: World) -> None:
    world.plug_in()
    world.press("pause")
    assert world.states()["state"] == "ChargingPausedEVSE"
    assert world.device.attributes["reason"]["reasons"][0] == "it was paused by a command (pause_charging)"
    world.press("resume")
    world.advance(10)
    assert world.states()["charging"] == "on"
    world.press("stop")
    world.advance(10)
    assert world.states()["state"] == "FinishedEVSE"


def test_the_switch_disables_and_enables(world: World) -> None:
    world.plug_in()
    world.press("enabled", "off")
    world.advance(10)
    states = world.states()
    assert (states["enabled"], states["state"]) == ("off", "Disabled")
    assert states["car_connected"] == UNKNOWN, "the board of a disabled EVSE tells nothing of a car"
    world.press("enabled", "on")
    assert world.states()["enabled"] == "on"


def test_the_switch_shows_what_somebody_else_has_done(world: World) -> None:
    order = {"connector_id": 0, "source": "CSMS", "state": "Disable", "priority": 50}
    world.virtual.send(api_command("evse_manager", "enable_disable"), json.dumps(order))
    world.advance(2)
    assert world.states()["enabled"] == "off"
    world.press("enabled", "on")
    assert world.states()["enabled"] == "off", "a smaller number decides"


def test_a_fault_is_a_state_and_makes_nothing_unavailable(world: World) -> None:
    world.plug_in()
    world.virtual.send(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "true"}))
    world.advance(5)
    states = world.states()
    assert {key for key, state in states.items() if state in (UNKNOWN, UNAVAILABLE)} == BUTTONS
    assert (states["problem"], states["charging"]) == ("on", "off")
    assert world.device.attributes["problem"] == {
        "errors": ["evse_board_support/DiodeFault"],
        "texts": ["The car's control pilot diode is shorted."],
        "remedies": ["Unplug the car. If other cars charge, this car is defective."],
    }
    world.virtual.send(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "false"}))
    world.advance(5)
    assert world.states()["problem"] == "off"
    assert world.device.attributes["problem"]["errors"] == []


def test_a_meter_that_falls_silent_leaves_no_old_power_and_the_energy_that_it_counted(world: World) -> None:
    world.plug_in()
    counted = world.states()["energy"]
    meter = world.virtual.station.modules["yeti_driver"].implementations["powermeter"]
    meter.publish = lambda *_: None  # type: ignore[method-assign]  # it falls silent
    world.advance(21)
    states = world.states()
    measured = {"power", *(f"{what}_l{phase}" for what in ("current", "voltage") for phase in (1, 2, 3))}
    assert {key for key, state in states.items() if state == UNAVAILABLE} == measured
    assert float(states["energy"]) >= float(counted) > 0
    assert states["problem"] == "on"


def test_an_evse_whose_logic_has_failed_for_good_says_so(world: World) -> None:
    station = world.virtual.station
    for _ in range(10):
        station._failed("evse_manager", RuntimeError("a test"))
    world.advance(12)
    states = world.states()
    assert (states["problem"], states["charging"], states["car_connected"]) == ("on", "off", UNKNOWN)
    assert "Restart the daemon" in states["reason"]


@pytest.mark.parametrize(
    "payload", ["", "{", "null", "[]", "{}", '{"evses": []}', '{"evses": [], "error": "x"}']
)
def test_what_says_nothing_is_unknown(world: World, payload: str) -> None:
    """The explanation is cleared with an empty message at an orderly end."""
    device = world.device
    for topic in device.topics - {world.topics.status}:
        device.hear(topic, payload)
    assert {key: state for key, state in world.states().items() if state != UNKNOWN} == {}


def test_a_daemon_that_is_gone_makes_everything_unavailable(world: World) -> None:
    world.device.hear(world.topics.status, "offline")
    assert set(world.states().values()) == {UNAVAILABLE}


def test_each_of_two_evses_is_a_device_that_shows_its_own() -> None:
    two = World(configuration(own_configuration()))
    two.advance(5)
    first, second = two.devices.values()
    assert first.config["device"]["identifiers"] != second.config["device"]["identifiers"]
    two.virtual.send(carsim_command(1, "execute_charging_session"), "sleep 1;iec_wait_pwr_ready;sleep 1000")
    two.advance(5)
    assert (first.state("car_connected"), second.state("car_connected")) == ("on", "off")
    topic, payload = second.command("current_limit", 9)
    two.virtual.send(topic, payload)
    two.advance(2)
    assert (first.state("current_limit"), second.state("current_limit")) == ("32", "9")
