"""Why it is not charging, and why only this much: the answer in each situation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager import guards
from evse_daemon.modules.evse_manager.explain_limits import named
from evse_daemon.mqtt.topics import nodered_command
from evse_daemon.types.board_support_common import ProximityPilot
from evse_daemon.types.energy import NumberWithSource
from evse_daemon.types.evse_manager import StopTransactionRequest
from evse_daemon.types.units import Current
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, TOKEN, meter
from tests.modules.evse_manager.rig import Rig, source

FUSE = "grid/module_config"
SOCKET = CAPABILITIES.model_copy(update={"connector_type": "IEC62196Type2Socket"})


def told(rig: Rig) -> dict[str, Any]:
    found = rig.evse.explain()
    assert found["allowed_A"] == pytest.approx(
        guards.budget_a(rig.evse.state, rig.world.clock.now_s()), abs=0.01
    )
    assert [limit["smallest"] for limit in found["limits"]].count(True) <= 1
    assert found["charging"] is (rig.evse.state.pilot.contactor_closed and not found["blocks"])
    return found


def kinds(rig: Rig) -> list[str]:
    return [block["kind"] for block in told(rig)["blocks"]]


def smallest(rig: Rig) -> dict[str, Any]:
    return next(limit for limit in told(rig)["limits"] if limit["smallest"])


def ready(capabilities: Any = CAPABILITIES, **options: Any) -> Rig:
    rig = Rig(options, capabilities=capabilities).start()
    rig.world.advance(5)
    return rig


def plug(rig: Rig) -> None:
    rig.limit(16, FUSE, valid_for=1000)
    rig.pilot("B")


def authorize(rig: Rig) -> None:
    rig.call(Interface.authorize_response, TOKEN, ACCEPTED)


def charge(rig: Rig, current_a: float = 16) -> None:
    rig.limit(current_a, FUSE, valid_for=1000)
    rig.pilot("B")
    authorize(rig)
    rig.pilot("C")


def disable(rig: Rig) -> None:
    rig.call(Interface.enable_disable, 0, source("LocalAPI", "Disable", 100))
    rig.call(Interface.enable_disable, 0, source("CSMS", "Disable", 5000))


def stop(rig: Rig) -> None:
    charge(rig)
    rig.call(Interface.stop_transaction, StopTransactionRequest(reason="Local"))
    rig.pilot("B")


def pause(rig: Rig) -> None:
    charge(rig)
    rig.call(Interface.pause_charging)
    rig.pilot("B")


def fault(rig: Rig) -> None:
    charge(rig)
    rig.board.raise_error("evse_board_support/MREC6UnderVoltage", "180 V")
    rig.world.settle()


def too_little(rig: Rig) -> None:
    charge(rig)
    rig.limit(4, FUSE, valid_for=1000)
    rig.pilot("B")


def silent(rig: Rig) -> None:
    charge(rig)
    rig.limit(16, FUSE, valid_for=10)
    rig.world.advance(11)


def reserved_with_a_car(rig: Rig) -> None:
    rig.call(Interface.reserve, 7)
    plug(rig)


def full_car(rig: Rig) -> None:
    plug(rig)
    authorize(rig)


SITUATIONS: dict[str, tuple[Callable[[Rig], Any], str, str]] = {
    "nothing": (lambda rig: None, "no_car", "Ready, not charging: no car is plugged in. Plug a car in."),
    "plugged in": (plug, "no_authorization", "nobody has authorized it yet. Show a card."),
    "reserved": (lambda rig: rig.call(Interface.reserve, 7), "no_car", "no car is plugged in"),
    "reserved, with a car": (
        reserved_with_a_car, "reserved", "it is reserved (reservation 7)",
    ),
    "full car": (
        full_car, "car", "the car does not ask for power (control pilot B)",
    ),
    "disabled": (disable, "disabled", "disabled by LocalAPI (priority 100) (1 more). Enable it as LocalAPI"),
    "paused": (pause, "paused", "it was paused by a command (pause_charging)"),
    "stopped": (stop, "finished", "the transaction has ended (reason Local)"),
    "error": (fault, "error", "The voltage at the car is too low. Wait"),
    "less than 6 A": (too_little, "no_limit", "only 4.0 A of the 6 A that a car needs at least: allowed by"),
    "energy management silent": (silent, "no_limit", "the energy management has not renewed it"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_first_reason_is_the_one_that_counts(situation: str) -> None:
    make, kind, words = SITUATIONS[situation]
    rig = ready()
    make(rig)
    rig.world.settle()
    assert kinds(rig)[0] == kind
    assert words in told(rig)["sentence"]


def test_before_the_energy_management_has_spoken_it_is_the_reason() -> None:
    rig = ready()
    rig.pilot("B")
    authorize(rig)
    block = next(block for block in told(rig)["blocks"] if block["kind"] == "no_limit")
    assert "has not said anything yet" in block["text"]
    assert "EnergyManager" in block["remedy"]


def test_every_source_that_disables_is_named_with_its_priority_the_deciding_one_first() -> None:
    rig = ready()
    disable(rig)
    blocks = [block for block in told(rig)["blocks"] if block["kind"] == "disabled"]
    assert [(block["source"], block["priority"]) for block in blocks] == [("LocalAPI", 100), ("CSMS", 5000)]


def test_an_error_is_told_with_its_remedy_and_since_when_it_is_there() -> None:
    rig = ready()
    fault(rig)
    began = told(rig)["blocks"][0]["since"]
    rig.world.advance(30)
    [error] = [block for block in told(rig)["blocks"] if block["kind"] == "error"]
    assert error["source"] == "evse_board_support/MREC6UnderVoltage"
    assert error["remedy"] == "Wait; if it lasts, have the supply checked."
    assert error["since"] == began


def test_an_error_that_waits_for_the_car_to_leave_says_so() -> None:
    rig = ready()
    charge(rig)
    rig.board.raise_error("evse_board_support/PermanentFault", "x")
    rig.world.settle()
    assert "It is over" not in told(rig)["sentence"]
    rig.board.clear_error("evse_board_support/PermanentFault")
    rig.world.settle()
    assert "It is over; it counts until the car has left." in told(rig)["blocks"][0]["text"]


def test_charging_it_names_what_limits_it() -> None:
    rig = ready()
    charge(rig)
    found = told(rig)
    assert found["charging"] is True
    assert found["blocks"] == []
    assert found["sentence"] == (
        "Charging with up to 16.0 A on 3 phases: allowed by the energy management: the fuse of grid."
    )
    assert (found["allowed_A"], found["offered_A"], found["phases"]) == (16.0, 16.0, 3)
    limit = smallest(rig)
    assert (limit["kind"], limit["source"], limit["current_A"]) == ("energy", FUSE, 16.0)
    assert limit["heard"] < limit["until"]


def test_a_smaller_board_or_cable_is_the_smallest() -> None:
    rig = ready(SOCKET)
    rig.board.publish(EvseBoardSupport.ac_pp_ampacity, ProximityPilot(ampacity="A_20"))
    charge(rig, 32)
    assert (smallest(rig)["kind"], smallest(rig)["current_A"]) == ("cable", 20.0)
    rig.board.publish(EvseBoardSupport.capabilities, SOCKET.model_copy(update={"max_current_A_import": 10.0}))
    rig.world.settle()
    assert (smallest(rig)["kind"], smallest(rig)["current_A"]) == ("board", 10.0)
    assert "the car is still told 20.0 A" in told(rig)["sentence"]
    rig.world.advance(5)
    assert told(rig)["sentence"] == "Charging with up to 10.0 A on 3 phases: what the board is built for."


def test_a_limit_in_watt_is_shared_among_the_phases() -> None:
    rig = ready()
    charge(rig)
    rig.limit(32, FUSE, 1000, total_power_W=NumberWithSource(value=6900, source="API_module"))
    limit = smallest(rig)
    assert (limit["kind"], limit["current_A"]) == ("power", 10.0)
    assert limit["text"] == "6900 W on 3 phases: the API (set_limit_…)"


def test_while_a_random_delay_runs_what_was_allowed_before_counts() -> None:
    rig = ready(uk_smartcharging_random_delay_enable=True)
    charge(rig)
    rig.world.advance(650)
    rig.limit(8, "tariff", valid_for=1000)
    assert rig.evse.state.delay.ends_s is not None
    limit = smallest(rig)
    assert (limit["kind"], limit["current_A"]) == ("random_delay", 16.0)
    wanted = next(each for each in told(rig)["limits"] if each["kind"] == "energy")
    assert (wanted["current_A"], wanted["in_force"]) == (8.0, False)
    rig.world.advance(601)
    assert smallest(rig)["current_A"] == 8.0


def test_an_expired_limit_is_shown_as_expired_and_not_as_fresh() -> None:
    rig = ready()
    charge(rig)
    rig.limit(16, FUSE, valid_for=10)
    heard = smallest(rig)["heard"]
    rig.world.advance(60)
    limit = smallest(rig)
    assert limit["text"].startswith("expired")
    assert (limit["current_A"], limit["heard"]) == (0.0, heard)
    assert limit["until"] < rig.world.bus.timestamp()


def test_what_the_car_draws_is_told_only_while_the_reading_is_fresh() -> None:
    rig = ready()
    charge(rig)
    rig.evse.explained.reading(meter(0, Current(L1=9.5, L2=3, L3=0)))
    assert told(rig)["drawn_A"] == 9.5
    assert told(rig)["sentence"].endswith("; the car itself takes less.")
    rig.world.advance(11)
    assert told(rig)["drawn_A"] is None
    assert "takes less" not in told(rig)["sentence"]


def test_a_slider_is_named_beside_what_the_energy_management_makes_of_it() -> None:
    rig = ready()
    rig.world.send(nodered_command(1, "set_max_current"), "9")
    local = next(limit for limit in told(rig)["limits"] if limit["kind"] == "local")
    assert (local["current_A"], local["in_force"], local["smallest"]) == (9.0, False, False)


def test_a_kernel_that_failed_says_so() -> None:
    failures: list[Any] = []
    rig = Rig(failed=lambda module, error: failures.append(error)).start()
    rig.world.advance(5)
    for count in range(1, 5):
        rig.evse.recover(RuntimeError("broken"), count)
        assert told(rig)["blocks"][0]["kind"] == "failed"
        rig.world.advance(5)
    assert "failed too often" in told(rig)["sentence"]


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("grid/module_config", "the fuse of grid"),
        ("a/module_config, b/module_config", "the fuse of a and the fuse of b"),
        ("evse/evse_board_support_caps", "the board of evse"),
        ("evse/pp_ampacity", "the cable at evse"),
        ("home/SafeCurrent", "home, whose source of limits is silent (SafeCurrent)"),
        ("API_module", "the API (set_limit_…)"),
        ("OCPP", "OCPP"),
        ("", ""),
    ],
)
def test_sources_are_told_in_words(by: str, words: str) -> None:
    assert named(by) == words
